"""Operations are counted as the kernels' own loops have them."""

import numpy as np
import pytest

from coldstart.compute.profile import Launch
from coldstart.engine.work import FLOP, POINTS, VOXEL_UPDATES, Visits, insertion_visits, kernel_times, slicing_visits
from coldstart.model.polar import PolarPlane

PLANES = (PolarPlane(24, 12), PolarPlane(48, 17))


class Event:
    """Ran for two seconds."""

    class profile:
        start, end = 1_000_000_000, 3_000_000_000

    def wait(self):
        pass


def launch(kernel, global_size, shapes=(), numbers=(), **macros):
    return Launch(kernel, macros, global_size, shapes, numbers, 0.0, Event())


def measured(*launches):
    (time,) = kernel_times(launches, PLANES)
    return time


def test_score_grid():
    turn, lanes, blocks, images, terms, shifts = 24, 8, 24, 3, 15, 7
    flop = 0
    even, odd = range(0, turn // 2 + 1, 2), range(1, turn // 2, 2)
    angles = turn // 4 + 1
    for modes, passes in ((even, shifts + 1), (odd, shifts)):  # even modes once more, for the power
        flop += passes * len(modes) * (terms * 4 * 2 + 2 * angles * 2 * 2)  # the products are those of two directions
    time = measured(
        launch("score_grid", (blocks, images), numbers=(terms, shifts, 2 * blocks * lanes), TURN=turn, VW=lanes, TM=4)
    )
    assert (time.unit, time.work) == (FLOP, images * blocks * lanes * flop)
    assert (time.launches, time.seconds, time.rate) == (1, 2.0, time.work / 2)


@pytest.mark.parametrize("plane", PLANES)
def test_harmonics(plane):
    rings, images, shifts, modes = 9, 5, 7, plane.in_plane // 2 + 1
    table = plane.ring_table[:rings].astype(int)
    sums = sum(modes * steps * points for _, points, _, steps in table)
    points = sum(table[:, 1])
    numbers = (rings, 0, 0, shifts, plane.stride)
    images_done = measured(launch("image_harmonics", (3, images), numbers=numbers, TURN=plane.in_plane, TM=4))
    assert images_done.work == images * (4 * sums * (shifts + 1) + 6 * points * shifts)
    slices_done = measured(launch("slice_harmonics", (6,), numbers=(6, rings, 0, 0, 0), TURN=plane.in_plane, VW=4))
    assert slices_done.work == 6 * 4 * 8 * sums


@pytest.mark.parametrize("plane", PLANES)
def test_poses_share_the_slice_of_their_pair(plane):
    pairs, hyps = 11, 40
    points = int(plane.half_points[2:9].sum())
    shapes = ((), (), (), (), (), (), (), (), (), (hyps,), (hyps,))
    cells = measured(launch("score_cells", (pairs,), shapes, (pairs, 2, 9, plane.in_plane, plane.stride, 0)))
    assert cells.work == points * (11 * pairs + 4 * hyps)
    shapes = (*shapes[:9], (), (hyps,), (hyps,))
    entries = plane.count(2), plane.count(9)
    poses = measured(launch("score_poses", (pairs,), shapes, (pairs, *entries, plane.stride, 0, 0)))
    assert poses.work == points * (70 * pairs + 4 * hyps)


@pytest.mark.parametrize("plane", PLANES)
def test_slices(plane):
    rings, slices, entries = 6, 10, 33
    points = int(plane.half_points[:rings].sum())
    made = measured(launch("make_slices", (rings, slices), ((), (plane.stride,)), (0, 0, 0)))
    assert (made.unit, made.work) == (POINTS, slices * points)
    assert made.bytes == slices * points * (64 + 16)  # 8 neighbours of 8 bytes; two points of a whole turn
    gathered = measured(launch("gather_slices", (rings, slices), ((), (entries,)), (0, plane.stride)))
    assert (gathered.unit, gathered.work, gathered.bytes) == (POINTS, entries * points, None)
    numbers = (slices, plane.count(rings), plane.stride, 0, 0)
    inserted = measured(launch("insert_slices", (2,), (), numbers))
    assert (inserted.unit, inserted.work) == (VOXEL_UPDATES, 8 * slices * points)
    assert inserted.bytes == slices * points * (8 * 24 * 2 + 12)  # 8 voxels of 3 longs, there and back; 3 floats


@pytest.mark.parametrize("plane", PLANES)
def test_visits_are_those_of_the_largest_launch(plane):
    shapes = (), (plane.stride,)
    slicing = [launch("make_slices", size, shapes, (500, 40, 21)) for size in ((4, 7), (6, 10), (5, 10))]
    assert slicing_visits([launch("prefix_sums", (9,)), *slicing], PLANES) == Visits(plane, 6, 10, 40, 21)
    numbers = [(slices, plane.count(rings), plane.stride, 1, 20, 11) for slices, rings in ((9, 3), (10, 6))]
    inserting = [launch("insert_slices", (2,), (), given) for given in numbers]
    assert insertion_visits([*slicing, *inserting], PLANES) == Visits(plane, 6, 10, 20, 11)


def test_kernels_come_longest_first_and_unknown_work_is_none():
    known = launch("score_grid", (1, 1), numbers=(1, 1, 2), TURN=24, VW=1)
    times = kernel_times([known, launch("prefix_sums", (1,)), launch("prefix_sums", (1,))], PLANES)
    assert [time.kernel for time in times] == ["prefix_sums", "score_grid"]
    assert (times[0].launches, times[0].seconds) == (2, 4.0)
    assert times[0].work is times[0].unit is times[0].rate is times[0].bytes is None
    assert np.isfinite(times[1].rate)
