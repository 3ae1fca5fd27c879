"""Beam tilt and higher aberrations: carried from table to table, not corrected; how much they matter is computed.

At the resolutions of a first map they turn the phases of an image by some degrees at most, which changes no pose.
"""

from collections.abc import Callable, Iterator
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coldstart.io.star_columns import numbers
from coldstart.model.carried import CarriedTable
from coldstart.model.ctf import electron_wavelength_angstrom

_VOLTAGE, _CS = "rlnVoltage", "rlnSphericalAberration"
_TILT = ("rlnBeamTiltX", "rlnBeamTiltY")
_ODD, _EVEN = "rlnOddZernike", "rlnEvenZernike"
_ANGSTROM_PER_MM, _RAD_PER_MRAD = 1e7, 1e-3
_RADII, _ANGLES = 24, 48

Phase = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


def relion_notes(optics: CarriedTable, where: str, resolution_angstrom: float) -> tuple[str, ...]:
    """What to tell the user of the aberrations in an optics table of RELION, at the resolution of a run."""
    worst = 0.0
    kinds = {"beam tilt": _TILT, "higher aberrations": (_ODD, _EVEN)}
    named = [what for what, labels in kinds.items() if _any(optics, labels)]
    for row in range(len(optics)):
        group = optics.take(np.array([row]))
        worst = max(worst, _largest(_odd_phase(group, where), resolution_angstrom, without_shift=True))
        worst = max(worst, _largest(_zernike_phase(group, _EVEN, 0), resolution_angstrom, without_shift=False))
    return aberration_note(named, worst, resolution_angstrom)


def aberration_note(named: list[str], phase: float, resolution_angstrom: float) -> tuple[str, ...]:
    """The note of the aberrations that are named, which turn phases by at most `phase` radians; none without names."""
    if not named:
        return ()
    return (
        f"The table has {' and '.join(named)}: carried to the output, and not corrected. At {resolution_angstrom:g} Å "
        f"the phase error is {np.rad2deg(phase):.1f} degrees at most.",
    )


def tilt_phase(shift_angstrom: float, voltage_kv: float, frequency: ArrayLike) -> NDArray[np.float64]:
    """Largest phase in radians of a beam tilt that moves by `shift_angstrom` = Cs times tilt; frequency in 1/Å."""
    wavelength = electron_wavelength_angstrom(voltage_kv)
    return np.asarray(2 * np.pi * wavelength**2 * np.asarray(frequency) ** 3 * shift_angstrom)


def _any(optics: CarriedTable, labels: tuple[str, ...]) -> bool:
    """Whether a column is there and does not merely say that there is nothing."""
    values = (value for label in labels if label in optics for value in optics.columns[label].tolist())
    return any(entry != 0.0 for value in values for entry in _coefficients(value))


def _coefficients(text: str) -> list[float]:
    """Numbers of a list as RELION writes it, `[a,b,c]`, or of a single number; none where it cannot be read."""
    try:
        return [float(entry) for entry in text.strip("[]").split(",") if entry]
    except ValueError:
        return []


def _odd_phase(group: CarriedTable, where: str) -> Phase:
    """Phase of beam tilt and odd aberrations in an optics group of one row."""
    zernike = _zernike_phase(group, _ODD, 1)
    if not all(label in group for label in (*_TILT, _VOLTAGE, _CS)):
        return zernike
    x, y = (float(numbers(group, label, where)[0]) * _RAD_PER_MRAD for label in _TILT)
    cs = float(numbers(group, _CS, where)[0]) * _ANGSTROM_PER_MM
    voltage = float(numbers(group, _VOLTAGE, where)[0])

    def phase(s: NDArray[np.float64], angle: NDArray[np.float64]) -> NDArray[np.float64]:
        return zernike(s, angle) + tilt_phase(cs, voltage, s) * (x * np.cos(angle) + y * np.sin(angle))

    return phase


def _zernike_phase(group: CarriedTable, label: str, lowest: int) -> Phase:
    """Sum of Zernike polynomials in frequencies of 1/Å, of the orders `lowest`, `lowest` + 2, ..."""
    coefficients = _coefficients(group.value(label, 0)) if label in group else []
    terms = [term for term in zip(_orders(lowest), coefficients, strict=False) if term[1] != 0.0]

    def phase(s: NDArray[np.float64], angle: NDArray[np.float64]) -> NDArray[np.float64]:
        total = np.zeros(np.broadcast_shapes(s.shape, angle.shape))
        for (n, m), coefficient in terms:
            total += coefficient * _radial(n, abs(m), s) * (np.cos(m * angle) if m >= 0 else np.sin(-m * angle))
        return total

    return phase


def _orders(lowest: int) -> Iterator[tuple[int, int]]:
    """Order and angular number of the polynomials, as RELION numbers them."""
    n = lowest
    while True:
        for m in range(-n, n + 1, 2):
            yield n, m
        n += 2


def _radial(n: int, m: int, s: NDArray[np.float64]) -> NDArray[np.float64]:
    """The radial Zernike polynomial."""
    total = np.zeros_like(s)
    for k in range((n - m) // 2 + 1):
        total += (-1) ** k * comb(n - k, k) * comb(n - 2 * k, (n - m) // 2 - k) * s ** (n - 2 * k)
    return total


def _largest(phase: Phase, resolution_angstrom: float, *, without_shift: bool) -> float:
    """Largest phase up to a resolution in radians, but for what a shift of the image takes up."""
    s = (np.arange(1, _RADII + 1) / _RADII / resolution_angstrom)[:, None]
    angle = 2 * np.pi * np.arange(_ANGLES)[None, :] / _ANGLES
    values = phase(s, angle).ravel()
    if without_shift:
        axes = np.stack([(s * np.cos(angle)).ravel(), (s * np.sin(angle)).ravel()], axis=1)
        values = values - axes @ np.linalg.lstsq(axes, values, rcond=None)[0]
    return float(np.abs(values).max())
