"""How well the power spectra of the images follow the CTFs of their own rows.

On a ring s the power of image i is N(s) + S(s) C_i(s)^2 on average: N and S are the same for all images, the squared
CTF is the row's. So the covariance over images of power and squared CTF is S(s) times the variance of the latter,
whatever the noise and the particle look like. The statistic adds it up over the rings,

    T = sum_i sum_s R_i(s) Q_i(s) / v(s),    Q_i(s) = b(s) (C_i(s)^2 - mean),

with R the power relative to its mean over the images, v its variance, and Q what R is expected to be: b, the share of
the mean power that is signal over the mean C^2, is known from the corners of the images. What all rings of an image
share, its gain, is left out of R and Q first. If rows and images had nothing to do with each other, T would be that of
a random permutation of the rows, whose mean is 0 and whose variance is known exactly (Hoeffding 1951): in units of its
square root T is a standard normal number `z`. `expected` is the z that b promises where each row belongs to its image.

The same for defocus values multiplied by a factor finds what is wrong with the scale of the CTF: z is largest where the
factor makes up for a wrong unit of the defocus, a wrong voltage, or a pixel size that is too large by the square root
of the factor.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldstart.check.spectra import ctf_phase, ring_ctf_squared
from coldstart.model.ctf import take_rows
from coldstart.model.particles import Ctf

FACTORS = np.exp(np.linspace(-np.log(13.0), np.log(13.0), 103))
"""By which the defocus is multiplied: pixel sizes wrong by up to 3.6 times, and nanometres taken for Å."""

LEAST_CTF_SQUARED = 0.1
"""Rings on which the CTF has hardly begun tell of the particles' sizes and scales, not of the CTF."""

MOST_PHASE_RADIANS = 20.0
"""Beyond, small errors of the defocus have turned the CTF by half a wave."""

SCANNED_IMAGES = 300
FINALISTS = 8
FINE_STEPS = 9
SIGNIFICANT_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well images and rows belong together.

    Attributes
    ----------
    z : float
        Standard normal where they do not.
    expected : float
        What z would be where they do, from the signal that the images show.
    """

    z: float
    expected: float

    @property
    def share(self) -> float:
        """Part of the expected agreement that is there: about 1 in order, about 0 in disorder."""
        return self.z / self.expected if self.expected > 0 else 0.0


@dataclass(frozen=True, slots=True)
class CtfScan:
    """Agreement with the table as it stands, and with its defocus values multiplied by a factor.

    Attributes
    ----------
    stated, best : Agreement
        With the table, and with the best factor.
    factor : float
        By which the defocus has to be multiplied to agree best.
    distinct : int
        How many different CTFs the rows have.
    """

    stated: Agreement
    best: Agreement
    factor: float
    distinct: int

    @property
    def gain(self) -> float:
        """Logarithm of the likelihood ratio between the best factor and 1."""
        return 0.5 * (max(self.best.z, 0.0) ** 2 - max(self.stated.z, 0.0) ** 2)


def scan_defocus(
    power: NDArray[np.float64], signal_share: NDArray[np.float64], ctf: Ctf, box_angstrom: float
) -> CtfScan:
    """Look for the factor on the defocus with which rows and images agree best.

    All factors are tried on some of the images, the best ones and those around the very best on all.

    Parameters
    ----------
    power : (n, rings) float64
        Of the images.
    signal_share : (rings,) float64
        Of the mean power, by which it exceeds the background's.
    ctf : Ctf
        Of the same n rows.
    box_angstrom : float
    """
    spectra = _Spectra(power, signal_share, ctf, box_angstrom)
    some = np.unique(np.linspace(0, len(power) - 1, min(SCANNED_IMAGES, len(power))).astype(np.int64))
    coarse = _Spectra(power[some], signal_share, take_rows(ctf, some), box_angstrom)
    tried = FACTORS[np.argsort([-coarse.agreement(factor).z for factor in FACTORS])[:FINALISTS]]
    winner = max(tried, key=lambda factor: spectra.agreement(factor).z)
    step = np.log(FACTORS[1] / FACTORS[0])
    around = winner * np.exp(np.linspace(-step, step, FINE_STEPS))
    agreements = [spectra.agreement(factor) for factor in around]
    best = int(np.argmax([agreement.z for agreement in agreements]))
    return CtfScan(spectra.agreement(1.0), agreements[best], float(around[best]), _distinct(ctf))


def _distinct(ctf: Ctf) -> int:
    columns = (ctf.defocus_u_angstrom, ctf.defocus_v_angstrom, ctf.defocus_angle_deg)
    return len(np.unique(np.stack(columns, axis=1), axis=0))


class _Spectra:
    """Power spectra made ready to be compared with squared CTFs."""

    def __init__(
        self, power: NDArray[np.float64], signal_share: NDArray[np.float64], ctf: Ctf, box_angstrom: float
    ) -> None:
        self._ctf, self._box_angstrom = ctf, box_angstrom
        self._relative = power / np.maximum(power.mean(axis=0), 1e-30) - 1.0
        self._precision = 1.0 / np.maximum(self._relative.var(axis=0), 1e-12)
        self._share = np.where(signal_share > SIGNIFICANT_SHARE, signal_share, 0.0)
        self._frequency = np.arange(1, power.shape[1] + 1) / box_angstrom

    def agreement(self, defocus_factor: float) -> Agreement:
        """Of the images with the rows, the defocus multiplied by a factor."""
        squared = ring_ctf_squared(self._ctf, len(self._frequency), self._box_angstrom, defocus_factor)
        mean = squared.mean(axis=0)
        phase = np.abs(np.median(ctf_phase(self._ctf, self._frequency, defocus_factor), axis=0))
        begun = np.cumsum(mean >= LEAST_CTF_SQUARED) > 0
        used = begun & (phase <= MOST_PHASE_RADIANS) & (self._share > 0)
        if used.sum() < 2 or len(squared) < 3:
            return Agreement(0.0, 0.0)
        precision = self._precision[used]
        rise = np.minimum(self._share / np.maximum(mean, LEAST_CTF_SQUARED), 1.0 / np.maximum(mean, 1e-6))[used]
        predicted = _without_gain((squared[:, used] - mean[used]) * rise, precision)
        relative = _without_gain(self._relative[:, used], precision)
        return _permutation_test(relative * precision, predicted, float((precision * predicted**2).sum()))


def _without_gain(values: NDArray[np.float64], precision: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values (n, rings) less the weighted mean over the rings of each image."""
    return np.asarray(values - ((values @ precision) / precision.sum())[:, None])


def _permutation_test(left: NDArray[np.float64], right: NDArray[np.float64], expected: float) -> Agreement:
    """The trace of left @ right.T against its distribution when the rows of one are permuted."""
    left, right = left - left.mean(axis=0), right - right.mean(axis=0)
    # The sum of squares of left @ right.T, without that n by n matrix.
    total = float((_products(left) * _products(right)).sum())
    if total <= 0.0:
        return Agreement(0.0, 0.0)
    deviation = np.sqrt(total / (len(left) - 1))
    return Agreement(float((left * right).sum() / deviation), float(expected / deviation))


def _products(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums over images of the products of two rings; too small a matrix to wake the threads of a library for."""
    return np.asarray(np.einsum("is,it->st", values, values))
