"""Soft windows around the centre of the box, pixel n // 2."""

import numpy as np
from numpy.typing import NDArray


def soft_window(n: int, ndim: int, inner_fraction: float, outer_fraction: float) -> NDArray[np.float32]:
    """A window that is 1 near the centre and falls to 0 along a raised cosine.

    Parameters
    ----------
    n : int
        Side in pixels.
    ndim : int
        2 for a circle, 3 for a sphere.
    inner_fraction, outer_fraction : float
        Radii, in units of half the box, where the window starts to fall and where it is 0. Where they are equal the
        edge is sharp.

    Returns
    -------
    (n,) * ndim float32
        Values in [0, 1], symmetric about pixel n // 2.
    """
    inner, outer = 0.5 * n * inner_fraction, 0.5 * n * outer_fraction
    radius = radius_px(n, ndim)
    if outer <= inner:
        return np.asarray(radius < outer, dtype=np.float32)
    fall = np.clip((radius - inner) / (outer - inner), 0.0, 1.0)
    window = 0.5 * (1.0 + np.cos(np.pi * fall))
    window[fall >= 1.0] = 0.0
    return window.astype(np.float32)


def radius_px(n: int, ndim: int) -> NDArray[np.float64]:
    """Distance of each pixel from pixel n // 2, (n,) * ndim float64, in pixels."""
    squared = (np.arange(n, dtype=np.float64) - n // 2) ** 2
    total = np.zeros((n,) * ndim)
    for axis in range(ndim):
        total += squared.reshape([n if a == axis else 1 for a in range(ndim)])
    return np.asarray(np.sqrt(total))
