from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coldstart.engine import reference
from coldstart.engine.selftest.lists import OMITTED, candidate_lists, surveyed
from coldstart.model.pose_grid import ShiftGrid, rotation_grid

IN_PLANE = 24
# Log weights of 300 nats are float32 numbers 3e-5 apart.
NATS = 1e-4

GROUPS = pytest.mark.parametrize("groups", [1, 3])
"""Rows of an image: one for all classes, or one each."""


def rounding(entries):
    """Relative error of a sum of as many float32 numbers, at worst."""
    return entries * 2.0**-23


@pytest.fixture
def lists(rng):
    return candidate_lists(rng)


@pytest.fixture
def statistics(lists, rng):
    """Statistics and offsets: whole, sampled and cut rows are among them."""
    first, _, start, _, value, boost = lists
    found, offset = surveyed(rng, start[first], value + boost, 60)
    limited = found[:, 3] > 0
    assert (limited & (offset >= 0)).sum() >= 2
    assert (limited & (offset < 0)).sum() >= 1
    assert (~limited).sum() >= 2
    return found, offset


@GROUPS
def test_coarse_rotations_of_all_classes_are_counted_through(kernels, groups):
    """Two images, three classes and 40 rotations each, of which single ones are kept."""
    image, of_class, rotation = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1]), np.array([7, 39, 0, 22])
    log_sum = np.full((2, 3, 40), -50.0, np.float32)
    log_sum[image, of_class, rotation] = 0.0
    log_sum = log_sum.reshape(2 * groups, -1)
    statistics = np.tile(np.array([0, 1, -1, 0], np.float32), (2 * groups, 1))
    found = kernels.keep_rotations(log_sum, statistics, np.zeros(2 * groups, np.float32), groups, 3)
    assert np.array_equal(found[0], image)
    assert np.array_equal(found[1], 40 * of_class + rotation)


