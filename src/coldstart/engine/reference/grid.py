"""Twins of kernels/grid.cl."""

from __future__ import annotations

import numpy as np

from coldstart.engine.reference.arrays import Array, Real


def rotation_rows(direction: Array, in_plane: Array, turn: Array, cell: Array) -> Real:
    """First two rows of A Q of these cells, (n, 8) float64; entry 3 is the class, entry 7 is 0."""
    which, angle = np.divmod(cell, len(in_plane))
    of_class, which = np.divmod(which, len(direction))
    ca, sa, cb, sb = np.asarray(direction, dtype=np.float64)[which].T
    cg, sg = np.asarray(in_plane, dtype=np.float64)[angle].T
    first = np.stack([cg * cb * ca - sg * sa, cg * cb * sa + sg * ca, -cg * sb], axis=1)
    second = np.stack([-sg * cb * ca - cg * sa, -sg * cb * sa + cg * ca, sg * sb], axis=1)
    rows = np.zeros((len(cell), 8))
    rows[:, 3] = of_class
    rows[:, 0:3] = first @ np.reshape(turn, (3, 3))
    rows[:, 4:7] = second @ np.reshape(turn, (3, 3))
    return rows
