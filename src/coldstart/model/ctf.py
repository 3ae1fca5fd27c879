"""The contrast transfer function, in RELION's sign: positive at low frequency for white particles.

With s the spatial frequency in 1/Å, and the defocus D along its direction, positive in underfocus,

    chi = pi wavelength D s^2 - pi/2 Cs wavelength^3 s^4 + phase shift + asin(amplitude contrast)
    CTF = scale * sin(chi) * exp(-B s^2 / 4)
"""

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from coldstart.model.particles import Ctf

_ANGSTROM_PER_MM = 1e7
_RING_POINTS = 24
_FLIPPED_AT_ONCE = 2**20


def electron_wavelength_angstrom(voltage_kv: ArrayLike) -> NDArray[np.float64]:
    """Relativistic wavelength in Å of electrons at this accelerating voltage in kV; any shape."""
    volts = np.asarray(voltage_kv, dtype=np.float64) * 1e3
    return np.asarray(12.2643247 / np.sqrt(volts * (1.0 + volts * 0.978466e-6)))


def take_rows(ctf: Ctf, rows: NDArray[np.int64]) -> Ctf:
    """The parameters of these particles alone, in the order of `rows`."""
    return Ctf(**{name: getattr(ctf, name)[rows] for name in Ctf.__dataclass_fields__})


def evaluate_ctf(ctf: Ctf, kx: ArrayLike, ky: ArrayLike, box_angstrom: float) -> NDArray[np.float64]:
    """The CTF of each particle at given Fourier coefficients.

    Parameters
    ----------
    ctf : Ctf
        Parameters of N particles.
    kx, ky : (M,) float
        Positions of the coefficients along x and y, in cycles a box.
    box_angstrom : float
        Side of the box in Å.

    Returns
    -------
    (N, M) float64
        One row a particle.
    """
    sx, sy = (np.asarray(k, dtype=np.float64)[None, :] / box_angstrom for k in (kx, ky))
    s2 = sx**2 + sy**2
    wavelength = electron_wavelength_angstrom(ctf.voltage_kv)[:, None]
    cs_angstrom = _column(ctf.cs_mm) * _ANGSTROM_PER_MM
    chi = np.pi * wavelength * _defocus_times_s2(ctf, sx, sy)
    chi -= 0.5 * np.pi * cs_angstrom * wavelength**3 * s2**2
    chi += np.deg2rad(_column(ctf.phase_shift_deg)) + np.arcsin(_column(ctf.amplitude_contrast))
    envelope = np.exp(-0.25 * _column(ctf.b_factor_angstrom2) * s2)
    return np.asarray(_column(ctf.scale) * np.sin(chi) * envelope)


def flip_phases(images: NDArray[np.float32], ctf: Ctf, box_angstrom: float) -> NDArray[np.float32]:
    """Images with the sign of their CTF taken out of their spectra, or put into those of flipped ones again.

    Images that were multiplied by their CTFs have lost that sign, and stay as they are.

    Parameters
    ----------
    images : (N, n, n) float32, [y, x]
    ctf : Ctf
        Of the N images.
    box_angstrom : float
        Side of the box in Å.

    Returns
    -------
    (N, n, n) float32, [y, x]
    """
    side = images.shape[-1]
    ky, kx = np.meshgrid(scipy.fft.fftfreq(side, 1 / side), np.arange(side // 2 + 1), indexing="ij")
    out = np.empty_like(images)
    step = max(1, _FLIPPED_AT_ONCE // ky.size)
    for start in range(0, len(images), step):
        rows = np.arange(start, min(start + step, len(images)))
        values = evaluate_ctf(take_rows(ctf, rows), kx.ravel(), ky.ravel(), box_angstrom)
        sign = np.where((values < 0) & (ctf.premultiplied[rows, None] == 0), np.float32(-1), np.float32(1))
        spectrum = scipy.fft.rfft2(images[rows]) * sign.reshape(-1, *ky.shape)
        out[rows] = scipy.fft.irfft2(spectrum, s=(side, side))
    return out


def ring_power(ctf: Ctf, rings: int, box_angstrom: float) -> NDArray[np.float64]:
    """Mean of CTF^2 over rings of 1, 2, ... cycles a box, (N, rings) float64."""
    angle = np.pi * np.arange(_RING_POINTS) / _RING_POINTS
    radius = np.arange(1, rings + 1)[:, None]
    kx, ky = (radius * np.cos(angle)).ravel(), (radius * np.sin(angle)).ravel()
    squared = evaluate_ctf(ctf, kx, ky, box_angstrom) ** 2
    return np.asarray(squared.reshape(-1, rings, _RING_POINTS).mean(axis=2))


def _column(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)[:, None]


def _defocus_times_s2(ctf: Ctf, sx: NDArray[np.float64], sy: NDArray[np.float64]) -> NDArray[np.float64]:
    """D s^2 of an astigmatic lens, (N, M) in 1/Å: a quadratic form, so that no azimuth need be computed."""
    mean = 0.5 * _column(ctf.defocus_u_angstrom + ctf.defocus_v_angstrom)
    half_difference = 0.5 * _column(ctf.defocus_u_angstrom - ctf.defocus_v_angstrom)
    twice_angle = 2.0 * np.deg2rad(_column(ctf.defocus_angle_deg))
    along_axes = (sx**2 - sy**2) * np.cos(twice_angle)
    along_diagonals = 2.0 * sx * sy * np.sin(twice_angle)
    return np.asarray(mean * (sx**2 + sy**2) + half_difference * (along_axes + along_diagonals))
