"""Fourier conventions, stated once.

- The centre of an image or map of n pixels is pixel n // 2, in real and in Fourier space.
- Frequencies are in cycles a box, so radius R means a resolution of box_angstrom / R, whatever the grid.
- An image's coefficients are those of the half plane kx > 0, or kx = 0 and ky > 0, without the constant term, in
  order of radius: a coarser resolution is a prefix.
- Image coefficients are divided by the box, so that white noise of variance 1 a pixel has variance 1 a coefficient.
- Spectra of maps are held as their half x >= 0, arrays [z, y, x] with frequency 0 at index n // 2 along z and y.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.fft
from numpy.typing import NDArray

ROW_MULTIPLE = 32
"""Rows of coefficients are padded with zeros to a multiple of this, which every kernel's vector and chunk divides."""


@dataclass(frozen=True)
class HalfPlane:
    """The coefficients of an image up to a radius.

    Attributes
    ----------
    radius : float
        Largest radius, in cycles a box.
    """

    radius: float

    @cached_property
    def frequencies(self) -> NDArray[np.int64]:
        """(M, 2) int64: kx, ky in cycles a box, by radius, then kx, then ky."""
        limit = int(self.radius)
        ky, kx = np.mgrid[-limit : limit + 1, 0 : limit + 1]
        kx, ky = kx.ravel(), ky.ravel()
        keep = ((kx > 0) | (ky > 0)) & (kx**2 + ky**2 <= self.radius**2)
        kx, ky = kx[keep], ky[keep]
        order = np.lexsort((ky, kx, kx**2 + ky**2))
        return np.stack([kx[order], ky[order]], axis=1)

    @cached_property
    def radii(self) -> NDArray[np.float64]:
        """(M,) float64: radius of each coefficient, ascending."""
        kx, ky = self.frequencies.T.astype(np.float64)
        return np.asarray(np.hypot(kx, ky), dtype=np.float64)

    @cached_property
    def shells(self) -> NDArray[np.int64]:
        """(M,) int64: nearest whole radius of each coefficient, ascending, from 1."""
        return np.rint(self.radii).astype(np.int64)

    @cached_property
    def shell_sizes(self) -> NDArray[np.int64]:
        """(shells,) int64: coefficients of shells 1, 2, ...; entry s - 1 belongs to shell s."""
        return np.bincount(self.shells)[1:]

    def __len__(self) -> int:
        return len(self.frequencies)

    @property
    def stride(self) -> int:
        """Length of a padded row."""
        return -(-len(self) // ROW_MULTIPLE) * ROW_MULTIPLE

    def count(self, radius: float) -> int:
        """How many coefficients lie within a radius."""
        return int(np.searchsorted(self.radii, radius * (1 + 1e-9), side="right"))

    def padded(self, values: NDArray[np.generic]) -> NDArray[np.float32]:
        """(..., M) values as (..., stride) float32 rows, zero beyond the last coefficient."""
        out = np.zeros((*values.shape[:-1], self.stride), np.float32)
        out[..., : len(self)] = values
        return out


def image_coefficients(images: NDArray[np.float32], half_plane: HalfPlane) -> NDArray[np.complex64]:
    """Half-plane coefficients of images.

    Parameters
    ----------
    images : (B, n, n) float32, [y, x]
    half_plane : HalfPlane
        Radius below n / 2.

    Returns
    -------
    (B, M) complex64
        Divided by n; relative to the centre of the image.
    """
    n = images.shape[-1]
    kx, ky = half_plane.frequencies.T
    spectrum = scipy.fft.rfft2(images)[:, ky % n, kx]
    checkerboard = 1.0 - 2.0 * ((kx + ky) % 2)  # moves the origin from pixel 0 to pixel n // 2 (n even)
    return np.asarray(spectrum * (checkerboard / n).astype(np.float32), dtype=np.complex64)


def radius_grid(side: int) -> NDArray[np.float64]:
    """Radius of each point of a half spectrum, (side, side, side // 2 + 1) float64."""
    k = np.arange(side, dtype=np.float64) - side // 2
    x = np.arange(side // 2 + 1, dtype=np.float64)
    return np.asarray(np.sqrt(k[:, None, None] ** 2 + k[None, :, None] ** 2 + x**2))


def spectrum_of(volume: NDArray[np.floating], side: int | None = None) -> NDArray[np.complex64]:
    """Half spectrum of a map, zero-padded around its centre to `side`.

    Parameters
    ----------
    volume : (n, n, n) float, [z, y, x]
        n even.
    side : int, optional
        Even, at least n; a finer sampling of the same spectrum.

    Returns
    -------
    (side, side, side // 2 + 1) complex64
        Relative to the centre of the map; not normalised.
    """
    n = volume.shape[0]
    side = n if side is None else side
    padded = np.zeros((side,) * 3, np.float32)
    # The centre goes to index 0: eight octants of the map to the eight corners.
    halves = ((slice(n // 2, n), slice(0, n - n // 2)), (slice(0, n // 2), slice(side - n // 2, side)))
    for z_from, z_to in halves:
        for y_from, y_to in halves:
            for x_from, x_to in halves:
                padded[z_to, y_to, x_to] = volume[z_from, y_from, x_from]
    return np.asarray(scipy.fft.fftshift(scipy.fft.rfftn(padded), axes=(0, 1)))


def volume_of(spectrum: NDArray[np.complexfloating]) -> NDArray[np.float32]:
    """Map of a half spectrum: the inverse of `spectrum_of`.

    Parameters
    ----------
    spectrum : (n, n, n // 2 + 1) complex

    Returns
    -------
    (n, n, n) float32, [z, y, x]
    """
    n = spectrum.shape[0]
    corner = scipy.fft.irfftn(scipy.fft.ifftshift(spectrum, axes=(0, 1)), s=(n,) * 3)
    return np.asarray(scipy.fft.fftshift(corner), dtype=np.float32)


def resize_spectrum(spectrum: NDArray[np.complexfloating], side: int) -> NDArray[np.complex64]:
    """Half spectrum cropped or zero-padded to another side; its Nyquist planes are dropped."""
    n = spectrum.shape[0]
    half = (min(n, side) - 1) // 2
    out = np.zeros((side, side, side // 2 + 1), np.complex64)
    source, target = (slice(m // 2 - half, m // 2 + half + 1) for m in (n, side))
    out[target, target, : half + 1] = spectrum[source, source, : half + 1]
    return out


def trilinear_envelope(side: int, extent: int | None = None) -> NDArray[np.float32]:
    """What trilinear interpolation on a spectrum of `side` points does to the map: sinc^2 along each axis.

    Parameters
    ----------
    side : int
        Points of the spectrum that is interpolated.
    extent : int, optional
        Voxels of the map, at most `side`.

    Returns
    -------
    (extent,) * 3 float32
    """
    extent = side if extent is None else extent
    axis = np.sinc((np.arange(extent) - extent // 2) / side) ** 2
    return np.asarray(axis[:, None, None] * axis[None, :, None] * axis, dtype=np.float32)
