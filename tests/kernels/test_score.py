from dataclasses import replace

import numpy as np
import pytest

from coldstart.engine import reference
from coldstart.engine.selftest.inputs import half_paired
from coldstart.engine.selftest.inputs import scored_grid as scored
from coldstart.engine.slices import unpaired
from coldstart.model.polar import PolarPlane

IN_PLANE = 24

# Twice the sum of 96 products of order 1, found from harmonics of order 10.
ENERGY = 3e-5


def test_best_shifts_are_found_and_may_be_left_out(kernels, case):
    log_sum, _, best_shift = kernels.score_grid(*scored(case))
    # But for shifts that are as good as another.
    assert (best_shift == reference.score_grid(*scored(case))[2]).mean() > 0.99
    (alone,) = kernels.score_grid(*scored(case), track=False)
    assert np.array_equal(alone, log_sum)


@pytest.mark.parametrize(("rows", "lanes"), [(1, 4), (8, 8), (8, 1)])
def test_tiles_of_other_sizes(kernels, case, rows, lanes):
    other = type(kernels)(kernels.session, replace(kernels.tuning, score_rows=rows, vector_width=lanes))
    np.testing.assert_allclose(other.score_grid(*scored(case))[0], reference.score_grid(*scored(case))[0], atol=ENERGY)


def test_score_grid_of_a_finer_level(kernels, case, rng):
    """Twice the in-plane angles, and a ring that has two points a step."""
    plane = PolarPlane(2 * IN_PLANE, 13)
    kx, ky = plane.frequencies.T.astype(np.float32)
    rows = case.rows[:8] * [0.5, 0.5, 0.5, 1, 0.5, 0.5, 0.5, 1]
    circle = int(plane.circle_start[-1])
    places = unpaired(8)
    given = places, plane.ring_table, np.zeros(13), circle
    table, _, _ = reference.make_slices(case.volumes, kx, ky, rows, *given)
    points, finer = len(plane.points), replace(case, plane=plane)
    image, phase = (finer.on_points(rng.standard_normal((3, 2, points))) for _ in range(2))
    weight = finer.on_points(rng.random((3, points)))
    given = table.astype(np.float32), places, plane.ring_table, image, weight, phase, plane.in_plane
    # Four times as many points as the coarse plane has.
    for one, other in zip(kernels.score_grid(*given)[:2], reference.score_grid(*given)[:2], strict=True):
        np.testing.assert_allclose(one, other, atol=4 * ENERGY)


def test_score_grid_at_energies_beyond_the_range_of_exp(kernels, case):
    bright = replace(case, image=200 * case.image)
    expected, _, _ = reference.score_grid(*scored(bright))
    assert np.abs(expected).max() > 1000
    np.testing.assert_allclose(kernels.score_grid(*scored(bright))[0], expected, atol=200 * ENERGY)


def test_pads_and_rings_beyond_those_used_do_not_matter(kernels, case):
    few = case.rings[:5]
    unused = np.union1d(case.pads, np.arange(case.rings[5, 0], case.plane.stride))
    beyond = slice(int(case.rings[5, 2]), None)
    places = half_paired(len(case.table))
    clean = kernels.score_grid(case.table, places, few, case.image, case.weight, case.phase, IN_PLANE)
    table = case.poisoned(case.table, beyond)
    rows = (case.poisoned(values, unused) for values in (case.image, case.weight, case.phase))
    for one, other in zip(clean, kernels.score_grid(table, places, few, *rows, IN_PLANE), strict=True):
        assert np.array_equal(one, other)


def test_score_grid_is_the_sum_over_shifts_of_the_poses_that_score_cells_scores(kernels, case):
    images, shifts, rotations = len(case.image), len(case.phase), len(case.table) * IN_PLANE
    pairs = images * rotations
    image, rotation = (n.astype(np.int32) for n in np.divmod(np.arange(pairs), rotations))
    start, shift = np.arange(pairs + 1, dtype=np.int32) * shifts, np.tile(np.arange(shifts, dtype=np.int32), pairs)
    cells = kernels.score_cells(
        case.table, case.image, case.weight, case.phase, case.rings, image, rotation, start, shift,
        np.zeros(len(shift), np.float32), 0, len(case.rings), IN_PLANE,
    ).reshape(images, rotations, shifts)  # fmt: skip
    log_sum, best_weight, best_shift = (scores[:, :rotations] for scores in kernels.score_grid(*scored(case)))
    np.testing.assert_allclose(log_sum, np.logaddexp.reduce(cells.astype(np.float64), axis=2), atol=ENERGY)
    np.testing.assert_allclose(best_weight, cells.max(axis=2), atol=ENERGY)
    chosen = np.take_along_axis(cells, best_shift[..., None], axis=2)[..., 0]
    np.testing.assert_allclose(chosen, cells.max(axis=2), atol=2 * ENERGY)


def test_score_grid_is_the_likelihood(case):
    """-E differs from the squared distance of image and prediction by the image's own power alone."""
    ctf, variance = 0.7, 1.3
    area = case.plane.weights
    image, weight = area * case.image * ctf / variance, np.tile(area * ctf**2 / variance, (5, 1))
    phase = reference.phase_table(case.kx, case.ky, np.array([[0.03, -0.08]]), np.ones(case.plane.stride))
    places = unpaired(len(case.table))
    scores, _, _ = reference.score_grid(case.table, places, case.rings, image, weight, phase, IN_PLANE)
    direction, angle = np.divmod(np.arange(len(case.table) * IN_PLANE), IN_PLANE)
    y = reference.turned_slices(case.table, case.rings, direction, angle, IN_PLANE)
    x = case.image[:, 0] + 1j * case.image[:, 1]
    difference = x[:, None] - ctf * (phase[0, 0] + 1j * phase[0, 1]) * y
    distance = np.sum(area * np.abs(difference) ** 2, axis=2) / variance
    own = np.sum(area * np.abs(x) ** 2, axis=1) / variance
    np.testing.assert_allclose(scores, own[:, None] - distance, rtol=1e-6, atol=1e-5)
