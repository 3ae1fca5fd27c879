"""Twin of kernels/symmetrize.cl."""

from __future__ import annotations

import numpy as np

from coldstart.engine.reference.arrays import Array, Real
from coldstart.engine.reference.fourier import sample


def symmetrize(fine: Array, operators: Array, padding: int, radius: float, side: int) -> Real:
    """Sums over the operators (n, 9) of fine grids (K, fine_side, fine_side, fine_width, 4) turned by them.

    Returns
    -------
    (K, side, side, side // 2 + 1, 4) float64
        N real, N imaginary, D and 0; zero beyond the radius.
    """
    axis, width = np.arange(side) - side // 2, side // 2 + 1
    points = np.stack(np.meshgrid(axis, axis, np.arange(width), indexing="ij")[::-1], axis=-1)
    inside = np.sum(points**2, axis=-1) <= radius**2
    turned = (np.asarray(operators, dtype=np.float64).reshape(-1, 1, 3, 3) @ points[inside][..., None])[..., 0]
    out = np.zeros((len(fine), side, side, width, 4))
    for grid, total in zip(np.asarray(fine, dtype=np.float64), out, strict=True):
        numerator = sample(grid[..., 0] + 1j * grid[..., 1], padding * turned).sum(axis=0)
        total[inside, 0], total[inside, 1] = numerator.real, numerator.imag
        total[inside, 2] = sample(grid[..., 2].astype(np.complex128), padding * turned).real.sum(axis=0)
    return out
