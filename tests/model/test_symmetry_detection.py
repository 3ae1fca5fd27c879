"""Maps of known symmetry, turned, moved and noisy, are given their group; others are given none."""

import numpy as np
import pytest

from coldstart.model.alignment import Placement, place_map
from coldstart.model.so3 import geodesic_distance_deg, random_rotations
from coldstart.model.symmetry import point_group
from coldstart.model.symmetry_detection import detect_symmetry, find_group

SIDE, RADIUS = 32, 11
BLOBS = {"C2": 10, "C5": 5, "D2": 6, "D7": 3, "O": 2, "I": 1}


def blobs(centres, width=1.1):
    z, y, x = np.mgrid[-SIDE // 2 : SIDE // 2, -SIDE // 2 : SIDE // 2, -SIDE // 2 : SIDE // 2]
    points = np.stack([x, y, z], axis=-1)
    return sum(np.exp(-0.5 * np.sum((points - centre) ** 2, axis=-1) / width**2) for centre in centres)


def random_centres(rng, count, reach=(6.0, 10.0)):
    directions = rng.standard_normal((count, 3))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True) * rng.uniform(*reach, (count, 1))


def symmetric_map(rng, name, shift=(1.3, -0.8, 0.6), noise=0.02):
    """A map of this symmetry in a random frame, its rotation out of the group's frame, and its centre."""
    turn, centres = random_rotations(rng, 1)[0], random_centres(rng, BLOBS[name])
    placed = np.einsum("gij,cj->gci", point_group(name).operators, centres).reshape(-1, 3) @ turn.T
    volume = blobs(placed + np.array(shift))
    return volume + noise * volume.max() * rng.standard_normal(volume.shape), turn, np.array(shift)


@pytest.mark.parametrize("name", list(BLOBS))
def test_a_symmetric_map_is_given_its_group(name, rng):
    volume, turn, centre = symmetric_map(rng, name)
    report = detect_symmetry(volume, RADIUS)
    assert report.is_conclusive
    assert report.group == name
    best, operators = report.candidates[0], point_group(name).operators
    true, found = turn @ operators @ turn.T, best.rotation.T @ operators @ best.rotation
    assert geodesic_distance_deg(true[:, None], found).min(axis=1).max() < 3.0
    if not name.startswith("C"):
        np.testing.assert_allclose(-best.rotation.T @ best.shift_voxels, centre, atol=0.3)


def test_subgroups_follow_the_group_that_holds_them(rng):
    report = detect_symmetry(symmetric_map(rng, "D7")[0], RADIUS)
    held = [candidate.group for candidate in report.candidates if candidate.holds]
    assert held == ["D7", "C7", "C2"]
    correlations = [candidate.correlation for candidate in report.candidates[3:]]
    assert correlations == sorted(correlations, reverse=True)
    assert "C14" in {candidate.group for candidate in report.candidates[3:]}


@pytest.mark.parametrize("seed", range(3))
def test_a_map_without_symmetry_is_given_none(seed):
    volume = blobs(random_centres(np.random.default_rng(seed), 14))
    report = detect_symmetry(volume, RADIUS)
    assert report.is_conclusive
    assert report.group == "C1"
    assert report.candidates[0].correlation < 0.5


def test_two_unlike_rings_of_seven_are_no_dihedral_map(rng):
    """They are as wide and as high as each other: from the side an outline of D7, in detail C7."""
    rings = np.array([[7.0, 0.0, 4.0], [4.5, 1.0, 6.0], [7.0, 1.5, -4.0], [4.5, -2.0, -6.5]])
    volume = blobs(np.einsum("gij,cj->gci", point_group("C7").operators, rings).reshape(-1, 3))
    assert detect_symmetry(volume, RADIUS).group == "C7"


def test_a_coarse_map_is_not_judged(rng):
    volume, _, _ = symmetric_map(rng, "C5")
    report = detect_symmetry(volume, 3)
    assert (report.group, report.is_conclusive, report.candidates) == ("C1", False, ())


def test_an_empty_map_has_no_group():
    assert detect_symmetry(np.zeros((SIDE,) * 3), RADIUS).group == "C1"
    assert find_group(np.zeros((SIDE,) * 3), point_group("D2"), RADIUS) is None


@pytest.mark.parametrize("name", ["C5", "I1"])
def test_a_found_group_brings_the_map_onto_its_axes(name, rng):
    volume, _, _ = symmetric_map(rng, "I" if name.startswith("I") else name, noise=0.0)
    group = point_group(name)
    found = find_group(volume, group, RADIUS)
    assert found is not None
    assert found.holds
    placement = Placement(found.rotation, found.shift_voxels, False, 1.0)
    placed = place_map(volume, placement)
    averaged = place_map(volume, placement, group.operators)
    assert np.corrcoef(placed.ravel(), averaged.ravel())[0, 1] > 0.98
