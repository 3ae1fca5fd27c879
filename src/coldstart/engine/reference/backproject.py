"""Twins of kernels/backproject.cl. They round nothing: the kernels' sums, over their scales, come near."""

from __future__ import annotations

import numpy as np

from coldstart.engine.reference.arrays import Array, Real, complex_rows
from coldstart.engine.reference.fourier import plane_points, trilinear
from coldstart.engine.reference.slices import turned_slices


def gather_slices(
    entry_start: Array, entry_image: Array, entry_shift: Array, entry_angle: Array, entry_weight: Array, image: Array,
    weight: Array, phase: Array, rings: Array, half_turn: int,
) -> tuple[Real, Real]:  # fmt: skip
    """Z = sum gamma conj(S) A and U = sum gamma W of each slice, turned back by the entries' in-plane angles.

    Returns
    -------
    gathered, gathered_weight : (slices, 2, stride), (slices, stride) float64
    """
    slices_, stride = len(entry_start) - 1, weight.shape[1]
    of_entry = np.repeat(np.arange(slices_), np.diff(entry_start))
    gamma = np.asarray(entry_weight, dtype=np.float64)[:, None]
    entry = gamma * np.conj(complex_rows(phase)[entry_shift]) * complex_rows(image)[entry_image]
    entry_u = gamma * weight[entry_image]
    z, u = np.zeros((slices_, stride), np.complex128), np.zeros((slices_, stride))
    for start, half, _, step in rings:
        for e, slot in enumerate(of_entry):
            turn = np.concatenate([entry[e, start : start + half], np.conj(entry[e, start : start + half])])
            z[slot, start : start + half] += np.roll(turn, entry_angle[e] * step)[:half]
            u[slot, start : start + half] += np.roll(entry_u[e, start : start + half], entry_angle[e] * step)
    return np.stack([z.real, z.imag], axis=1), u


def insert_slices(
    kx: Array, ky: Array, rows: Array, gathered: Array, gathered_weight: Array, count: int, classes: int, side: int,
    width: int,
) -> Real:  # fmt: skip
    """N real, N imaginary and D, (K, side, side, width, 3) float64: the sum of the kernel's copies over SHARES."""
    points = side * side * width
    index, share, reflected = trilinear(plane_points(kx, ky, rows, count), side, width)
    index = index + np.asarray(rows[:, 3], dtype=np.int64)[:, None, None] * points
    z = complex_rows(gathered)[..., :count]
    z = np.where(reflected, np.conj(z), z)
    sums = [
        np.bincount(index.ravel(), (share * part[..., None]).ravel(), minlength=classes * points)
        for part in (z.real, z.imag, gathered_weight[:, :count])
    ]
    return np.stack(sums, axis=-1).reshape(classes, side, side, width, 3).astype(np.float64)


def slice_residual(slice_table: Array, rings: Array, direction: Array, gathered: Array, gathered_weight: Array) -> Real:
    """Sums over l of U |Y|^2 and of Re(conj(Z) Y), of each slice and ring, (slices, rings, 2) float64."""
    y = turned_slices(slice_table, rings, direction, np.zeros(len(direction), np.int64), 2)
    count = y.shape[1]
    cross = np.conj(complex_rows(gathered)[:, :count]) * y
    terms = np.stack([gathered_weight[:, :count] * np.abs(y) ** 2, cross.real], axis=-1)
    return np.stack([terms[:, start : start + half].sum(axis=1) for start, half, _, _ in rings], axis=1)
