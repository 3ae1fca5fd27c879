"""Whether the sign of the CTF is still in the images, without their poses.

A particle fills only a part of its box, so that neighbouring coefficients X(k), X(k') of its transform go together:
over many images the mean of Re X(k) X*(k') is A C(k) C(k'), with C the CTF and A some function of the ring and of the
distance |k - k'|, the same for all images. In phase-flipped images it is A |C(k) C(k')|. The noise goes on to the edges
of the box and adds nothing. Where both coefficients are on one side of a zero of the CTF the two are the same, and A is
measured there; pairs across a zero then show

    slope = sum A q w / sum A^2 w^2,    q = Re X(k) X*(k'),    w = C(k) C(k') < 0,

which is 1 in images as they were taken, and -1 in flipped ones.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from coldstart.check.spectra import ctf_phase
from coldstart.model.ctf import evaluate_ctf, take_rows
from coldstart.model.particles import Ctf

REACH = 3.2
"""Distance of the farthest neighbours, in cycles a box: particles fill a third of it or more."""

MOST_PHASE_RADIANS = 20.0
"""Beyond, small errors of the defocus have moved the zeros."""

SMOOTHED_RINGS = 5
LEAST_T_SQUARED = 4.0
"""An A that is not above its error by twice as much counts for nothing, others for less by this (James and Stein)."""

_LOWEST_RING = 2
_BLOCK = 64
_FEWEST_BLOCKS = 5


@dataclass(frozen=True, slots=True)
class SignSlope:
    """What pairs of coefficients across zeros of the CTF show.

    Attributes
    ----------
    slope : float
        About 1 where the sign of the CTF is in the images, about -1 where it was taken out.
    error : float
        Standard error; infinite where nothing can be told.
    """

    slope: float
    error: float


def measure_sign(samples: Iterable[tuple[NDArray[np.float32], Ctf]], box_angstrom: float) -> SignSlope:
    """Measure the slope on images and their CTFs.

    Parameters
    ----------
    samples : iterable of (images, ctf)
        Images (n, side, side) float32 of one side.
    box_angstrom : float
    """
    pairs: _Pairs | None = None
    blocks = []
    for images, ctf in _blocks(samples):
        if pairs is None:
            rings = _rings_with_zeros(ctf, images.shape[-1] // 2 - 2, box_angstrom)
            if rings is None:
                return SignSlope(0.0, np.inf)
            pairs = _Pairs(*rings)
        blocks.append(pairs.sums(images, ctf, box_angstrom))
    return _slope(np.stack(blocks)) if blocks else SignSlope(0.0, np.inf)


def _blocks(samples: Iterable[tuple[NDArray[np.float32], Ctf]]) -> Iterator[tuple[NDArray[np.float32], Ctf]]:
    for images, ctf in samples:
        for rows in np.array_split(np.arange(len(images)), max(1, len(images) // _BLOCK)):
            yield images[rows], take_rows(ctf, rows)


def _rings_with_zeros(ctf: Ctf, last: int, box_angstrom: float) -> tuple[int, int] | None:
    """The first and the last ring that are worth looking at; None where the CTFs have no zero that far."""
    phase = ctf_phase(ctf, np.arange(1, last + 1) / box_angstrom)
    crossed = np.flatnonzero(phase.max(axis=0) > np.pi)
    within = np.flatnonzero(np.abs(np.median(phase, axis=0)) <= MOST_PHASE_RADIANS)
    if not len(crossed) or not len(within):
        return None
    low, high = max(_LOWEST_RING, int(crossed[0]) + 1 - SMOOTHED_RINGS), int(within[-1]) + 1
    return (low, high) if high > low + 1 else None


class _Pairs:
    """Pairs of neighbouring coefficients of half a plane between two rings, by their distance and their mean ring."""

    def __init__(self, low: int, high: int) -> None:
        ky, kx = np.meshgrid(np.arange(-high, high + 1), np.arange(high + 1), indexing="ij")
        radius = np.hypot(kx, ky)
        kept = (radius >= low) & (radius <= high) & ((kx > 0) | (ky > 0))
        number = np.full((2 * high + 1, high + 1), -1)
        number[kept] = np.arange(kept.sum())
        self._kx, self._ky, self._radius, self._rings = kx[kept], ky[kept], radius[kept], high + 1
        found: dict[float, list[NDArray[np.int64]]] = {}
        for dy, dx in _steps():
            y, x = self._ky + dy, self._kx + dx
            inside = (np.abs(y) <= high) & (x <= high)
            second = np.where(inside, number[np.clip(y, -high, high) + high, np.minimum(x, high)], -1)
            first = np.flatnonzero(second >= 0)
            found.setdefault(np.hypot(dx, dy), []).append(np.stack([first, second[first]]))
        self._pairs = [np.concatenate(parts, axis=1) for parts in found.values()]

    def sums(self, images: NDArray[np.float32], ctf: Ctf, box_angstrom: float) -> NDArray[np.float64]:
        """Sums over images and pairs of q w and w^2 with w > 0, and with w < 0: (4, distances, rings) float64."""
        spectrum = scipy.fft.rfft2(images)[:, self._ky, self._kx].T * (-1.0) ** (self._kx + self._ky)[:, None]
        spectrum /= self._root_power(spectrum)[:, None]
        real, imaginary = (np.ascontiguousarray(part, dtype=np.float32) for part in (spectrum.real, spectrum.imag))
        values = evaluate_ctf(ctf, self._kx, self._ky, box_angstrom).T.astype(np.float32)
        out = np.empty((4, len(self._pairs), self._rings))
        for number, (first, second) in enumerate(self._pairs):
            product = real[first] * real[second] + imaginary[first] * imaginary[second]
            weight = values[first] * values[second]
            ring = np.rint(0.5 * (self._radius[first] + self._radius[second])).astype(np.int64)
            for place, part in enumerate((np.maximum(weight, 0.0), np.minimum(weight, 0.0))):
                for offset, other in enumerate((product, part)):
                    of_pair = np.einsum("pn,pn->p", part, other)
                    out[2 * place + offset, number] = np.bincount(ring, of_pair, minlength=self._rings)
        return out

    def _root_power(self, spectrum: NDArray[np.complex64]) -> NDArray[np.float64]:
        """Square root of the mean power on the ring of each coefficient."""
        ring = np.rint(self._radius).astype(np.int64)
        power = np.bincount(ring, (np.abs(spectrum) ** 2).mean(axis=1)) / np.maximum(np.bincount(ring), 1)
        return np.asarray(np.sqrt(np.maximum(power, 1e-30))[ring])


def _steps() -> Iterator[tuple[int, int]]:
    """From a coefficient to its neighbours in one half of the plane, (dy, dx)."""
    reach = int(REACH)
    for dy in range(-reach, reach + 1):
        for dx in range(reach + 1):
            if (dx > 0 or dy > 0) and np.hypot(dx, dy) <= REACH:
                yield dy, dx


def _slope(blocks: NDArray[np.float64]) -> SignSlope:
    """The slope out of the sums of each block of images, (blocks, 4, distances, rings)."""
    same, same_square = (_smoothed(blocks[:, place].sum(axis=0)) for place in (0, 1))
    # The real part of a product of two independent coefficients of power 1 has the variance 1/2.
    t_squared = 2.0 * same**2 / np.maximum(same_square, 1e-12)
    kept = np.maximum(1.0 - LEAST_T_SQUARED / np.maximum(t_squared, 1e-12), 0.0)
    measured = kept * same / np.maximum(same_square, 1e-12)
    found = (blocks[:, 2] * measured).sum(axis=(1, 2))
    promised = (blocks[:, 3] * measured**2).sum(axis=(1, 2))
    total = float(promised.sum())
    if total <= 0.0:
        return SignSlope(0.0, np.inf)
    slope = float(found.sum()) / total
    error = float(np.sqrt(0.5 / total))
    if len(blocks) >= _FEWEST_BLOCKS:
        scatter = ((found - slope * promised) ** 2).sum() * len(blocks) / (len(blocks) - 1)
        error = max(error, float(np.sqrt(scatter)) / total)
    return SignSlope(slope, error)


def _smoothed(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums (distances, rings) over rings that are near."""
    return np.stack([np.convolve(row, np.ones(SMOOTHED_RINGS), "same") for row in sums])
