import numpy as np
import pytest

from coldstart.demo.molecule import Molecule, make_molecule
from coldstart.demo.simulate import clean_images, coloured_noise, random_ctf, simulate_set
from coldstart.model.ctf import take_rows

BOX, PIXEL = 32, 7.0


def test_signal_to_noise_ratio_and_noise_level() -> None:
    molecule = make_molecule(3)
    found = simulate_set(molecule, 300, BOX, PIXEL, 0.15, seed=0)
    clean = clean_images(molecule, found.matrices, found.shift_px, found.ctf, BOX, PIXEL).astype(float)
    # The scale of the signal is what best explains the images by it.
    scale = np.sum(clean * found.images) / np.sum(clean**2)
    noise = found.images - scale * clean
    assert noise.std() == pytest.approx(1.0, abs=0.01)
    assert noise.mean() == pytest.approx(0.0, abs=0.01)
    assert (scale * clean).var() / noise.var() == pytest.approx(0.15, rel=0.03)


def test_particles_are_white() -> None:
    molecule = make_molecule(3)
    ctf = random_ctf(np.random.default_rng(0), 20)
    images = clean_images(molecule, np.tile(np.eye(3), (20, 1, 1)), np.zeros((20, 2)), ctf, BOX, PIXEL)
    bare = clean_images(molecule, np.eye(3)[None], np.zeros((1, 2)), None, BOX, PIXEL)[0]
    assert all(np.corrcoef(image.ravel(), bare.ravel())[0, 1] > 0.2 for image in images)


def test_ctf_is_positive_at_low_frequency_and_reverses_after_its_first_zero() -> None:
    bead = Molecule(np.zeros((1, 3)), 2.5)
    ctf = take_rows(random_ctf(np.random.default_rng(0), 1), np.array([0]))
    image = clean_images(bead, np.eye(3)[None], np.zeros((1, 2)), ctf, 64, 4.0)[0]
    along_x = np.fft.fft2(np.fft.ifftshift(image))[0, :32].real
    assert along_x[0] > 0
    assert along_x[1] > 0
    assert along_x.min() < -0.1


def test_shift_moves_the_particle_by_plus_x_and_plus_y() -> None:
    bead = Molecule(np.zeros((1, 3)), 10.0)
    image = clean_images(bead, np.eye(3)[None], np.array([[3.0, -5.0]]), None, BOX, PIXEL)[0]
    row, column = np.unravel_index(image.argmax(), image.shape)
    assert (column - BOX // 2, row - BOX // 2) == (3, -5)


def test_noise_is_coloured() -> None:
    noise = coloured_noise(np.random.default_rng(0), 200, BOX, PIXEL)
    power = np.mean(np.abs(np.fft.fft2(noise)) ** 2, axis=0)
    assert noise.std() == pytest.approx(1.0, abs=0.01)
    assert power[0, 1] > 1.5 * power[BOX // 2, BOX // 2]


def test_same_seed_same_images() -> None:
    molecule = make_molecule(3)
    first, again, other = (simulate_set(molecule, 5, BOX, PIXEL, 0.1, seed=seed).images for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
