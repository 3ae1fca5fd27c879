"""The noise variance of image coefficients, one value a ring, and its inflation at the start of a run.

The published scheme keeps a running mean of the residual power with a prior from the images' background and, with a
weight that is overtaken as images are seen, the background inflated by a factor. A wrong map fits nothing well at
first: the inflation keeps its errors from sharpening the posteriors (docs/method.md, "Noise").
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from coldstart.model.mask import soft_window

FORGET = 0.9999
"""Discount of the running sums, an iteration."""

FLOOR = 0.2
"""The variance never falls below this share of the background's: a fit cannot explain the noise away."""


@dataclass(frozen=True, slots=True)
class NoiseModel:
    """Running noise variance.

    Attributes
    ----------
    background : (rings,) float64
        Variance of the images' background; rings 1, 2, ...
    residual_sum : (rings,) float64
        Discounted sum over images of the residual power a coefficient.
    image_sum : float
        Discounted number of images.
    prior_weight, initial_weight : float
        Weights of the background and of the inflated background, in images.
    initial_scale : float
        Inflation at the start.
    """

    background: NDArray[np.float64]
    residual_sum: NDArray[np.float64]
    image_sum: float
    prior_weight: float
    initial_weight: float
    initial_scale: float

    @property
    def variance(self) -> NDArray[np.float64]:
        """(rings,) float64: sigma^2 of a complex coefficient."""
        fixed = (self.prior_weight + self.initial_weight * self.initial_scale) * self.background
        total = (self.residual_sum + fixed) / (self.image_sum + self.prior_weight + self.initial_weight)
        return np.asarray(np.maximum(total, FLOOR * self.background))

    @property
    def scale(self) -> float:
        """Mean variance over the background's."""
        return float(np.mean(self.variance / self.background))

    def with_images(self, residual_power: NDArray[np.float64], images: int) -> NoiseModel:
        """After a minibatch.

        Parameters
        ----------
        residual_power : (rings,) float64
            Mean over its images of the posterior-weighted residual power a coefficient.
        images : int
        """
        return replace(
            self,
            residual_sum=FORGET * self.residual_sum + images * np.maximum(residual_power, 0.0),
            image_sum=FORGET * self.image_sum + images,
            initial_weight=FORGET * self.initial_weight,
        )


def background_variance(
    images: NDArray[np.float32], rings: int, inner_fraction: float, *, white: bool
) -> NDArray[np.float64]:
    """Noise variance of coefficients, from the corners of images outside the particle's circle.

    Parameters
    ----------
    images : (B, n, n) float32
        Background mean 0.
    rings : int
        Radius of the last ring, below n / 2.
    inner_fraction : float
        Radius of the circle in units of half the box.
    white : bool
        One variance for all rings.

    Returns
    -------
    (rings,) float64
        As if the background filled the box.
    """
    n = images.shape[-1]
    corners = 1.0 - soft_window(n, 2, inner_fraction, min(inner_fraction + 0.15, 1.0))
    power = np.abs(scipy.fft.rfft2(images * corners) / n) ** 2
    coefficient = power.mean(axis=0, dtype=np.float64) / np.mean(corners.astype(np.float64) ** 2)
    ring = np.rint(np.hypot(scipy.fft.fftfreq(n, 1 / n)[:, None], np.arange(n // 2 + 1))).astype(np.int64)
    total, points = (np.bincount(ring.ravel(), w)[1 : rings + 1] for w in (coefficient.ravel(), np.ones(ring.size)))
    return np.full(rings, total.sum() / points.sum()) if white else total / points
