"""Fourier shell correlation, and the resolution read off it."""

import numpy as np
import scipy.fft
from numpy.typing import NDArray


def fourier_shell_correlation(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """Correlation of two maps, or of two images, in Fourier shells one unit of 1/box wide.

    Parameters
    ----------
    a, b : (n,) * d float
        Two arrays of the same cubic (or square) shape, in the same frame.

    Returns
    -------
    (n // 2,) float64
        Entry r is the correlation of the coefficients whose radius rounds to r cycles a box; 0 where a shell of
        either array is empty.

    Raises
    ------
    ValueError
        If the shapes differ or are not cubic.
    """
    if a.shape != b.shape or len(set(a.shape)) != 1:
        raise ValueError(f"the correlation needs two cubic arrays of one shape, not {a.shape} and {b.shape}")
    spectrum_a, spectrum_b = scipy.fft.rfftn(a), scipy.fft.rfftn(b)
    cross = _shell_sums((spectrum_a * spectrum_b.conj()).real, a.shape[0])
    power_a, power_b = (_shell_sums(np.abs(spectrum) ** 2, a.shape[0]) for spectrum in (spectrum_a, spectrum_b))
    norm = np.sqrt(power_a * power_b)
    return np.divide(cross, norm, out=np.zeros_like(cross), where=norm > 0)


def resolution_at(fsc: NDArray[np.float64], threshold: float, box_angstrom: float) -> float:
    """Where a correlation curve first falls below a threshold.

    Parameters
    ----------
    fsc : (m,) float64
        As `fourier_shell_correlation` gives it; entry 0, the mean of the map, is not considered.
    threshold : float
        For example 0.5 or 0.143.
    box_angstrom : float
        Side of the box in Å.

    Returns
    -------
    float
        Resolution in Å, interpolated linearly between shells; Nyquist where the curve never falls below.
    """
    below = np.flatnonzero(fsc[1:] < threshold) + 1
    if not len(below):
        return box_angstrom / len(fsc)
    last = int(below[0])
    if last == 1:
        return box_angstrom
    drop = fsc[last - 1] - fsc[last]
    return float(box_angstrom / (last - 1 + (fsc[last - 1] - threshold) / drop))


def _shell_sums(values: NDArray[np.floating], n: int) -> NDArray[np.float64]:
    """Sums over the shells of a whole spectrum of values on its half, those of `rfftn`."""
    squared = np.square(np.fft.fftfreq(n, 1.0 / n))
    radius_squared = np.square(np.arange(n // 2 + 1.0))
    for _ in range(values.ndim - 1):
        radius_squared = squared.reshape(-1, *[1] * radius_squared.ndim) + radius_squared
    counted = np.full(n // 2 + 1, 2.0)  # each stands for its opposite too, but those that are in the half themselves
    counted[0] = 1.0
    shell = np.rint(np.sqrt(radius_squared)).astype(np.int64)
    sums = np.bincount(shell.ravel(), weights=(counted * values).ravel(), minlength=n // 2)
    return np.asarray(sums[: n // 2], dtype=np.float64)
