import numpy as np
import pytest

from coldstart.demo.align import Placement, align_maps, mirror_map, place_map
from coldstart.demo.molecule import Molecule, make_molecule, molecule_map
from coldstart.model.fsc import fourier_shell_correlation
from coldstart.model.so3 import geodesic_distance_deg, random_rotations

BOX, PIXEL = 32, 7.0


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_rotated_shifted_noisy_map_is_found_again(mirrored: bool) -> None:
    rng = np.random.default_rng(11)
    molecule, rotation, shift = make_molecule(3), random_rotations(rng, 1)[0], np.array([1.3, -2.2, 0.7])
    moved = Molecule(molecule.positions_angstrom @ rotation.T + shift * PIXEL, molecule.sigma_angstrom)
    fixed = molecule_map(moved, BOX, PIXEL)
    moving = molecule_map(molecule, BOX, PIXEL)
    moving = mirror_map(moving) if mirrored else moving
    moving = moving + (0.2 * moving.std() * rng.standard_normal(moving.shape)).astype(np.float32)

    placement = align_maps(moving, fixed)

    assert placement.mirrored is mirrored
    assert geodesic_distance_deg(placement.rotation, rotation) < 0.5
    assert np.abs(placement.shift_voxels - shift).max() < 0.05
    assert fourier_shell_correlation(place_map(moving, placement), fixed)[1:10].min() > 0.95


def test_placing_without_a_move_changes_nothing() -> None:
    volume = molecule_map(make_molecule(3), BOX, PIXEL)
    still = Placement(np.eye(3), np.zeros(3), mirrored=False, score=1.0)
    assert np.abs(place_map(volume, still) - volume).max() < 0.01 * volume.max()


def test_mirror_keeps_the_centre_voxel() -> None:
    volume = np.zeros((8, 8, 8), np.float32)
    volume[4, 4, 4], volume[6, 1, 2] = 1.0, 2.0
    mirrored = mirror_map(volume)
    assert mirrored[4, 4, 4] == 1.0
    assert mirrored[2, 1, 2] == 2.0
    assert np.array_equal(mirror_map(mirrored), volume)
