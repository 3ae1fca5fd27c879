from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldstart.engine import reference

OMITTED = 1e-3
LENGTHS = [1, 7, 300, 2000, 65, 511, 33, 129, 1000, 17]
BIN = reference.RANGE / reference.BINS

# Log weights of 300 nats are float32 numbers 3e-5 apart, and a float32 sum of up to 2000 shares is off by some 1e-6:
# entries as near as this to a bin's edge, and masses as near as this to the wanted one, may fall on either side of it.
NATS = 1e-4
MASS = 1e-5


def rounding(entries):
    """Relative error of a sum of as many float32 numbers, at worst."""
    return entries * 2.0**-23


def log_weights(rng, lengths, spread):
    start = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return start, rng.normal(-300.0, spread, start[-1]).astype(np.float32)


def offsets(rng, rows):
    return rng.random(rows, dtype=np.float32)


SHAPES = {
    "flat": lambda rng, n: np.zeros(n),
    "narrow": lambda rng, n: rng.normal(-300, 0.3, n),
    "wide": lambda rng, n: rng.normal(-300, 5, n),
    "wider": lambda rng, n: rng.normal(-300, 8, n),
    "ramp": lambda rng, n: -0.01 * np.arange(n),
    "rising ramp": lambda rng, n: 0.1 * np.arange(n),
    "peak first": lambda rng, n: np.append(0.0, np.full(n - 1, -9.0)),
    "peak last": lambda rng, n: np.append(np.full(n - 1, -9.0), 0.0),
    "two levels": lambda rng, n: np.where(np.arange(n) % 10, -2.0, 0.0),
    "on the bins' edges": lambda rng, n: -BIN * rng.integers(0, 200, n),
    "exponential": lambda rng, n: -rng.exponential(3.0, n),
}


def all_shapes(rng, lengths):
    """Rows of every shape and length, with offsets up to the ends of their range: row_start, offset, value."""
    rows = [shape(rng, n) for shape in SHAPES.values() for n in lengths]
    offset = offsets(rng, len(rows))
    offset[::5], offset[1::5] = 0.0, np.float32(1 - 2.0**-24)
    start = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int32)
    return start, offset, np.concatenate(rows).astype(np.float32)


def stand_ins(kernels, start, offset, value, omitted, limit):
    """What a search makes of rows of log weights: p, statistics, and the kept entries with their rows and boosts."""
    p, statistics, kept_count = kernels.normalize_rows(start, offset, value, omitted, limit)
    kept_start = np.concatenate([[0], np.cumsum(kept_count)]).astype(np.int32)
    kept, boost = kernels.compact_rows(start, offset, p, statistics, kept_start[:-1], kept_start[-1])
    row = np.searchsorted(start, kept, side="right") - 1
    assert np.array_equal(np.bincount(row, minlength=len(kept_count)), kept_count)
    assert (np.diff(kept) > 0).all()
    return p, statistics, kept, row, boost


def is_clear_cut(x, limit):
    """Whether float32 leaves no doubt about the threshold."""
    depth = np.sort(x.max() - x.astype(np.float64))
    position = depth[depth < reference.RANGE] / BIN
    if np.abs(position - np.rint(position))[position > 0].min(initial=np.inf) * BIN < NATS:
        return False
    bins = position.astype(int)
    mass, entries = np.cumsum(np.bincount(bins, np.exp(-BIN * position))), np.cumsum(np.bincount(bins))
    expected = entries + (mass[-1] - mass) * np.exp(BIN * np.arange(1, len(mass) + 1))
    near_the_mass = np.abs(mass / mass[-1] - (1 - OMITTED)).min() < MASS
    near_the_limit = (np.abs(expected - limit) < 1e-3 * limit) & (expected != entries)
    return not (near_the_mass or near_the_limit.any())


def in_doubt(p, threshold, offset):
    """Entries of a sampled row that float32 sums may keep or not, as they come as near as that to the next whole."""
    sums = offset + np.cumsum(np.where(p < threshold, p / threshold, 0.0))
    near = np.abs(sums - np.rint(sums)) < rounding(len(p))
    return (p < threshold) & (near | np.append(False, near[:-1]))


