import numpy as np
import pytest

from coldstart.io.treatment import ImageKind, one_kind
from coldstart.model.resample import ImageGrid, resample

GRID = ImageGrid(16, 2.0)


def test_images_of_one_kind_need_nothing():
    assert one_kind((ImageKind(GRID), ImageKind(ImageGrid(16, 2.00001))), np.array([0, 1])) == (None, ())


def test_each_row_is_treated_as_its_kind_asks(rng):
    kinds = (ImageKind(GRID, 1.0, "a"), ImageKind(GRID, -1.0, "b"), ImageKind(ImageGrid(24, 1.5), -1.0, "c"))
    treatment, notes = one_kind(kinds, np.array([0, 1, 2, 1]))
    assert treatment.grid == GRID
    small, large = (rng.standard_normal((2, side, side)).astype(np.float32) for side in (16, 24))
    np.testing.assert_array_equal(treatment.treat(small, np.array([3, 0])), [-small[0], small[1]])
    np.testing.assert_array_equal(treatment.treat(large, np.array([2, 2])), -resample(large, kinds[2].grid, GRID))
    assert "a: 16 px of 2 Å; b: 16 px of 2 Å; c: 24 px of 1.5 Å" in notes[0]
    assert "blob/sign -1" in notes[1]


@pytest.mark.parametrize("matrix", [(1.01, 0.0, 0.0, 1.0), (1.0, 0.0, 0.01, 1.0)])
def test_magnification_alone_keeps_the_box(matrix):
    treatment, notes = one_kind((ImageKind(ImageGrid(16, 2.0, matrix)),), np.zeros(3, np.int64))
    assert treatment.grid == GRID
    assert notes == ("The images' anisotropic magnification was undone as they were read.",)


def test_origins_in_the_stacks_are_those_of_the_stretched_images():
    """A blob off the centre of the specimen, in an image of that magnification, and where it is in both."""
    matrix = np.array([[1.06, 0.04], [0.0, 0.95]])
    treatment, _ = one_kind((ImageKind(ImageGrid(64, 1.0, tuple(matrix.ravel()))),), np.zeros(1, np.int64))
    frequency = np.fft.fftfreq(64)
    k = np.stack(np.meshgrid(frequency, frequency))
    shift = np.array([7.0, -4.0])

    def blob(s):
        return np.exp(-2 * np.pi**2 * 9 * (s**2).sum(axis=0) - 2j * np.pi * np.tensordot(shift, s, axes=1))

    image = np.fft.fftshift(np.fft.ifft2(blob(np.tensordot(matrix, k, axes=1)))).real.astype(np.float32)
    y, x = np.indices((64, 64)) - 32
    treated = treatment.treat(image[None], np.array([0]))[0]
    where = [np.array([(found * x).sum(), (found * y).sum()]) / found.sum() for found in (image, treated)]
    np.testing.assert_allclose(where[1], shift, atol=0.05)
    np.testing.assert_allclose(-treatment.origins_in_stacks(-shift[None], np.array([0]))[0], where[0], atol=0.05)
    assert np.abs(where[0] - where[1]).max() > 0.3
