"""Images brought to another box and pixel size, and freed of an anisotropic magnification.

The transform of an image, which is a continuous function, is read at the frequencies of the new grid, so that no ratio
of pixel sizes needs rounding; finer detail than the new pixels hold is cropped. An image that reaches beyond the new
box is cropped first. The centre, pixel n // 2, stays where it is.

A frequency s of the specimen is found at M^-1 s of an image whose magnification is the matrix M, as RELION has it.
"""

from dataclasses import dataclass

import finufft
import numpy as np
import scipy.fft
from numpy.typing import NDArray

_TOLERANCE = 1e-5
_SAME = 1e-4


@dataclass(frozen=True, slots=True)
class ImageGrid:
    """How images are sampled.

    Attributes
    ----------
    box_px : int
        Side of the images, even.
    pixel_size_angstrom : float
    magnification : tuple of float
        Row by row, the matrix M that takes frequencies of the image to those of the specimen.
    """

    box_px: int
    pixel_size_angstrom: float
    magnification: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 1.0)

    def matches(self, other: "ImageGrid") -> bool:
        """Whether images of one grid can be used as images of the other: no pixel size is known more exactly."""
        return (
            self.box_px == other.box_px
            and abs(self.pixel_size_angstrom / other.pixel_size_angstrom - 1.0) < _SAME
            and np.allclose(self.magnification, other.magnification, rtol=0.0, atol=_SAME)
        )


def common_grid(grids: list[ImageGrid]) -> ImageGrid:
    """The grid that images of all these grids can be brought to: the largest pixels, and the largest box of all."""
    pixel_size = max(grid.pixel_size_angstrom for grid in grids)
    extent = min(grid.box_px * grid.pixel_size_angstrom for grid in grids)
    return ImageGrid(2 * int(extent / pixel_size / 2 * (1.0 + _SAME)), pixel_size)


def resample(images: NDArray[np.float32], old: ImageGrid, new: ImageGrid) -> NDArray[np.float32]:
    """Sample images anew.

    Parameters
    ----------
    images : (B, n, n) float32, [y, x]
        On the grid `old`.
    old, new : ImageGrid
        `new` has the magnification 1, no smaller pixels and no larger box in Å than `old`.

    Returns
    -------
    (B, m, m) float32, [y, x]
    """
    ratio = new.pixel_size_angstrom / old.pixel_size_angstrom
    cropped = _crop(images, int(np.ceil(new.box_px * ratio * (1.0 - _SAME) / 2)))
    level = _border_level(cropped)
    m = new.box_px
    ky, kx = scipy.fft.fftfreq(m)[:, None] / ratio, scipy.fft.rfftfreq(m)[None, :] / ratio
    inverse = np.linalg.inv(np.reshape(old.magnification, (2, 2)))
    x, y = (2 * np.pi * (row[0] * kx + row[1] * ky) for row in inverse)
    inside = (np.abs(x) < np.pi) & (np.abs(y) < np.pi)
    inside[m // 2], inside[:, m // 2] = False, False  # the Nyquist frequency has no partner
    found = finufft.nufft2d2(
        y[inside].astype(np.float32), x[inside].astype(np.float32), (cropped - level).astype(np.complex64),
        eps=_TOLERANCE, isign=-1, nthreads=1,
    )  # fmt: skip
    spectrum = np.zeros((len(images), m, m // 2 + 1), np.complex64)
    spectrum[:, inside] = found / np.float32(ratio**2)
    sampled = scipy.fft.fftshift(scipy.fft.irfft2(spectrum, s=(m, m)), axes=(1, 2))
    return np.asarray(sampled + level, dtype=np.float32)


def _border_level(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of each image's outermost pixels, (B, 1, 1): beyond them the image is taken to go on so."""
    rows, columns = images[:, [0, -1], :], images[:, 1:-1, [0, -1]]
    border = np.concatenate([rows.reshape(len(images), -1), columns.reshape(len(images), -1)], axis=1)
    return np.asarray(border.mean(axis=1)[:, None, None])


def _crop(images: NDArray[np.float32], half: int) -> NDArray[np.float32]:
    """The middle of images, `half` pixels to each side, or all of them where they are no larger."""
    centre = images.shape[-1] // 2
    if half >= centre:
        return images
    return images[:, centre - half : centre + half, centre - half : centre + half]
