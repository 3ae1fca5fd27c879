"""Twins of kernels/fourier.h."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldstart.engine.reference.arrays import Array, Complex, Real

_CORNERS = np.array(list(np.ndindex(2, 2, 2)))
"""(8, 3): x, y, z steps from the lower corner of a cell."""


def trilinear(points: Array, side: int, width: int) -> tuple[NDArray[np.int64], Real, NDArray[np.bool_]]:
    """Where points lie in a half spectrum of (side, side, width) points.

    Parameters
    ----------
    points : (..., 3)
        x, y, z from frequency 0; length below side / 2 - 1.

    Returns
    -------
    index, weight : (..., 8) int64, float64
        The corners of the cell that holds the point, and their shares of it.
    reflected : (...) bool
        Whether the point has x < 0: the cell then holds its opposite, of conjugate value.
    """
    points = np.asarray(points, dtype=np.float64)
    reflected = points[..., 0] < 0
    position = np.where(reflected[..., None], -points, points) + np.array([0, side // 2, side // 2])
    lower = np.floor(position)
    fraction = (position - lower)[..., None, :]
    x, y, z = np.moveaxis(lower.astype(np.int64)[..., None, :] + _CORNERS, -1, 0)
    weight = np.where(_CORNERS == 1, fraction, 1.0 - fraction).prod(axis=-1)
    return (z * side + y) * width + x, weight, reflected


def sample(volume: Array, points: Array) -> Complex:
    """Values of a half spectrum (side, side, width) at points (..., 3): (...) complex128."""
    index, weight, reflected = trilinear(points, volume.shape[0], volume.shape[2])
    value = np.sum(volume.ravel()[index] * weight, axis=-1)
    return np.asarray(np.where(reflected, np.conj(value), value), dtype=np.complex128)


def slices(volumes: Array, kx: Array, ky: Array, rows: Array, count: int) -> Complex:
    """Y_rl = V_k(A_r^T l), (R, count) complex128; at pads, whose frequency is 0, the value there.

    `volumes` is (K, side, side, width), and entry 3 of a row its class k.
    """
    points, values = plane_points(kx, ky, rows, count), np.zeros((len(rows), count), np.complex128)
    for number, volume in enumerate(volumes):
        mine = rows[:, 3] == number
        values[mine] = sample(volume, points[mine])
    return values


def plane_points(kx: Array, ky: Array, rows: Array, count: int) -> Real:
    """Points A_r^T l of planes, (R, count, 3) float64."""
    rows = np.asarray(rows, dtype=np.float64)[:, None]
    return kx[:count, None] * rows[..., 0:3] + ky[:count, None] * rows[..., 4:7]
