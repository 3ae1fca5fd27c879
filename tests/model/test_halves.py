"""Two halves brought together: maps matched and placed, poses in one frame, and what is said where they disagree."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from coldstart.demo.molecule import make_molecule, molecule_map
from coldstart.model.alignment import MIRROR_AXIS, Placement, place_map
from coldstart.model.fsc import fourier_shell_correlation
from coldstart.model.halves import MatchedHalves, match_halves, poses_on_first, verdict
from coldstart.model.hand import flip_map
from coldstart.model.projection import MapProjector
from coldstart.model.so3 import matrix_to_euler, random_rotations
from coldstart.model.state import PoseTable

BOX, VOXEL, RADIUS = 32, 6.0, 6.0
ONE = np.eye(3)[None]
TURN = Rotation.from_euler("ZYZ", (31.0, 77.0, 12.0), degrees=True).as_matrix()
SHIFT = np.array([1.5, -0.75, 0.5])


def molecule(seed: int) -> NDArray[np.float32]:
    return molecule_map(make_molecule(seed), BOX, VOXEL).astype(np.float32)


def moved(volume: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of the other hand, turned and shifted."""
    placement = Placement(TURN, SHIFT, mirrored=False, score=1.0)
    return place_map(flip_map(volume, MIRROR_AXIS), placement).astype(np.float32)


def some_poses(count: int, classes: int = 1) -> PoseTable:
    rng = np.random.default_rng(4)
    ones = np.ones(count)
    return PoseTable(
        particle=np.arange(count),
        euler_deg=matrix_to_euler(random_rotations(rng, count)),
        origin_angstrom=rng.normal(scale=5.0, size=(count, 2)),
        class_posterior=np.eye(classes)[np.arange(count) % classes],
        log_likelihood=ones,
        ess=ones,
        max_posterior=ones,
        used=ones > 0,
    )


def test_a_half_in_another_frame_and_hand_is_brought_onto_the_first_with_its_poses() -> None:
    one = molecule(1)
    matched = match_halves(one[None], moved(one)[None], RADIUS, ONE)
    assert matched.agree
    assert matched.placements[0].mirrored
    assert fourier_shell_correlation(*matched.volumes[0])[1:10].min() > 0.97
    own = some_poses(6)
    assert_shows_the_same(moved(one), own, one, poses_on_first(own, matched, VOXEL))


def assert_shows_the_same(
    volume: NDArray[np.float32], poses: PoseTable, other: NDArray[np.float32], others: PoseTable
) -> None:
    """That a map gives under its poses and origins the images that another one gives under other ones."""
    pairs = ((volume, poses), (other, others))
    a, b = (MapProjector(map_, VOXEL).project(own.euler_deg, own.origin_angstrom) for map_, own in pairs)
    assert min(np.corrcoef(left.ravel(), right.ravel())[0, 1] for left, right in zip(a, b, strict=True)) > 0.99


def test_classes_are_matched_before_they_are_compared() -> None:
    one, two = molecule(1), molecule(2)
    matched = match_halves(np.stack([one, two]), np.stack([moved(two), one]), RADIUS, ONE)
    assert matched.agree
    assert matched.second.tolist() == [1, 0]
    poses = some_poses(4, classes=2)
    new = poses_on_first(poses, matched, VOXEL)
    assert new.class_index.tolist() == [1, 0, 1, 0]
    for index, (before, after) in enumerate(((moved(two), two), (one, one))):
        here = poses.class_index == index
        assert_shows_the_same(before, poses.rows(here), after, new.rows(here))


def test_halves_of_different_maps_are_not_put_together() -> None:
    one, two = molecule(1), molecule(2)
    matched = match_halves(np.stack([one, two]), np.stack([moved(one), molecule(3)]), RADIUS, ONE)
    assert not matched.agree
    assert matched.placements == ()
    text = verdict(matched, ())
    assert "no common map for class 2 of the first" in text
    assert "not put together" in text
    assert "no resolution to quote" in text


@pytest.mark.parametrize(
    ("figures", "said"),
    [((15.04,), "resolution 15.0 Å"), ((15.0, 21.0), "resolution 15.0 Å of class 1, 21.0 Å of class 2 (FSC 0.143")],
)
def test_a_verdict_quotes_the_resolution_of_every_map(figures: tuple[float, ...], said: str) -> None:
    count = len(figures)
    matched = MatchedHalves(np.ones(count), np.arange(count), (), np.zeros((count, 2, 2, 2, 2), np.float32))
    assert said in verdict(matched, figures)
