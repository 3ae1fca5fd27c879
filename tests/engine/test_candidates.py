import numpy as np
import pytest

from coldstart.engine.candidates import CandidateLists, Candidates
from coldstart.model.pose_grid import ShiftGrid, rotation_grid

IMAGES, CLASSES, LEVEL = 4, 3, 0
GRID, SHIFTS = rotation_grid(LEVEL), ShiftGrid(0.08, 0.04)
GROUPS = pytest.mark.parametrize("groups", [1, CLASSES])


@pytest.fixture
def candidates(session, rng):
    """(rows of an image) -> random candidates, some images without any of some class, and the same as a set."""

    def make(groups):
        own = np.sort(rng.choice(IMAGES * CLASSES, 9, replace=False))
        pairs = np.sort(np.unique(np.repeat(own, 3) * len(GRID) + rng.integers(0, len(GRID), 27)))
        image, rotation = np.divmod(pairs, CLASSES * len(GRID))
        row = pairs // (CLASSES * len(GRID) // groups)
        lengths = rng.integers(1, 4, len(pairs))
        start = np.concatenate([[0], np.cumsum(lengths)])
        shift = np.concatenate([rng.choice(len(SHIFTS.points(LEVEL)), n, replace=False) for n in lengths])
        columns = {
            "first": np.searchsorted(row, np.arange(IMAGES * groups + 1)),
            "image": image,
            "rotation": rotation,
            "start": start,
            "shift": shift,
        }
        nothing = np.zeros(len(shift), np.float32)
        held = (session.upload(f"test {name}", column.astype(np.int32)) for name, column in columns.items())
        found = Candidates(LEVEL, groups, *held, *(session.upload(f"test {n}", nothing) for n in ("value", "boost")))
        return found, poses_of(session, found)

    return make


def poses_of(session, found):
    """(image, class, rotation, shift) of every hypothesis, in the order of the list."""
    image, rotation, start, shift = (
        session.download(a) for a in (found.pair_image, found.pair_rotation, found.pair_start, found.hyp_shift)
    )
    pair = np.repeat(np.arange(found.pairs), np.diff(start))
    of_class, cell = np.divmod(rotation[pair], len(GRID))
    return list(zip(image[pair].tolist(), of_class.tolist(), cell.tolist(), shift.tolist(), strict=True))


@GROUPS
def test_neighbours_are_the_poses_around_each_in_its_own_image_and_class(session, candidates, groups):
    found, poses = candidates(groups)
    expected = {
        (image, of_class, rotation, shift)
        for image, of_class, cell, at in poses
        for rotation in GRID.neighbours(np.array([cell], np.int32))[0].tolist()
        for shift in SHIFTS.neighbours(LEVEL, np.array([at]))[0].tolist()
        if shift >= 0
    }
    swept = CandidateLists(session).neighbours(found, SHIFTS, CLASSES)
    around = poses_of(session, swept)
    assert len(around) == len(expected)  # each once
    assert set(around) == expected
    assert set(poses) < set(around)
    assert around == sorted(around)
    assert not session.download(swept.value).any()
    assert not session.download(swept.boost).any()


@GROUPS
def test_rows_of_neighbours_are_those_of_what_they_surround(session, candidates, groups):
    found, _ = candidates(groups)
    swept = CandidateLists(session).neighbours(found, SHIFTS, CLASSES)
    assert swept.groups == groups
    assert swept.level == LEVEL
    before, after = (session.download(each.pair_first) for each in (found, swept))
    assert len(after) == IMAGES * groups + 1
    np.testing.assert_array_equal(np.diff(before) > 0, np.diff(after) > 0)
    row = np.repeat(np.arange(IMAGES * groups), np.diff(after))
    np.testing.assert_array_equal(session.download(swept.pair_image), row // groups)
    if groups > 1:
        of_class = session.download(swept.pair_rotation) // len(GRID)
        np.testing.assert_array_equal(of_class, row % groups)
