from itertools import pairwise

import numpy as np
import pytest

from coldstart.engine import reference

OMITTED = 1e-3
LENGTHS = [1, 7, 300, 2000, 65, 511, 33, 129, 1000, 17]
BIN = reference.RANGE / reference.BINS

# Log weights of 300 nats are float32 numbers 3e-5 apart, and a float32 sum of up to 2000 shares is off by some 1e-6:
# entries as near as this to a bin's edge, and masses as near as this to the wanted one, may fall on either side of it.
NATS = 1e-4
MASS = 1e-5


def log_weights(rng, lengths, spread):
    start = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return start, (rng.normal(-300.0, spread, start[-1])).astype(np.float32)


def kept_entries(start, value, statistics):
    row = np.repeat(np.arange(len(start) - 1), np.diff(start))
    return np.flatnonzero(value >= statistics[row, 2])


def is_clear_cut(x, limit):
    """Whether float32 leaves no doubt which bins are kept."""
    depth = np.sort(x.max() - x.astype(np.float64))
    position = depth / BIN
    if np.abs(position - np.rint(position))[1:].min(initial=np.inf) * BIN < NATS:
        return False
    mass = np.cumsum(np.bincount(position.astype(int), np.exp(-depth)))
    return bool(np.abs(mass / mass[-1] - (1 - OMITTED)).min() > MASS)


@pytest.mark.parametrize("limit", [10_000, 20])
@pytest.mark.parametrize("spread", [0.3, 3.0, 30.0])
def test_normalize_rows(kernels, rng, spread, limit):
    start, value = log_weights(rng, LENGTHS, spread)
    p, statistics, kept_count = kernels.normalize_rows(start, value, OMITTED, limit)
    expected_p, expected, expected_count = reference.normalize_rows(start, value, OMITTED, limit)
    np.testing.assert_allclose(p, expected_p, rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(statistics[:, 0], expected[:, 0], rtol=1e-6)
    np.testing.assert_allclose(statistics[:, 1], expected[:, 1], rtol=1e-5)
    clear = [is_clear_cut(value[first:last], limit) for first, last in pairwise(start)]
    assert sum(clear) >= 4
    np.testing.assert_allclose(statistics[clear, 2], expected[clear, 2], rtol=1e-5)
    np.testing.assert_allclose(statistics[clear, 3], expected[clear, 3], atol=MASS)
    assert np.array_equal(kept_count[clear], expected_count[clear])


@pytest.mark.parametrize("spread", [0.3, 3.0, 30.0])
def test_kept_entries_hold_the_mass_and_only_the_last_bin_is_idle(kernels, rng, spread):
    start, value = log_weights(rng, LENGTHS, spread)
    p, statistics, kept_count = kernels.normalize_rows(start, value, OMITTED, 10_000)
    for row, (first, last) in enumerate(pairwise(start)):
        kept = p[first:last][p[first:last] >= statistics[row, 2]].astype(np.float64)
        assert len(kept) == kept_count[row]
        assert kept.sum() == pytest.approx(statistics[row, 3], abs=MASS)
        assert kept.sum() >= 1 - OMITTED - MASS
        assert kept[kept > kept.min() * np.exp(BIN + NATS)].sum() < 1 - OMITTED + MASS


def test_a_limit_acts_between_bins(kernels, rng):
    start, value = log_weights(rng, LENGTHS, 3.0)
    p, statistics, kept_count = kernels.normalize_rows(start, value, OMITTED, 20)
    assert (kept_count <= 20).all()
    for row, (first, last) in enumerate(pairwise(start)):
        if statistics[row, 3] < 1 - OMITTED:
            deeper = statistics[row, 2] * np.exp(-BIN - NATS)
            assert np.count_nonzero(p[first:last] >= deeper) > 20
    assert (statistics[[3, 5, 8], 3] < 1 - OMITTED).all()


def test_equal_entries_stay_together(kernels):
    value = np.log(np.repeat([8.0, 4.0, 1.0], [1, 4, 6])).astype(np.float32)
    start = np.array([0, len(value)], np.int32)
    for limit, kept in ((11, 11), (8, 5), (5, 5), (4, 1), (1, 1)):
        _, statistics, kept_count = kernels.normalize_rows(start, value, OMITTED, limit)
        expected = reference.normalize_rows(start, value, OMITTED, limit)
        assert kept_count[0] == expected[2][0] == kept
        assert statistics[0, 3] == pytest.approx(expected[1][0, 3], abs=1e-6)


def test_what_is_hopeless_has_no_weight(kernels):
    value, start = np.array([5.0, 5.0 - 27.7, -1e30, 4.0, -np.inf], np.float32), np.array([0, 5], np.int32)
    p, statistics, _ = kernels.normalize_rows(start, value, OMITTED, 10)
    np.testing.assert_allclose(p, np.array([1, 0, 0, np.exp(-1), 0]) / (1 + np.exp(-1)), rtol=1e-6)
    np.testing.assert_allclose(p, reference.normalize_rows(start, value, OMITTED, 10)[0], rtol=1e-6)
    assert statistics[0, 0] == pytest.approx(5 + np.log(1 + np.exp(-1)))


@pytest.mark.parametrize("count", [65, 100, 1000, 4608])
def test_a_row_of_equal_entries_is_never_left_empty(kernels, count):
    """An empty image tells nothing: all its poses are equal, and more than the limit."""
    value, start = np.zeros(count, np.float32), np.array([0, count], np.int32)
    _, statistics, kept_count = kernels.normalize_rows(start, value, OMITTED, 64)
    assert statistics[0, 1] == pytest.approx(count, rel=1e-4)
    assert kept_count[0] == reference.normalize_rows(start, value, OMITTED, 64)[2][0] == count


def test_compact_rows(kernels, rng):
    start, value = log_weights(rng, LENGTHS, 2.0)
    p, statistics, kept_count = kernels.normalize_rows(start, value, OMITTED, 64)
    kept_start = np.concatenate([[0], np.cumsum(kept_count)]).astype(np.int32)
    kept = kernels.compact_rows(start, p, statistics, kept_start[:-1], kept_start[-1])
    assert np.array_equal(kept, reference.compact_rows(start, p, statistics, kept_start[:-1]))
    assert np.array_equal(kept, kept_entries(start, p, statistics))


def test_twice_the_same_bytes(kernels, rng):
    given = *log_weights(rng, LENGTHS, 3.0), OMITTED, 64
    first, again = kernels.normalize_rows(*given), kernels.normalize_rows(*given)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(first, again, strict=True))
