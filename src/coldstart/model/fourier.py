"""Fourier conventions, stated once.

- The centre of an image or map of n pixels is pixel n // 2, in real and in Fourier space.
- Frequencies are in cycles a box, so radius R means a resolution of box_angstrom / R, whatever the grid.
- An image's transform is taken on rings around frequency 0, half a turn of each (model/polar.py), and divided by the
  box, so that white noise of variance 1 a pixel has variance 1 a coefficient.
- Spectra of maps are held as their half x >= 0, arrays [z, y, x] with frequency 0 at index n // 2 along z and y.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import scipy.fft
from numpy.typing import NDArray


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
    side = volume.shape[0] if side is None else side
    spectrum = scipy.fft.rfft(_centre_first(volume.astype(np.float32), 2, side), axis=2)
    for axis in (0, 1):  # each axis is padded when its turn has come: rows of zeros are not transformed
        spectrum = scipy.fft.fft(_centre_first(spectrum, axis, side), axis=axis, overwrite_x=True)
    return np.asarray(scipy.fft.fftshift(spectrum, axes=(0, 1)))


def _centre_first(array: NDArray[Any], axis: int, side: int) -> NDArray[Any]:
    """An axis zero-padded around its centre to `side`, with the centre at index 0."""
    n = array.shape[axis]
    padded = np.zeros((*array.shape[:axis], side, *array.shape[axis + 1 :]), array.dtype)
    source, target = np.moveaxis(array, axis, 0), np.moveaxis(padded, axis, 0)
    target[: n - n // 2], target[side - n // 2 :] = source[n // 2 :], source[: n // 2]
    return padded


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


def resampled(volume: NDArray[np.floating], side: int) -> NDArray[np.float32]:
    """A map on another grid over the same box, its spectrum unchanged as far as both grids hold it."""
    return volume_of(resize_spectrum(spectrum_of(volume), side))


Spectrum = TypeVar("Spectrum", NDArray[np.complexfloating], NDArray[np.floating])


def resize_spectrum(spectrum: Spectrum, side: int) -> Spectrum:
    """Half spectrum, or weights on its points, cropped or zero-padded to another side; Nyquist planes are dropped."""
    n = spectrum.shape[0]
    half = (min(n, side) - 1) // 2
    out = np.zeros((side, side, side // 2 + 1), spectrum.dtype)
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