@GROUPS
def test_pairs_of_which_nothing_survives_are_gone(kernels, lists, statistics, groups):
    image, rotation, start, *_ = kernels.keep_hypotheses(*lists, *statistics, groups)
    assert 0 < len(rotation) < len(lists[1])
    assert (np.diff(start) > 0).all()
    assert set(image) == set(range(9 // groups))


def test_only_the_image_depends_on_how_many_rows_it_has(kernels, lists, statistics):
    for keep, tail in ((kernels.keep_hypotheses, ()), (kernels.split_hypotheses, (IN_PLANE,))):
        one, three = (keep(*lists, *statistics, groups, *tail) for groups in (1, 3))
        assert np.array_equal(three[0], one[0] // 3)
        assert all(a.tobytes() == b.tobytes() for a, b in zip(one[1:], three[1:], strict=True))


@GROUPS
def test_the_next_candidates_are_the_children_of_those_that_survive(kernels, lists, statistics, groups):
    """Rotations of the second and third class become the second and third class's of the next level."""
    kept = kernels.keep_hypotheses(*lists, *statistics, groups)
    image, rotation, start, shift, value, boost = kernels.split_hypotheses(*lists, *statistics, groups, IN_PLANE)
    of_class, cell = np.divmod(kept[1], len(rotation_grid(0)))
    assert set(of_class) == {0, 1, 2}
    expected = of_class[:, None] * len(rotation_grid(1)) + rotation_grid(0).children(cell)
    assert np.array_equal(rotation, expected.ravel())
    assert np.array_equal(image, np.repeat(kept[0], 8))
    for pair, (first, last) in enumerate(pairwise(kept[2])):
        for child in range(8 * pair, 8 * pair + 8):
            mine = slice(start[child], start[child + 1])
            assert np.array_equal(shift[mine], ShiftGrid.children(kept[3][first:last]).ravel())
            assert np.array_equal(boost[mine], np.repeat(kept[5][first:last], 4))
    assert not value.any()


@GROUPS
def test_a_row_of_which_nothing_survives_leaves_no_gap(kernels, lists, statistics, groups):
    found, offset = statistics
    hopeless = found.copy()
    hopeless[[0, 4, 8], 2:] = np.inf, 0.0
    for keep, tail in ((kernels.keep_hypotheses, ()), (kernels.split_hypotheses, (IN_PLANE,))):
        result, whole = keep(*lists, hopeless, offset, groups, *tail), keep(*lists, found, offset, 1, *tail)
        row = whole[0]
        remain = ~np.isin(row, [0, 4, 8])
        assert np.array_equal(result[0], row[remain] // groups)
        assert np.array_equal(result[1], whole[1][remain])
        assert np.array_equal(np.diff(result[2]), np.diff(whole[2])[remain])
        assert result[2][-1] == len(result[3])


def test_prefix_sums(kernels, rng):
    counts = rng.integers(0, 50, (23, 2)).astype(np.int32)
    counts[[0, 5, 22]] = 0
    starts, pair_first = kernels.prefix_sums(counts)
    assert np.array_equal(starts, np.concatenate([np.zeros((1, 2)), np.cumsum(counts, axis=0)]))
    assert np.array_equal(pair_first, starts[:, 0])


def stand_ins(kernels, start, offset, value, omitted, limit):
    """What a search keeps of rows: p, statistics, thresholds on p, and the kept entries with their rows and boosts."""
    rows = len(start) - 1
    nothing = np.zeros(rows, np.float32)
    statistics = kernels.survey_rows(start, offset, nothing, value, None, 1, omitted, limit)
    entry, first = np.arange(len(value), dtype=np.int32), np.arange(rows + 1, dtype=np.int32)
    _, _, _, kept, _, boost = kernels.keep_hypotheses(
        first, first[:-1], start, entry, value, np.zeros_like(value), statistics, offset, 1
    )
    assert (np.diff(kept) > 0).all()
    x = value.astype(np.float64)
    log_sum = np.array([np.logaddexp.reduce(x[first:last]) for first, last in pairwise(start)])
    p = np.exp(x - np.repeat(log_sum, np.diff(start)))
    row = np.searchsorted(start, kept, side="right") - 1
    return p, statistics, np.exp(statistics[:, 2] - log_sum), kept, row, boost.astype(np.float64)


@pytest.mark.parametrize("omitted", [1e-6, 1e-3, 3e-2])
@pytest.mark.parametrize("limit", [2, 16, 64])
def test_no_more_are_kept_than_the_limit_whatever_the_row(kernels, rows_of_all_shapes, omitted, limit):
    _, statistics, _, _, row, _ = stand_ins(kernels, *rows_of_all_shapes([1, 2, 17, 300, 4608]), omitted, limit)
    count = np.bincount(row, minlength=len(statistics))
    assert (count >= 1).all()
    assert (count <= limit + 1).all()
    assert statistics[:, 3].any()


@pytest.mark.parametrize("limit", [2, 16, 64])
def test_entries_above_the_threshold_are_always_kept_for_their_own_mass(kernels, rows_of_all_shapes, limit):
    start, offset, value = rows_of_all_shapes([17, 300, 4608])
    p, statistics, threshold, kept, row, boost = stand_ins(kernels, start, offset, value, OMITTED, limit)
    above = value >= np.repeat(statistics[:, 2], np.diff(start))
    assert np.isin(np.flatnonzero(above), kept).all()
    assert not boost[above[kept]].any()
    drawn = ~above[kept]
    assert drawn.any()
    assert (statistics[row[drawn], 3] == 1).all()
    np.testing.assert_allclose(p[kept[drawn]] * np.exp(boost[drawn]), threshold[row[drawn]], rtol=NATS)


@pytest.mark.parametrize("limit", [2, 16, 64])
def test_the_kept_stand_for_all_the_mass(kernels, rows_of_all_shapes, limit):
    """To within the mass that one drawn entry stands for, wherever the sample starts."""
    start, offset, value = rows_of_all_shapes([17, 300, 4608])
    p, statistics, threshold, kept, row, boost = stand_ins(kernels, start, offset, value, OMITTED, limit)
    mass = np.bincount(row, p[kept] * np.exp(boost))
    sampled = statistics[:, 3] > 0
    slack = threshold * (1 + rounding(np.diff(start))) + NATS
    assert (np.abs(mass - 1) <= slack)[sampled].all()
    assert (mass[~sampled] >= 1 - OMITTED * (1 + NATS)).all()


def test_every_entry_keeps_its_mass_in_the_mean(kernels, rng, shape):
    """Over a fine grid of offsets, an entry is drawn as often as its mass asks, but for the ends of its interval."""
    entries, grid, limit = 300, 500, 16
    value = np.tile(shape(rng, entries).astype(np.float32), grid)
    start = np.arange(0, len(value) + 1, entries, dtype=np.int32)
    offset = ((np.arange(grid) + 0.5) / grid).astype(np.float32)
    p, statistics, threshold, kept, row, boost = stand_ins(kernels, start, offset, value, 1e-6, limit)
    assert statistics[:, 3].all()
    mean = np.bincount(kept % entries, p[kept] * np.exp(boost), minlength=entries) / grid
    own, above = p[:entries], value[:entries] >= statistics[0, 2]
    np.testing.assert_allclose(mean[above], own[above], rtol=1e-6)
    assert np.abs(mean - own).max() <= 3 * threshold[0] / grid
    assert 1 < np.bincount(row).mean() <= limit + rounding(entries)


def test_every_rotation_keeps_its_mass_in_the_mean(kernels, rng):
    """As hypotheses do, with all its shifts."""
    rotations, grid, shifts = 200, 400, 3
    log_sum = np.tile(rng.normal(-300, 2.0, rotations).astype(np.float32), (grid, 1))
    offset = ((np.arange(grid) + 0.5) / grid).astype(np.float32)
    start, nothing = np.arange(grid + 1, dtype=np.int32) * rotations, np.zeros(grid, np.float32)
    statistics = kernels.survey_rows(start, offset, nothing, log_sum, None, 1, 1e-6, 16)
    _, rotation, pair_start, shift, _, boost = kernels.keep_rotations(log_sum, statistics, offset, 1, shifts)
    assert np.array_equal(np.diff(pair_start), np.full(len(rotation), shifts))
    assert np.array_equal(shift, np.tile(np.arange(shifts), len(rotation)))
    gain = boost.reshape(-1, shifts).astype(np.float64)
    assert (gain == gain[:, :1]).all()
    x = log_sum[0].astype(np.float64)
    p, threshold = (np.exp(y - np.logaddexp.reduce(x)) for y in (x, statistics[0, 2]))
    mean = np.bincount(rotation, p[rotation] * np.exp(gain[:, 0]), minlength=rotations) / grid
    assert np.abs(mean - p).max() <= 3 * threshold / grid


@pytest.mark.parametrize("count", [65, 100, 1000, 4608])
def test_a_row_of_equal_entries_is_drawn_from_evenly(kernels, count):
    """An empty image tells nothing: all its poses are equal, and more than the limit."""
    value, start = np.zeros(count, np.float32), np.array([0, count], np.int32)
    _, statistics, _, kept, _, boost = stand_ins(kernels, start, np.array([0.5], np.float32), value, OMITTED, 64)
    assert statistics[0, 3] == 1
    assert len(kept) == 64
    assert set(np.diff(kept)) <= {count // 64, count // 64 + 1}
    np.testing.assert_allclose(boost, np.log(count / 64), atol=1e-5)


@pytest.mark.parametrize("limit", [1, 16, 300])
def test_a_cut_row_keeps_its_best_entries_and_is_never_left_empty(kernels, rng, limit):
    start = np.array([0, 4608, 5308, 5358, 5361], np.int32)
    value = rng.normal(-300.0, 1.5, start[-1]).astype(np.float32)
    value[:4608] = -7.0  # an empty image: all poses alike
    _, _, _, kept, row, boost = stand_ins(kernels, start, np.full(4, -1.0, np.float32), value, OMITTED, limit)
    assert np.count_nonzero(row == 0) == 4608  # one bin, which is kept whole
    assert not boost.any()
    for image, (first, last) in enumerate(pairwise(start)):
        chosen = kept[row == image]
        assert value[chosen].max() == value[first:last].max()
        left_out = np.setdiff1d(np.arange(first, last), chosen)
        assert value[left_out].max(initial=-np.inf) < value[chosen].min()


@example(x=np.array([0.0, 0.0, 0.0, -2.0, -2.0, -1.875]), offset=0.0, omitted=0.1, limit=4)
@given(
    x=st.lists(st.floats(-40, 0), min_size=1, max_size=60).map(np.array),
    offset=st.floats(0, 1, exclude_max=True),
    omitted=st.sampled_from([0.0, 1e-6, 1e-3, 0.1]),
    limit=st.integers(2, 40),
)
def test_what_the_twins_keep(x, offset, omitted, limit):
    start, nothing = np.array([0, len(x)]), np.zeros(len(x))
    statistics = reference.survey_rows(start, [offset], [0.0], x, nothing, 1, omitted, limit)
    log_sum, _, threshold, sampled = statistics[0]
    lists = np.arange(2), np.zeros(1, int), start, np.arange(len(x)), x, nothing
    _, _, _, kept, _, boost = reference.keep_hypotheses(*lists, statistics, np.array([offset]), 1)
    assert 1 <= len(kept) <= limit + (offset > 1 - 1e-9)
    assert np.isin(np.flatnonzero(x >= threshold), kept).all()
    mass, one = np.sum(np.exp(x[kept] + boost - log_sum)), np.exp(threshold - log_sum)
    if sampled:
        assert abs(mass - 1) <= one * (1 + 1e-4) + 1e-9
    else:
        assert not boost.any()
        assert mass >= 1 - omitted - 1e-9