@pytest.mark.parametrize("limit", [10_000, 20])
@pytest.mark.parametrize("spread", [0.3, 3.0, 30.0])
def test_normalize_rows(kernels, rng, spread, limit):
    start, value = log_weights(rng, LENGTHS, spread)
    arguments = start, offsets(rng, len(LENGTHS)), value, OMITTED, limit
    p, statistics, kept_count = kernels.normalize_rows(*arguments)
    expected_p, expected, expected_count = reference.normalize_rows(*arguments)
    np.testing.assert_allclose(p, expected_p, rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(statistics[:, 0], expected[:, 0], rtol=1e-6)
    np.testing.assert_allclose(statistics[:, 1], expected[:, 1], rtol=1e-5)
    clear = [is_clear_cut(value[first:last], limit) for first, last in pairwise(start)]
    assert sum(clear) >= 4
    np.testing.assert_allclose(statistics[clear, 2], expected[clear, 2], rtol=1e-5)
    assert np.array_equal(statistics[clear, 3], expected[clear, 3])
    ticks_in_doubt = expected[clear, 3]  # one entry more or less, where the row is sampled
    assert (np.abs(kept_count[clear] - expected_count[clear]) <= ticks_in_doubt).all()


@pytest.mark.parametrize("limit", [4, 64, 10_000])
def test_compact_rows(kernels, rng, limit):
    """Twin and kernel part only where a float32 sum decides whether an entry is drawn."""
    start, offset, value = all_shapes(rng, LENGTHS)
    p, statistics, kept, _, boost = stand_ins(kernels, start, offset, value, OMITTED, limit)
    sampled = statistics[:, 3] > 0
    counts, doubt = [], []
    for i, (first, last) in enumerate(pairwise(start)):
        own = p[first:last].astype(np.float64)
        counts.append(len(reference.kept_of_row(own, statistics[i, 2], sampled[i], offset[i])))
        doubt.append(in_doubt(own, statistics[i, 2], offset[i]) & sampled[i])
    twin_start = np.cumsum([0, *counts[:-1]])
    twin_kept, twin_boost = reference.compact_rows(start, offset, p, statistics, twin_start)
    doubt = np.concatenate(doubt)
    assert doubt.mean() < 0.02
    assert doubt[np.setxor1d(kept, twin_kept)].all()
    _, mine, its = np.intersect1d(kept, twin_kept, return_indices=True)
    np.testing.assert_allclose(boost[mine], twin_boost[its], atol=1e-5)
    assert sampled.any() == (limit < 10_000)


@pytest.mark.parametrize("spread", [0.3, 3.0, 30.0])
def test_kept_entries_hold_the_mass_and_only_the_last_bin_is_idle(kernels, rng, spread):
    start, value = log_weights(rng, LENGTHS, spread)
    p, statistics, kept, row, boost = stand_ins(kernels, start, offsets(rng, len(LENGTHS)), value, OMITTED, 10_000)
    assert not statistics[:, 3].any()
    assert not boost.any()
    assert np.array_equal(kept, np.flatnonzero(p >= np.repeat(statistics[:, 2], LENGTHS)))
    for i in range(len(LENGTHS)):
        own = p[kept[row == i]].astype(np.float64)
        assert own.sum() >= 1 - OMITTED - MASS
        assert own[own > own.min() * np.exp(BIN + NATS)].sum() < 1 - OMITTED + MASS


def test_a_row_is_sampled_only_where_its_mass_needs_more_than_the_limit(kernels, rng):
    start, value = log_weights(rng, LENGTHS, 3.0)
    arguments = start, offsets(rng, len(LENGTHS)), value, OMITTED
    needed = kernels.normalize_rows(*arguments, 10_000)[2]
    for limit in (1, 20, 100, int(needed.max()) - 1, int(needed.max())):
        _, statistics, _, row, boost = stand_ins(kernels, *arguments, limit)
        sampled = statistics[:, 3] > 0
        assert np.array_equal(sampled, needed > limit)
        assert not boost[~sampled[row]].any()
        assert np.array_equal(np.bincount(row, minlength=len(needed))[~sampled], needed[~sampled])


def test_equal_entries_share_a_fate(kernels):
    value = np.log(np.repeat([8.0, 4.0, 1.0], [1, 4, 6])).astype(np.float32)
    start, offset = np.array([0, len(value)], np.int32), np.array([0.5], np.float32)
    for omitted, kept in ((OMITTED, 11), (0.25, 5), (0.75, 1)):
        _, statistics, kept_count = kernels.normalize_rows(start, offset, value, omitted, 11)
        assert kept_count[0] == reference.normalize_rows(start, offset, value, omitted, 11)[2][0] == kept
        assert statistics[0, 3] == 0


@pytest.mark.parametrize("omitted", [1e-6, 1e-3, 3e-2])
@pytest.mark.parametrize("limit", [2, 16, 64])
def test_no_more_are_kept_than_the_limit_whatever_the_row(kernels, rng, omitted, limit):
    arguments = all_shapes(rng, [1, 2, 17, 300, 4608])
    _, statistics, _, row, _ = stand_ins(kernels, *arguments, omitted, limit)
    count = np.bincount(row, minlength=len(statistics))
    assert (count >= 1).all()
    assert (count <= limit + 1).all()
    assert statistics[:, 3].any()


@pytest.mark.parametrize("limit", [2, 16, 64])
def test_entries_above_the_threshold_are_always_kept_for_their_own_mass(kernels, rng, limit):
    p, statistics, kept, row, boost = stand_ins(kernels, *all_shapes(rng, [17, 300, 4608]), OMITTED, limit)
    above = p >= np.repeat(statistics[:, 2], [17, 300, 4608] * len(SHAPES))
    assert np.isin(np.flatnonzero(above), kept).all()
    assert not boost[above[kept]].any()
    drawn = ~above[kept]
    assert drawn.any()
    stood_for = p[kept[drawn]] * np.exp(boost[drawn])
    np.testing.assert_allclose(stood_for, statistics[row[drawn], 2], rtol=1e-5)


@pytest.mark.parametrize("limit", [2, 16, 64])
def test_the_kept_stand_for_all_the_mass(kernels, rng, limit):
    """To within the mass that one drawn entry stands for, wherever the sample starts."""
    lengths = [17, 300, 4608] * len(SHAPES)
    p, statistics, kept, row, boost = stand_ins(kernels, *all_shapes(rng, lengths[:3]), OMITTED, limit)
    mass = np.bincount(row, p[kept] * np.exp(boost.astype(np.float64)))
    sampled = statistics[:, 3] > 0
    slack = statistics[:, 2] + rounding(np.array(lengths))
    assert (np.abs(mass - 1) <= slack)[sampled].all()
    assert (mass[~sampled] >= 1 - OMITTED - MASS).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_every_entry_keeps_its_mass_in_the_mean(kernels, rng, shape):
    """Over a fine grid of offsets, an entry is drawn as often as its mass asks, but for the ends of its interval."""
    entries, grid, limit = 300, 500, 16
    value = np.tile(SHAPES[shape](rng, entries).astype(np.float32), grid)
    start = np.arange(0, len(value) + 1, entries, dtype=np.int32)
    offset = ((np.arange(grid) + 0.5) / grid).astype(np.float32)
    p, statistics, kept, row, boost = stand_ins(kernels, start, offset, value, 1e-6, limit)
    assert statistics[:, 3].all()
    mean = np.bincount(kept % entries, p[kept] * np.exp(boost.astype(np.float64)), minlength=entries) / grid
    own, threshold = p[:entries], float(statistics[0, 2])
    np.testing.assert_allclose(mean[own >= threshold], own[own >= threshold], rtol=1e-6)
    assert np.abs(mean - own).max() <= 3 * threshold / grid
    assert 1 < np.bincount(row).mean() <= limit + rounding(entries)


def test_what_is_hopeless_has_no_weight(kernels):
    value, start = np.array([5.0, 5.0 - 27.7, -1e30, 4.0, -np.inf], np.float32), np.array([0, 5], np.int32)
    arguments = start, np.array([0.9], np.float32), value, OMITTED, 10
    p, statistics, kept_count = kernels.normalize_rows(*arguments)
    np.testing.assert_allclose(p, np.array([1, 0, 0, np.exp(-1), 0]) / (1 + np.exp(-1)), rtol=1e-6)
    np.testing.assert_allclose(p, reference.normalize_rows(*arguments)[0], rtol=1e-6)
    assert statistics[0, 0] == pytest.approx(5 + np.log(1 + np.exp(-1)))
    assert kept_count[0] == 2


@pytest.mark.parametrize("count", [65, 100, 1000, 4608])
def test_a_row_of_equal_entries_is_drawn_from_evenly(kernels, count):
    """An empty image tells nothing: all its poses are equal, and more than the limit."""
    value, start = np.zeros(count, np.float32), np.array([0, count], np.int32)
    arguments = start, np.array([0.5], np.float32), value, OMITTED, 64
    _, statistics, kept, _, boost = stand_ins(kernels, *arguments)
    assert statistics[0, 1] == pytest.approx(count, rel=1e-4)
    assert statistics[0, 3] == 1
    assert len(kept) == reference.normalize_rows(*arguments)[2][0] == 64
    steps = np.diff(kept)
    assert set(steps) <= {count // 64, count // 64 + 1}
    np.testing.assert_allclose(boost, np.log(count / 64), atol=1e-5)


def test_twice_the_same_bytes(kernels, rng):
    arguments = *all_shapes(rng, LENGTHS), OMITTED, 16
    for first, again in zip(stand_ins(kernels, *arguments), stand_ins(kernels, *arguments), strict=True):
        assert first.tobytes() == again.tobytes()


@given(
    x=st.lists(st.floats(-40, 0), min_size=1, max_size=60).map(np.array),
    offset=st.floats(0, 1, exclude_max=True),
    omitted=st.sampled_from([0.0, 1e-6, 1e-3, 0.1]),
    limit=st.integers(2, 40),
)
def test_what_the_twin_keeps(x, offset, omitted, limit):
    start = np.array([0, len(x)])
    p, statistics, kept_count = reference.normalize_rows(start, [offset], x, omitted, limit)
    kept, boost = reference.compact_rows(start, [offset], p, statistics, [0])
    threshold, sampled = statistics[0, 2:]
    assert len(kept) == kept_count[0]
    assert 1 <= len(kept) <= limit + (offset > 1 - 1e-9)
    assert np.isin(np.flatnonzero(p >= threshold), kept).all()
    mass = np.sum(p[kept] * np.exp(boost))
    if sampled:
        assert abs(mass - 1) <= threshold * (1 + 1e-9) + 1e-12
    else:
        assert not boost.any()
        assert mass >= 1 - omitted - 1e-12


@pytest.mark.parametrize("limit", [1, 16, 300])
def test_a_cut_row_keeps_its_best_entries_and_is_never_left_empty(kernels, rng, limit):
    start, value = log_weights(rng, [4608, 700, 50, 3], 1.5)
    value[:4608] = -7.0  # an empty image: all poses alike
    offset = np.full(4, -1.0, np.float32)
    p, statistics, kept_count = kernels.normalize_rows(start, offset, value, OMITTED, limit)
    expected = reference.normalize_rows(start, offset, value, OMITTED, limit)
    kept_start = np.concatenate([[0], np.cumsum(kept_count)]).astype(np.int32)
    kept, boost = kernels.compact_rows(start, offset, p, statistics, kept_start[:-1], kept_start[-1])
    assert kept_count[0] == 4608  # one bin, which is kept whole
    assert np.array_equal(kept_count, expected[2])
    assert (boost == 0).all()
    for row, (first, last) in enumerate(pairwise(start)):
        chosen = kept[(kept >= first) & (kept < last)]
        assert value[chosen].max() == value[first:last].max()
        left_out = np.setdiff1d(np.arange(first, last), chosen)
        assert value[left_out].max(initial=-np.inf) < value[chosen].min()
        assert statistics[row, 3] == expected[1][row, 3]
