"""Twins of kernels/memory.cl."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldstart.engine.reference.arrays import Array, Real


def copy_vectors(source: Array) -> Array:
    """The same vectors, (n, 4)."""
    return source.copy()


def read_cells(volume: Array, cell: Array, n: int) -> Real:
    """Sums of the 4 pairs of neighbours along x around cells, (n, 4) float64.

    Real and imaginary part of the lower points, then of the upper ones; cells come round again where n is larger.
    """
    lower = _corners(np.resize(cell, n), *volume.shape[1:])
    sums = (volume.ravel()[index].astype(np.complex128).sum(axis=1) for index in (lower, lower + 1))
    return np.stack([part for total in sums for part in (total.real, total.imag)], axis=1)


def add_to_cells(cell: Array, accumulator: NDArray[np.int64]) -> NDArray[np.int64]:
    """The accumulator (side, side, width, 3) with one added to the 8 voxels around each cell."""
    side, width = accumulator.shape[1:3]
    lower = _corners(cell, side, width)
    out = accumulator.copy()
    np.add.at(out.reshape(-1, 3), np.concatenate([lower, lower + 1]).ravel(), 1)
    return out


def _corners(cell: Array, side: int, width: int) -> NDArray[np.int64]:
    """The 4 corners of lower x of cells, (n, 4)."""
    return np.asarray(np.asarray(cell, np.int64)[:, None] + [0, width, side * width, (side + 1) * width])
