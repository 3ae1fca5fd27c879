import numpy as np
import pytest

from coldstart.demo.molecule import DIAMETER_ANGSTROM, Molecule, make_molecule, molecule_map, molecule_slices
from coldstart.model.so3 import random_rotations

BOX, PIXEL = 32, 7.0


@pytest.fixture(scope="module")
def molecule() -> Molecule:
    return make_molecule(3)


def test_molecule_has_its_diameter_and_its_centre_of_mass_at_the_origin(molecule: Molecule) -> None:
    beads = molecule.positions_angstrom
    span = np.linalg.norm(beads[:, None] - beads[None], axis=2).max()
    assert span == pytest.approx(DIAMETER_ANGSTROM)
    assert np.abs(beads.mean(axis=0)).max() < 1e-9


def test_same_seed_same_molecule() -> None:
    assert np.array_equal(make_molecule(5).positions_angstrom, make_molecule(5).positions_angstrom)
    assert not np.array_equal(make_molecule(5).positions_angstrom, make_molecule(6).positions_angstrom)


def test_chain_hardly_runs_into_itself(molecule: Molecule) -> None:
    beads = molecule.positions_angstrom
    distances = np.linalg.norm(beads[:, None] - beads[None], axis=2) + 1e3 * np.eye(len(beads))
    step = np.median(np.linalg.norm(np.diff(beads, axis=0), axis=1))
    assert np.mean(distances.min(axis=1) < 0.5 * step) < 0.05


def test_map_of_one_bead_is_a_gaussian_at_its_place() -> None:
    bead = Molecule(np.array([[2 * PIXEL, -3 * PIXEL, 5 * PIXEL]]), 12.0)
    volume = molecule_map(bead, BOX, PIXEL)
    assert np.unravel_index(volume.argmax(), volume.shape) == (16 + 5, 16 - 3, 16 + 2)
    assert volume.sum() == pytest.approx(1.0, abs=1e-5)
    # One voxel away, at 7 Å, the Gaussian of sigma 12 Å has fallen to exp(-49/288).
    assert volume[21, 13, 19] / volume[21, 13, 18] == pytest.approx(np.exp(-(PIXEL**2) / (2 * 12.0**2)), abs=1e-3)


def test_slice_seen_along_z_is_the_central_section_of_the_map(molecule: Molecule) -> None:
    volume = molecule_map(molecule, BOX, PIXEL)
    section = np.fft.rfftn(np.fft.ifftshift(volume))[0]
    expected = section * (np.abs(section) > 1e-3)
    found = molecule_slices(molecule, np.eye(3)[None], BOX, PIXEL)[0]
    assert np.abs(found - expected).max() < 2e-3 * np.abs(expected).max()


def test_projection_puts_a_bead_where_the_rotation_takes_it() -> None:
    position = np.array([30.0, -20.0, 40.0])
    matrices = random_rotations(np.random.default_rng(0), 20)
    slices = molecule_slices(Molecule(position[None], 12.0), matrices, BOX, PIXEL)
    images = np.fft.fftshift(np.fft.irfft2(slices, s=(BOX, BOX)), axes=(1, 2))
    axis = (np.arange(BOX) - BOX // 2) * PIXEL
    for image, matrix in zip(images, matrices, strict=True):
        x, y, _ = matrix @ position
        assert (image.sum(axis=0) @ axis) / image.sum() == pytest.approx(x, abs=0.1)
        assert (image.sum(axis=1) @ axis) / image.sum() == pytest.approx(y, abs=0.1)
