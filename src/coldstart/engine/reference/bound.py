"""Twins of kernels/bound.cl."""

from __future__ import annotations

import numpy as np

from coldstart.engine.reference.arrays import Array, Real, complex_rows


def ring_powers(image: Array, weight: Array, rings: Array) -> Real:
    """Sum of W, least and largest W times the points, and |X|^2 / sigma^2 of each ring: (B, rings, 4) float64."""
    a2, w = np.abs(complex_rows(image)) ** 2, np.asarray(weight, dtype=np.float64)
    power = np.divide(a2, w, out=np.zeros_like(w), where=w > 0)
    columns = []
    for start, half, _, _ in rings:
        of_ring, points = w[:, start : start + half], float(half)
        own = power[:, start : start + half].sum(axis=1)
        columns.append([of_ring.sum(axis=1), of_ring.min(axis=1) * points, of_ring.max(axis=1) * points, own])
    return np.moveaxis(np.array(columns), 2, 0)


def hidden_power(power: Array, lost: Array, damping: Array, share: float) -> Real:
    """Most that any cell's mean slice has lost of |Y|^2, a share of `lost` and what damping takes: (rings,) float64."""
    return np.asarray(
        (share * np.asarray(lost, dtype=np.float64) + (1.0 - np.asarray(damping, dtype=np.float64)) * power).max(axis=0)
    )


def cell_windows(powers: Array, hidden: Array, sigmas: float) -> Real:
    """Nats by which the true pose's cell may be behind another, (B,) float64."""
    lost = np.asarray(powers, dtype=np.float64)[:, : len(hidden), 0] @ hidden
    return np.asarray((sigmas / np.sqrt(2.0) + np.sqrt(lost)) ** 2)


def strongest_slices(
    powers: Array, power: Array, first: int, last: int, sigmas: float, noise: float, model_free: int
) -> Real:
    """Largest |C Y|^2 / sigma^2 on rings first to last - 1 of any direction, (B,) float64.

    Model-free, at least what the image's own power leaves room for above noise of an expected power of `noise`.
    """
    tail = np.asarray(powers, dtype=np.float64)[:, first:last]
    most = (tail[:, :, 2] @ power[:, first:last].T).max(axis=1)
    if not model_free:
        return np.asarray(most)
    signal = np.maximum(tail[:, :, 3].sum(axis=1) - noise, 0.0)
    return np.asarray(np.maximum(most, signal + sigmas * np.sqrt(noise + 2.0 * signal)))


def tail_bounds(powers: Array, power: Array, strongest: Array, first: int, last: int, sigmas: float) -> Real:
    """Probabilistic and deterministic lower bound of E on rings first to last - 1: (B, D, 2) float64."""
    _, least, largest, own = np.moveaxis(np.asarray(powers, dtype=np.float64)[:, None, first:last], -1, 0)
    y2 = np.asarray(power, dtype=np.float64)[:, first:last]
    y = np.sqrt(np.sum(largest * y2, axis=2))
    probable = y * (y - 2.0 * np.sqrt(strongest)[:, None] - sigmas * np.sqrt(2.0))
    x = np.sqrt(own)
    on_ring = np.clip(x, np.sqrt(least * y2), np.sqrt(largest * y2))
    return np.stack([probable, np.sum(on_ring * (on_ring - 2.0 * x), axis=2)], axis=-1)
