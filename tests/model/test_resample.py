import numpy as np
import pytest

from coldstart.demo.molecule import make_molecule
from coldstart.demo.simulate import clean_images
from coldstart.model.resample import ImageGrid, common_grid, resample
from coldstart.model.so3 import random_rotations

MOLECULE = make_molecule(3)


def projections(box_px, pixel_size, shift_angstrom):
    matrices = random_rotations(np.random.default_rng(0), len(shift_angstrom))
    images = clean_images(MOLECULE, matrices, shift_angstrom / pixel_size, None, box_px, pixel_size)
    # The integral over a pixel grows with the pixel, the value at a point does not.
    return images * np.float32(1.0 / pixel_size**2)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (ImageGrid(64, 5.0), ImageGrid(64, 5.0)),
        (ImageGrid(80, 5.0), ImageGrid(64, 5.0)),
        (ImageGrid(90, 3.7), ImageGrid(64, 5.0)),
        (ImageGrid(128, 2.57), ImageGrid(64, 5.0)),
    ],
)
def test_projections_are_those_of_the_new_grid(old, new):
    """With their shifts: along both axes, in Å."""
    shift = np.array([[0.0, 0.0], [12.0, -7.0], [-3.0, 20.0]])
    found = resample(projections(old.box_px, old.pixel_size_angstrom, shift), old, new)
    expected = projections(new.box_px, new.pixel_size_angstrom, shift)
    assert found.shape == expected.shape
    within = np.hypot(np.fft.fftfreq(64, 1 / 64)[:, None], np.arange(33)) < 31
    one, other = (np.fft.rfft2(images)[:, within] for images in (found, expected))
    assert np.linalg.norm(one - other) < 5e-3 * np.linalg.norm(other)


def test_noise_keeps_its_mean_and_its_power_below_the_new_nyquist_frequency():
    rng = np.random.default_rng(0)
    noise = (7.0 + rng.standard_normal((40, 96, 96))).astype(np.float32)
    found = resample(noise, ImageGrid(96, 2.0), ImageGrid(64, 3.0)).astype(np.float64)
    assert found.mean() == pytest.approx(7.0, abs=0.01)
    assert found.var() == pytest.approx(4 / 9, rel=0.05)


@pytest.mark.parametrize("matrix", [(1.05, 0.0, 0.0, 0.96), (1.0, 0.05, 0.0, 1.0), (1.02, -0.03, 0.01, 0.98)])
def test_magnification_is_undone(matrix):
    """The transform of an image at s is that of the specimen at M s: stretched by M in Fourier space."""
    n = 96
    k = np.fft.fftfreq(n)
    kx, ky = np.meshgrid(k, k)
    a, b, c, d = matrix

    def blob(x, y):
        return np.exp(-2 * np.pi**2 * (16 * x**2 + 6 * y**2 + 4 * x * y)) * np.exp(-2j * np.pi * (5 * x - 3 * y))

    specimen, image = (
        np.fft.fftshift(np.fft.ifft2(transform)).real.astype(np.float32)[None]
        for transform in (blob(kx, ky), blob(a * kx + b * ky, c * kx + d * ky))
    )
    found = resample(image, ImageGrid(n, 1.0, matrix), ImageGrid(n, 1.0))
    np.testing.assert_allclose(found, specimen, atol=2e-3 * specimen.max())
    assert np.abs(image - specimen).max() > 0.02 * specimen.max()


def test_the_common_grid_has_the_largest_pixels_and_the_smallest_box():
    grid = common_grid([ImageGrid(196, 1.25), ImageGrid(196, 1.24), ImageGrid(256, 1.0)])
    assert grid == ImageGrid(194, 1.25)
    assert common_grid([ImageGrid(100, 2.0), ImageGrid(200, 1.0)]) == ImageGrid(100, 2.0)


def test_grids_match_as_far_as_pixel_sizes_are_known():
    assert ImageGrid(100, 2.0).matches(ImageGrid(100, 2.00001))
    assert not ImageGrid(100, 2.0).matches(ImageGrid(100, 2.001))
    assert not ImageGrid(100, 2.0).matches(ImageGrid(98, 2.0))
    assert not ImageGrid(100, 2.0, (1.01, 0, 0, 1)).matches(ImageGrid(100, 2.0))
