"""Projections of a map, against the images that the molecule gives in closed form."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from coldstart.demo.molecule import Molecule, make_molecule, molecule_map
from coldstart.demo.simulate import clean_images, random_ctf
from coldstart.model.hand import flip_map, flip_poses
from coldstart.model.projection import (
    MapProjector,
    fourier_radius,
    image_correlation,
    low_passed,
    normalized_images,
)
from coldstart.model.so3 import matrix_to_euler, random_rotations

BOX, PIXEL, COUNT = 40, 5.0, 12


@pytest.fixture(scope="module")
def molecule() -> Molecule:
    return make_molecule(3)


@pytest.fixture(scope="module")
def volume(molecule: Molecule) -> NDArray[np.float32]:
    return molecule_map(molecule, BOX, PIXEL)


@pytest.fixture(scope="module")
def poses() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(5)
    return random_rotations(rng, COUNT), rng.normal(0.0, 2.0, (COUNT, 2))


def relative_error(found: NDArray[np.float32], true: NDArray[np.float32]) -> float:
    true = true - true.mean(axis=(1, 2), keepdims=True)  # a projection has no coefficient at frequency 0
    return float(np.linalg.norm(found - true) / np.linalg.norm(true))


@pytest.mark.parametrize("with_ctf", [False, True])
def test_a_projection_is_the_noise_free_image_of_the_same_pose(
    molecule: Molecule,
    volume: NDArray[np.float32],
    poses: tuple[NDArray[np.float64], NDArray[np.float64]],
    with_ctf: bool,
) -> None:
    matrices, shift_px = poses
    ctf = random_ctf(np.random.default_rng(1), COUNT) if with_ctf else None
    true = low_passed(clean_images(molecule, matrices, shift_px, ctf, BOX, PIXEL), BOX // 2 - 1)
    found = MapProjector(volume, PIXEL).project(matrix_to_euler(matrices), -PIXEL * shift_px, ctf)
    assert relative_error(found, true) < 0.05
    assert image_correlation(found, true).min() > 0.995


def test_a_wrong_pose_origin_or_hand_shows_less(
    molecule: Molecule, volume: NDArray[np.float32], poses: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> None:
    matrices, shift_px = poses
    true = clean_images(molecule, matrices, shift_px, None, BOX, PIXEL)
    euler, origin = matrix_to_euler(matrices), -PIXEL * shift_px
    projector, mirrored = MapProjector(volume, PIXEL), MapProjector(flip_map(volume, 0), PIXEL)
    assert image_correlation(projector.project(euler[::-1], origin), true).mean() < 0.95
    assert image_correlation(projector.project(euler, -origin), true).mean() < 0.95
    assert image_correlation(mirrored.project(euler, origin), true).mean() < 0.98
    assert image_correlation(mirrored.project(flip_poses(euler, 0), origin), true).min() > 0.995


def test_a_resolution_cuts_the_projection_where_it_cuts_the_image(
    molecule: Molecule, volume: NDArray[np.float32], poses: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> None:
    matrices, shift_px = poses
    radius = fourier_radius(BOX, PIXEL, 20.0)
    assert radius == 10
    true = low_passed(clean_images(molecule, matrices, shift_px, None, BOX, PIXEL), radius)
    found = MapProjector(volume, PIXEL, 20.0).project(matrix_to_euler(matrices), -PIXEL * shift_px)
    assert relative_error(found, true) < 0.05
    assert np.abs(np.fft.fft2(found)[:, 0, radius + 1 : BOX // 2]).max() < 1e-3 * np.abs(np.fft.fft2(found)).max()


def test_images_that_were_multiplied_show_the_ctf_twice(
    volume: NDArray[np.float32], poses: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> None:
    matrices, shift_px = poses
    ctf = random_ctf(np.random.default_rng(1), COUNT)
    euler, origin = matrix_to_euler(matrices), -PIXEL * shift_px
    projector = MapProjector(volume, PIXEL)
    once = np.fft.rfft2(projector.project(euler, origin, ctf))
    twice = np.fft.rfft2(projector.project(euler, origin, replace(ctf, premultiplied=np.ones(COUNT))))
    plain = np.fft.rfft2(projector.project(euler, origin))
    np.testing.assert_allclose(twice * plain, once**2, atol=1e-3 * np.abs(once).max() ** 2)


@pytest.mark.parametrize(("resolution", "radius"), [(None, 19), (1.0, 19), (50.0, 4), (1000.0, 1)])
def test_radius_stays_in_the_box(resolution: float | None, radius: int) -> None:
    assert fourier_radius(BOX, PIXEL, resolution) == radius


def test_images_are_normalised_by_their_background(rng: np.random.Generator) -> None:
    images = rng.normal(7.0, 3.0, (4, 64, 64))
    images[:, 24:40, 24:40] += 30.0
    found = normalized_images(images)
    corner = found[:, :8, :8]
    assert abs(float(corner.mean())) < 0.2
    assert float(corner.std()) == pytest.approx(1.0, abs=0.1)
    assert found[:, 32, 32].min() > 5.0
    np.testing.assert_allclose(normalized_images(images, invert=True), -found, rtol=1e-6)
    assert np.isfinite(normalized_images(np.ones((1, 64, 64)))).all()


def test_correlation_ignores_scale_offset_and_the_corners(rng: np.random.Generator) -> None:
    a = rng.normal(size=(3, 32, 32))
    b = 3.0 * a + 5.0
    b[:, :2, :2] = 1e3
    np.testing.assert_allclose(image_correlation(a, b), 1.0)
    np.testing.assert_allclose(image_correlation(a, -b), -1.0)
    np.testing.assert_allclose(image_correlation(a, np.ones_like(a)), 0.0, atol=1e-12)
    assert np.abs(image_correlation(a, rng.normal(size=a.shape))).max() < 0.2
