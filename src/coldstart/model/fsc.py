"""Fourier shell correlation, and the resolution read off it."""

import numpy as np
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
    spectrum_a, spectrum_b = np.fft.fftn(a), np.fft.fftn(b)
    shell = _shell_of_coefficient(a.shape[0], a.ndim).ravel()
    cross = _shell_sums(shell, (spectrum_a * spectrum_b.conj()).real, a.shape[0] // 2)
    power_a = _shell_sums(shell, np.abs(spectrum_a) ** 2, a.shape[0] // 2)
    power_b = _shell_sums(shell, np.abs(spectrum_b) ** 2, a.shape[0] // 2)
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


def _shell_of_coefficient(n: int, ndim: int) -> NDArray[np.int64]:
    """Radius of each coefficient of `fftn`, rounded to whole cycles a box, (n,) * ndim."""
    squared = np.square(np.fft.fftfreq(n, 1.0 / n))
    total = np.zeros((n,) * ndim)
    for axis in range(ndim):
        total += squared.reshape([n if other == axis else 1 for other in range(ndim)])
    return np.rint(np.sqrt(total)).astype(np.int64)


def _shell_sums(shell: NDArray[np.int64], values: NDArray[np.float64], shells: int) -> NDArray[np.float64]:
    """Sum of `values` over each of the first `shells` shells."""
    return np.bincount(shell, weights=values.ravel(), minlength=shells)[:shells].astype(np.float64)
