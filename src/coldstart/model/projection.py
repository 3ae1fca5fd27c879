"""What a map shows under a pose, and how well an image agrees with it.

A projection is the central slice of the map's transform, multiplied by the CTF if wanted, moved and transformed back.
It is in the map's grey scale, which is that of normalised images (docs/conventions.md), and has detail up to a radius.
"""

import math

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from coldstart.model.ctf import evaluate_ctf
from coldstart.model.mask import radius_px, soft_window
from coldstart.model.particles import Ctf
from coldstart.model.sampled_spectrum import MapSpectrum
from coldstart.model.so3 import euler_to_matrix

_WINDOW = (0.85, 0.99)


class MapProjector:
    """Projections of one map, up to a resolution.

    Parameters
    ----------
    volume : (n, n, n) float, [z, y, x]
        n even.
    pixel_size_angstrom : float
    resolution_angstrom : float, optional
        Finest detail to keep; all that the grid holds when None.
    """

    def __init__(
        self, volume: NDArray[np.floating], pixel_size_angstrom: float, resolution_angstrom: float | None = None
    ) -> None:
        self.box_px = volume.shape[0]
        self.box_angstrom = self.box_px * pixel_size_angstrom
        radius = fourier_radius(self.box_px, pixel_size_angstrom, resolution_angstrom)
        self._spectrum = MapSpectrum(volume, radius)
        self._kx, self._ky, self._inside = _half_plane(self.box_px, radius)

    def project(
        self, euler_deg: NDArray[np.floating], origin_angstrom: NDArray[np.floating], ctf: Ctf | None = None
    ) -> NDArray[np.float32]:
        """The images that the map gives under these poses.

        Parameters
        ----------
        euler_deg : (M, 3) float
            RELION rot, tilt, psi in degrees.
        origin_angstrom : (M, 2) float
            RELION origins: the particle is drawn where it lies in its image, at minus the origin from the centre.
        ctf : Ctf, optional
            Of these M particles; without it the projection is not modulated.

        Returns
        -------
        (M, n, n) float32, [y, x]
        """
        kx, ky = self._kx[self._inside], self._ky[self._inside]
        matrices = euler_to_matrix(euler_deg)
        points = kx[None, :, None] * matrices[:, None, 0] + ky[None, :, None] * matrices[:, None, 1]
        values = self._spectrum(points.reshape(-1, 3)).reshape(len(matrices), -1)
        moved = np.asarray(origin_angstrom, dtype=np.float64) @ np.stack([kx, ky]) / self.box_angstrom
        values *= np.exp(2j * np.pi * moved)
        if ctf is not None:
            # Images that were multiplied by their CTF show it twice.
            values *= evaluate_ctf(ctf, kx, ky, self.box_angstrom) ** (1.0 + ctf.premultiplied[:, None])
        spectra = np.zeros((len(matrices), *self._inside.shape), np.complex64)
        spectra[:, self._inside] = values
        images = scipy.fft.irfft2(spectra, s=(self.box_px,) * 2)
        return np.asarray(scipy.fft.fftshift(images, axes=(1, 2)), dtype=np.float32)


def fourier_radius(box_px: int, pixel_size_angstrom: float, resolution_angstrom: float | None) -> int:
    """Cycles a box that a resolution takes, within what a box of this side holds; all of it for None."""
    largest = box_px // 2 - 1
    if resolution_angstrom is None:
        return largest
    return max(1, min(largest, math.ceil(box_px * pixel_size_angstrom / resolution_angstrom)))


def normalized_images(images: NDArray[np.floating], *, invert: bool = False) -> NDArray[np.float32]:
    """Images with a background of mean 0 and variance 1, particles bright; (M, n, n), the background outside a circle.

    Parameters
    ----------
    images : (M, n, n) float, [y, x]
    invert : bool
        True where particles are darker than the background.
    """
    outside = radius_px(images.shape[-1], 2) > 0.5 * images.shape[-1] * _WINDOW[0]
    background = images[:, outside].astype(np.float64)
    deviation = background.std(axis=1)
    scale = (-1.0 if invert else 1.0) / np.where(deviation > 0.0, deviation, 1.0)
    centred = images - background.mean(axis=1)[:, None, None]
    return np.asarray(centred * scale[:, None, None], dtype=np.float32)


def low_passed(images: NDArray[np.floating], radius: int) -> NDArray[np.float32]:
    """Images (M, n, n) with no detail beyond a Fourier radius, in cycles a box."""
    box = images.shape[-1]
    _, _, inside = _half_plane(box, radius)
    spectra = scipy.fft.rfft2(np.asarray(images, dtype=np.float32))
    # The mean stays: without it a display would lose its grey level.
    inside[0, 0] = True
    return np.asarray(scipy.fft.irfft2(spectra * inside, s=(box, box)), dtype=np.float32)


def image_correlation(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """Correlation of each pair of images (M, n, n) within a soft circle, (M,) float64; 0 for a blank one."""
    window = soft_window(a.shape[-1], 2, *_WINDOW).astype(np.float64)
    first, second = (_standardized(images, window) for images in (a, b))
    return np.asarray((first * second * window).sum(axis=(1, 2)))


def _standardized(images: NDArray[np.floating], window: NDArray[np.float64]) -> NDArray[np.float64]:
    """Images of weighted mean 0 and weighted sum of squares 1."""
    values = images.astype(np.float64)
    values -= ((values * window).sum(axis=(1, 2)) / window.sum())[:, None, None]
    norm = np.sqrt((values**2 * window).sum(axis=(1, 2)))[:, None, None]
    return np.asarray(values / np.where(norm > 0.0, norm, 1.0))


def _half_plane(box_px: int, radius: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """kx and ky of `rfft2`'s layout, (n, n // 2 + 1) each, and which lie within a radius, but for the origin."""
    ky, kx = np.fft.fftfreq(box_px, 1.0 / box_px), np.fft.rfftfreq(box_px, 1.0 / box_px)
    kx, ky = np.meshgrid(kx, ky)
    squared = kx**2 + ky**2
    return kx, ky, (squared <= radius**2) & (squared > 0.0)
