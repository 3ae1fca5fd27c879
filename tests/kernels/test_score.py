import numpy as np

from coldstart.engine import reference

# A coordinate of up to 33 grid points is rounded to 2e-6 in float32, along three axes, and neighbours of white noise
# of unit power differ by about 1: a slice is exact to some 1e-5, its squared modulus to a few times that.
SLICE = 2e-5
# Twice the sum of 43 products of order 1 with such slices, the errors of which are independent.
ENERGY = 2e-4


def test_pack_images(kernels, case):
    tile = kernels.tuning.score_rows
    given = case.image, case.phase, case.count, tile
    left, expected = kernels.pack_images(*given), reference.pack_images(*given)
    assert left.shape == (5, -(-7 // tile), 2 * case.count, tile)
    np.testing.assert_allclose(left, expected, atol=1e-6)  # two products of order 1


def test_pack_slices(kernels, case):
    tile = kernels.tuning.score_columns
    rows = case.rows[np.arange(3 * tile) % len(case.rows)]
    given = case.volume, case.kx, case.ky, rows, case.count, tile
    for packed, expected in zip(kernels.pack_slices(*given), reference.pack_slices(*given), strict=True):
        np.testing.assert_allclose(packed, expected, atol=2 * SLICE)


def test_score_grid(kernels, case):
    given = case.volume, case.kx, case.ky, case.image, case.weight, case.phase, case.rows, case.count
    found = kernels.score_grid(*given)
    np.testing.assert_allclose(found, reference.score_grid(*given), atol=ENERGY)
    assert np.array_equal(found, kernels.score_grid(*given))


def test_score_grid_at_energies_beyond_the_range_of_exp(kernels, case):
    image = 200 * case.image
    given = case.volume, case.kx, case.ky, image, case.weight, case.phase, case.rows, case.count
    expected = reference.score_grid(*given)
    assert np.abs(expected).max() > 1000
    np.testing.assert_allclose(kernels.score_grid(*given), expected, atol=200 * ENERGY)


def test_score_grid_is_the_sum_over_shifts_of_the_poses_that_score_cells_scores(case):
    pairs, shifts = 5 * len(case.rows), len(case.phase)
    start, shift = np.arange(pairs + 1) * shifts, np.tile(np.arange(shifts), pairs)
    rows, image = np.tile(case.rows, (5, 1)), np.repeat(np.arange(5), len(case.rows))
    head = case.volume, case.kx, case.ky, case.image, case.weight, case.phase
    cells = reference.score_cells(*head, rows, image, start, shift, np.zeros(len(shift)), case.count)
    grid = reference.score_grid(
        case.volume, case.kx, case.ky, case.image, case.weight, case.phase, case.rows, case.count
    )
    np.testing.assert_allclose(np.logaddexp.reduce(cells.reshape(*grid.shape, shifts), axis=2), grid)


def test_score_grid_is_the_likelihood(case):
    """-E differs from the squared distance of image and prediction by the image's own power alone."""
    ctf, variance = 0.7, 1.3
    image, weight = case.image * ctf / variance, np.full(case.weight.shape, ctf**2 / variance)
    phase = case.phase[:1]
    scores = reference.score_grid(case.volume, case.kx, case.ky, image, weight, phase, case.rows, case.count)
    y = reference.slices(case.volume, case.kx, case.ky, case.rows, case.count)
    shift = phase[0, 0] + 1j * phase[0, 1]
    x = case.image[:, 0] + 1j * case.image[:, 1]
    difference = x[:, None, : case.count] - ctf * shift[: case.count] * y
    distance = np.sum(np.abs(difference) ** 2, axis=2) / variance
    own = np.sum(np.abs(x[:, : case.count]) ** 2, axis=1) / variance
    np.testing.assert_allclose(scores, own[:, None] - distance, rtol=1e-6, atol=1e-5)
