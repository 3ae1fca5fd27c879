"""Power spectra of images ring by ring, and the squared CTF on the same rings."""

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.special import j0

from coldstart.model.ctf import electron_wavelength_angstrom
from coldstart.model.mask import soft_window
from coldstart.model.noise import background_variance
from coldstart.model.particles import Ctf

WINDOW = (0.85, 0.99)
"""Where the window falls that keeps the edges of an image out of its spectrum, in units of half the box."""

_BLOCK = 128
_RADIAL_POINTS = 3


def ring_numbers(side: int) -> NDArray[np.int64]:
    """Ring of each coefficient of a real transform, (side, side // 2 + 1) int64."""
    radius = np.hypot(scipy.fft.fftfreq(side, 1 / side)[:, None], np.arange(side // 2 + 1))
    return np.asarray(np.rint(radius), dtype=np.int64)


def ring_power(images: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean power of a coefficient on rings 1, 2, ... below half the side, (n, rings) float64; white noise has 1.

    Parameters
    ----------
    images : (n, side, side) float32
    """
    side = images.shape[-1]
    window = soft_window(side, 2, *WINDOW)
    ring = ring_numbers(side)
    # All but the first and the last column stand for their mirror images too.
    twice = np.full(ring.shape, 2.0)
    twice[:, [0, -1]] = 1.0
    inside = (ring > 0) & (ring < side // 2)
    members = np.zeros((int(inside.sum()), side // 2 - 1))
    members[np.arange(len(members)), ring[inside] - 1] = twice[inside]
    members /= members.sum(axis=0) * side**2 * np.mean(window.astype(np.float64) ** 2)
    out = np.empty((len(images), side // 2 - 1))
    for start in range(0, len(images), _BLOCK):
        spectrum = scipy.fft.rfft2(images[start : start + _BLOCK] * window)[:, inside]
        out[start : start + _BLOCK] = (spectrum.real**2 + spectrum.imag**2) @ members
    return out


def corner_power(images: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean power of a coefficient of the background alone, (rings,) float64, as if it filled the box."""
    rings = images.shape[-1] // 2 - 1
    blocks = [images[i : i + _BLOCK] for i in range(0, len(images), _BLOCK)]
    parts = [len(block) * background_variance(block, rings, WINDOW[0], white=False) for block in blocks]
    return np.asarray(np.sum(parts, axis=0) / len(images))


def ctf_phase(ctf: Ctf, frequency: NDArray[np.float64], defocus_factor: float = 1.0) -> NDArray[np.float64]:
    """The phase chi of the CTF averaged over directions, (n, len(frequency)) float64, in radians.

    Parameters
    ----------
    ctf : Ctf
        Of n particles.
    frequency : (m,) float64
        In 1/Å.
    defocus_factor : float
        By which each defocus is multiplied.
    """
    wavelength = electron_wavelength_angstrom(ctf.voltage_kv)[:, None]
    defocus = 0.5 * defocus_factor * (ctf.defocus_u_angstrom + ctf.defocus_v_angstrom)[:, None]
    squared = frequency**2
    chi = np.pi * wavelength * defocus * squared
    chi = chi - 0.5 * np.pi * 1e7 * ctf.cs_mm[:, None] * wavelength**3 * squared**2
    return np.asarray(chi + np.deg2rad(ctf.phase_shift_deg)[:, None] + np.arcsin(ctf.amplitude_contrast)[:, None])


def ring_ctf_squared(ctf: Ctf, rings: int, box_angstrom: float, defocus_factor: float = 1.0) -> NDArray[np.float64]:
    """Mean of the squared CTF over rings 1, 2, ..., (n, rings) float64, without envelope and scale.

    The mean over directions is exact: that of sin^2(a + b cos 2 phi) is (1 - cos 2a J0(2b)) / 2.
    """
    offsets = (np.arange(_RADIAL_POINTS) + 0.5) / _RADIAL_POINTS - 0.5
    frequency = ((np.arange(1, rings + 1)[:, None] + offsets) / box_angstrom).ravel()
    wavelength = electron_wavelength_angstrom(ctf.voltage_kv)[:, None]
    astigmatism = 0.5 * defocus_factor * (ctf.defocus_u_angstrom - ctf.defocus_v_angstrom)[:, None]
    phase = ctf_phase(ctf, frequency, defocus_factor)
    squared = 0.5 * (1.0 - np.cos(2.0 * phase) * j0(2.0 * np.pi * wavelength * frequency**2 * astigmatism))
    return np.asarray(squared.reshape(len(squared), rings, _RADIAL_POINTS).mean(axis=2))
