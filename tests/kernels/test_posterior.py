from itertools import pairwise

import numpy as np
import pytest

from coldstart.engine import reference

OMITTED = 1e-3
LENGTHS = [1, 7, 300, 2000, 65, 511, 33, 129, 1000, 17, 700, 90]
BIN = reference.RANGE / reference.BINS

# Log weights of 300 nats are float32 numbers 3e-5 apart, and a float32 sum of up to 2000 shares is off by some 1e-6:
# entries as near as this to a bin's edge, and masses as near as this to the wanted one, may fall on either side of it.
NATS = 1e-4
MASS = 1e-4


def log_weights(rng, lengths, spread):
    """Row starts, values and boosts; half of the entries stand for themselves alone."""
    start = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    value = rng.normal(-300.0, spread, start[-1])
    boost = np.where(rng.random(start[-1]) < 0.5, rng.exponential(2.0, start[-1]), 0.0)
    return start, value.astype(np.float32), boost.astype(np.float32)


def windows(rng, rows):
    """From none to more than the bins cover."""
    out = rng.uniform(0.0, 40.0, rows).astype(np.float32)
    out[::3], out[1::7] = 0.0, 100.0
    return out


def offsets(rng, rows):
    """Two rows of three are sampled, one is cut."""
    return np.where(np.arange(rows) % 3 == 2, -1.0, rng.random(rows)).astype(np.float32)


def is_clear_cut(x, window, limit):
    """Whether float32 leaves no doubt about the threshold."""
    depth = np.sort(x.max() - x.astype(np.float64))
    reach = np.clip(window, reference.REACH, reference.RANGE)
    position = depth[depth < reference.RANGE + NATS] / BIN
    near_an_edge = np.abs(position - np.rint(position))[position > 0].min(initial=np.inf) * BIN < NATS
    if near_an_edge or np.abs(depth - reach).min() < NATS:
        return False
    bins = position[depth[: len(position)] < reach].astype(int)
    mass, entries = np.cumsum(np.bincount(bins, np.exp(-depth[: len(bins)]))), np.cumsum(np.bincount(bins))
    expected = entries + (mass[-1] - mass) * np.exp(BIN * np.arange(1, len(mass) + 1))
    near_the_mass = np.abs(mass / mass[-1] - (1 - OMITTED)).min() < MASS * OMITTED
    near_the_limit = (np.abs(expected - limit) < 1e-3 * limit) & (expected != entries)
    return not (near_the_mass or near_the_limit.any())


