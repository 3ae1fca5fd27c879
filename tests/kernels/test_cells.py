import numpy as np

from coldstart.engine import reference

# As in test_score.py: twice the sum of 43 products of order 1 with slices that are exact to 1e-5.
ENERGY = 2e-4


def pairs_of(case, rng):
    """Eleven pairs with 0 to 9 hypotheses each, which stand for up to 3000 times their mass."""
    hypotheses = rng.integers(0, 10, len(case.rows))
    hypotheses[3] = 0
    start = np.concatenate([[0], np.cumsum(hypotheses)]).astype(np.int32)
    image = np.sort(rng.integers(0, len(case.image), len(case.rows))).astype(np.int32)
    shift = rng.integers(0, len(case.phase), start[-1]).astype(np.int32)
    return image, start, shift, rng.uniform(0, 8, start[-1]).astype(np.float32)


def test_score_cells(kernels, case, rng):
    given = (
        case.volume,
        case.kx,
        case.ky,
        case.image,
        case.weight,
        case.phase,
        case.rows,
        *pairs_of(case, rng),
        case.count,
    )
    found = kernels.score_cells(*given)
    np.testing.assert_allclose(found, reference.score_cells(*given), atol=ENERGY)
    assert np.array_equal(found, kernels.score_cells(*given))


def test_a_boost_is_added_to_the_log_weight(kernels, case, rng):
    head = case.volume, case.kx, case.ky, case.image, case.weight, case.phase, case.rows
    *pairs, boost = pairs_of(case, rng)
    plain, boosted = (kernels.score_cells(*head, *pairs, b, case.count) for b in (np.zeros_like(boost), boost))
    np.testing.assert_allclose(boosted - plain, boost, atol=1e-5)  # float32 sums of some tens of nats


def test_coefficients_beyond_count_do_not_matter(kernels, case, rng):
    poisoned_image, poisoned_weight = case.image.copy(), case.weight.copy()
    poisoned_image[..., case.count :] = 1e6
    poisoned_weight[..., case.count :] = 1e6
    tail = case.phase, case.rows, *pairs_of(case, rng), case.count
    clean = kernels.score_cells(case.volume, case.kx, case.ky, case.image, case.weight, *tail)
    assert np.array_equal(
        clean, kernels.score_cells(case.volume, case.kx, case.ky, poisoned_image, poisoned_weight, *tail)
    )


def test_a_whole_padded_row(kernels, case, rng):
    """A count that fills the last chunk to its end; the padding weighs nothing."""
    head = case.volume, case.kx, case.ky, case.image, case.weight, case.phase, case.rows, *pairs_of(case, rng)
    found = kernels.score_cells(*head, case.plane.stride)
    np.testing.assert_allclose(found, reference.score_cells(*head, len(case.plane)), atol=ENERGY)
