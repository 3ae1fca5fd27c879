"""Twins of kernels/peak.cl."""

from __future__ import annotations

import numpy as np

from coldstart.engine.reference.arrays import Real


def multiply_add_chains(items: int, rounds: int, factor: float, addend: float, width: int, chains: int) -> Real:
    """Sums of chains of x <- x * factor + addend, (items, width) float64; all columns are the same."""
    x = 1.0 + np.arange(chains) + np.arange(items)[:, None] % 4
    for _ in range(rounds):
        x = x * factor + addend
    return np.repeat(x.sum(axis=1)[:, None], width, axis=1)