@pytest.mark.parametrize("limit", [10_000, 20])
@pytest.mark.parametrize("spread", [0.3, 3.0, 10.0])
@pytest.mark.parametrize("groups", [1, 3])
def test_survey_rows(kernels, rng, spread, limit, groups):
    start, value, boost = log_weights(rng, LENGTHS, spread)
    of_images = windows(rng, len(LENGTHS) // groups)
    arguments = start, offsets(rng, len(LENGTHS)), of_images, value, boost, groups, OMITTED, limit
    found, expected = kernels.survey_rows(*arguments), reference.survey_rows(*arguments)
    np.testing.assert_allclose(found[:, 0], expected[:, 0], atol=NATS)
    np.testing.assert_allclose(found[:, 1], expected[:, 1], rtol=NATS)
    x = value.astype(np.float64) + boost
    window = of_images.repeat(groups)
    clear = [is_clear_cut(x[a:b], window[row], limit) for row, (a, b) in enumerate(pairwise(start))]
    assert sum(clear) >= 4
    np.testing.assert_allclose(found[clear, 2], expected[clear, 2], atol=NATS)
    assert np.array_equal(found[clear, 3], expected[clear, 3])
    assert found.tobytes() == kernels.survey_rows(*arguments).tobytes()


@pytest.mark.parametrize("limit", [4, 64, 10_000])
def test_rows_of_all_shapes(kernels, rows_of_all_shapes, limit):
    start, offset, value = rows_of_all_shapes(LENGTHS)
    window = np.zeros(len(offset), np.float32)
    arguments = start, offset, window, value, np.zeros_like(value), 1, OMITTED, limit
    found, expected = kernels.survey_rows(*arguments), reference.survey_rows(*arguments)
    np.testing.assert_allclose(found[:, 0], expected[:, 0], atol=NATS)
    np.testing.assert_allclose(found[:, 1], expected[:, 1], rtol=NATS)
    clear = [is_clear_cut(value[a:b], 0.0, limit) for a, b in pairwise(start)]
    assert sum(clear) > 0.3 * len(clear)
    np.testing.assert_allclose(found[clear, 2], expected[clear, 2], atol=NATS)
    assert np.array_equal(found[clear, 3], expected[clear, 3])
    assert found[:, 3].any() == (limit < 10_000)


def test_no_boost_is_a_boost_of_nothing(kernels, rng):
    start, value, _ = log_weights(rng, LENGTHS, 3.0)
    head = start, offsets(rng, len(LENGTHS)), windows(rng, len(LENGTHS)), value
    absent = kernels.survey_rows(*head, None, 1, OMITTED, 20)
    assert absent.tobytes() == kernels.survey_rows(*head, np.zeros_like(value), 1, OMITTED, 20).tobytes()


def test_mass_counts_with_its_boost(kernels, rng):
    start, value, boost = log_weights(rng, LENGTHS, 3.0)
    head = start, offsets(rng, len(LENGTHS)), windows(rng, len(LENGTHS))
    parts, sums = kernels.survey_rows(*head, value, boost, 1, OMITTED, 20), value + boost
    assert parts.tobytes() == kernels.survey_rows(*head, sums, None, 1, OMITTED, 20).tobytes()


@pytest.mark.parametrize("spread", [0.3, 3.0, 30.0])
def test_what_is_kept_holds_the_mass_and_only_the_last_bin_is_idle(kernels, rng, spread):
    start, value, _ = log_weights(rng, LENGTHS, spread)
    rows = len(LENGTHS)
    nothing = np.zeros(rows, np.float32)
    statistics = kernels.survey_rows(start, nothing, nothing, value, None, 1, OMITTED, 10_000)
    assert not statistics[:, 3].any()
    for row, (first, last) in enumerate(pairwise(start)):
        x = value[first:last].astype(np.float64)
        p = np.exp(x - np.logaddexp.reduce(x))
        threshold = statistics[row, 2]
        assert p[x >= threshold].sum() >= 1 - OMITTED - MASS * OMITTED
        assert p[x >= threshold + BIN + NATS].sum() < 1 - OMITTED * (1 - MASS)


@pytest.mark.parametrize("nats", [3.0, 12.3, 40.0])
def test_all_within_the_window_are_kept_even_if_they_weigh_nothing(kernels, rng, nats):
    start, value, _ = log_weights(rng, LENGTHS, 8.0)
    rows = len(LENGTHS)
    nothing, window = np.zeros(rows, np.float32), np.full(rows, nats, np.float32)
    narrow, wide = (kernels.survey_rows(start, nothing, w, value, None, 1, 0.5, 10_000) for w in (nothing, window))
    best = np.maximum.reduceat(value, start[:-1])
    edge = best - BIN * np.ceil(nats / BIN)
    np.testing.assert_allclose(wide[:, 2], np.minimum(narrow[:, 2], edge), atol=NATS)
    assert (wide[:, 2] <= best - nats + NATS).all()


def test_a_window_does_not_lift_the_limit(kernels):
    value, start = np.linspace(-10, 0, 1007).astype(np.float32), np.array([0, 1007], np.int32)
    for offset in (0.5, -1.0):
        head = start, np.array([offset], np.float32), np.array([5.0], np.float32)
        arguments = *head, value, 0.0 * value, 1, OMITTED, 50
        statistics = kernels.survey_rows(*arguments)
        assert statistics[0, 3] == 1
        assert np.count_nonzero(value >= statistics[0, 2]) <= 50
        assert statistics[0, 2] == pytest.approx(reference.survey_rows(*arguments)[0, 2], abs=NATS)


def test_what_is_hopeless_has_no_weight(kernels):
    value, start = np.array([5.0, 5.0 - 27.7, -1e30, 4.0, -np.inf], np.float32), np.array([0, 5], np.int32)
    arguments = start, np.array([0.9], np.float32), np.zeros(1, np.float32), value, 0.0 * value[:1].repeat(5)
    statistics = kernels.survey_rows(*arguments, 1, OMITTED, 10)
    np.testing.assert_allclose(statistics, reference.survey_rows(*arguments, 1, OMITTED, 10), rtol=1e-6)
    assert statistics[0, 0] == pytest.approx(5 + np.log(1 + np.exp(-1)))
    assert np.count_nonzero(value >= statistics[0, 2]) == 2


def test_the_window_reaches_further_than_what_has_weight(kernels):
    """All entries 30 nats under the best one hold 1e-12 of the mass; a window of 35 nats keeps them."""
    value, start = np.array([0.0, -30.0, -50.0], np.float32), np.array([0, 3], np.int32)
    for window, kept in ((0.0, 1), (35.0, 2), (100.0, 3)):
        head = start, np.array([0.9], np.float32), np.array([window], np.float32)
        arguments = *head, value, 0.0 * value, 1, OMITTED, 10
        for statistics in (kernels.survey_rows(*arguments), reference.survey_rows(*arguments)):
            assert np.count_nonzero(value >= statistics[0, 2]) == kept


def test_what_is_no_number_has_no_weight(kernels):
    value, start = np.array([np.nan, 1.0, np.nan, 0.0], np.float32), np.array([0, 4], np.int32)
    head = start, np.array([0.9], np.float32), np.zeros(1, np.float32)
    hopeless = np.nan_to_num(value, nan=-1e30)
    found, expected = (kernels.survey_rows(*head, values, None, 1, OMITTED, 10) for values in (value, hopeless))
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("count", [65, 1000, 4608])
def test_a_row_of_equal_entries(kernels, count):
    """An empty image tells nothing: all its poses are equal, and each stands for the same mass."""
    value, start = np.full(count, -7.0, np.float32), np.array([0, count], np.int32)
    arguments = start, np.array([0.5], np.float32), np.zeros(1, np.float32), value, 0.0 * value, 1, OMITTED, 64
    statistics = kernels.survey_rows(*arguments)
    np.testing.assert_allclose(statistics, reference.survey_rows(*arguments), rtol=1e-4)
    np.testing.assert_allclose(statistics[0], [np.log(count) - 7, count, np.log(count / 64) - 7, 1], rtol=1e-4)


def test_entries_on_an_edge_of_bins_count_with_the_better_one(kernels):
    """They reach the threshold, and are kept: neither more than the limit, nor mass that nobody has counted."""
    value, start = np.array([0.0, 0.0, 0.0, -2.0, -2.0, -1.875], np.float32), np.array([0, 6], np.int32)
    for offset, limit, kept, edge in ((0.5, 6, 4, -1.875), (0.5, 4, 4, -1.875), (-1.0, 3, 3, -1.75)):
        head = start, np.full(1, offset, np.float32), np.zeros(1, np.float32), value, 0.0 * value
        for statistics in (kernels.survey_rows(*head, 1, 0.1, limit), reference.survey_rows(*head, 1, 0.1, limit)):
            assert statistics[0, 2] == edge
            assert np.count_nonzero(value >= statistics[0, 2]) == kept


def test_equal_entries_share_a_fate(kernels):
    value = np.log(np.repeat([8.0, 4.0, 1.0], [1, 4, 6])).astype(np.float32)
    start, offset, window = np.array([0, len(value)], np.int32), np.array([0.5], np.float32), np.zeros(1, np.float32)
    for omitted, kept in ((OMITTED, 11), (0.25, 5), (0.75, 1)):
        arguments = start, offset, window, value, 0.0 * value, 1, omitted, 11
        for statistics in (kernels.survey_rows(*arguments), reference.survey_rows(*arguments)):
            assert np.count_nonzero(value >= statistics[0, 2]) == kept
            assert statistics[0, 3] == 0


@pytest.mark.parametrize("limit", [1, 16, 300])
def test_a_cut_row_keeps_its_best_bins_and_at_least_the_first(kernels, rng, limit):
    start, value, _ = log_weights(rng, [4608, 700, 50, 3], 1.5)
    value[:4608] = -7.0  # an empty image: all poses alike
    nothing = np.zeros(4, np.float32)
    arguments = start, np.full(4, -1.0, np.float32), nothing, value, 0.0 * value, 1, OMITTED, limit
    statistics, expected = kernels.survey_rows(*arguments), reference.survey_rows(*arguments)
    assert np.array_equal(statistics[:, 3], expected[:, 3])
    assert np.count_nonzero(value[:4608] >= statistics[0, 2]) == 4608  # one bin, which is kept whole
    for row, (first, last) in enumerate(pairwise(start)):
        x, threshold = value[first:last].astype(np.float64), statistics[row, 2]
        assert threshold <= x.max() - BIN + NATS
        if statistics[row, 3] and threshold < x.max() - BIN - NATS:
            assert np.count_nonzero(x >= threshold + NATS) <= limit
            assert np.count_nonzero(x >= threshold - BIN - NATS) > limit


def test_a_row_with_a_limit_of_its_own(kernels, rng):
    """And one of 0 keeps nothing, whether it is cut or sampled."""
    start, value, boost = log_weights(rng, LENGTHS, 0.3)
    rows = len(LENGTHS)
    head = start, offsets(rng, rows), np.zeros(rows, np.float32), value, boost, 1, OMITTED
    limits = np.where(np.arange(rows) % 2, 10_000, 0)
    found, whole = kernels.survey_rows(*head, limits), kernels.survey_rows(*head, 10_000)
    np.testing.assert_array_equal(found[1::2], whole[1::2])
    np.testing.assert_array_equal(found[::2, :2], whole[::2, :2])
    assert np.isposinf(found[::2, 2]).all()
    assert (found[::2, 3] == 1).all()
    np.testing.assert_array_equal(found[:, 2:], np.float32(reference.survey_rows(*head, limits)[:, 2:]) * 1)
