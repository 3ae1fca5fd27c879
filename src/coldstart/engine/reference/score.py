"""Twins of kernels/score.cl."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldstart.engine.reference.arrays import Array, Complex, Real, complex_rows
from coldstart.engine.reference.slices import opposite_slices, turned_slices


def image_harmonics(
    rings: Array, image: Array, weight: Array, phase: Array, tile_rows: int, in_plane: int
) -> tuple[Real, Real]:
    """Harmonics of conj(S) A in tiles of shifts, and of W, with their shares in a sum over in-plane angles.

    Returns
    -------
    left : (B, tiles, modes, terms, 2, tile_rows) float64
        The last tile repeats the last shift.
    left_norm : (B, modes, terms, 2) float64
    """
    tiles = -(-len(phase) // tile_rows)
    shift = np.minimum(np.arange(tiles * tile_rows), len(phase) - 1)
    moved = np.conj(complex_rows(phase)[shift]) * complex_rows(image)[:, None]
    left = _with_shares(_harmonics(moved, rings, in_plane), rings, in_plane)
    left = left.reshape(len(image), tiles, tile_rows, *left.shape[2:])
    norm = 0.5 * _with_shares(_harmonics(np.asarray(weight, dtype=np.complex128), rings, in_plane), rings, in_plane)
    return np.moveaxis(_parts(left), 2, -1), _parts(norm)


def slice_harmonics(slice_table: Array, places: Array, rings: Array, lanes: int, in_plane: int) -> tuple[Real, Real]:
    """Harmonics of the slices that are taken, and of their power, in blocks.

    Returns
    -------
    right, right_norm : (S / lanes, modes, terms, 2, lanes) float64
    """
    taken = places[:, 0]
    y = turned_slices(slice_table, rings, taken, np.zeros(len(taken), np.int64), in_plane)
    blocks = []
    for values in (y, np.abs(y) ** 2 + 0j):
        parts = _parts(_harmonics(values, rings, in_plane))
        blocks.append(np.moveaxis(parts.reshape(-1, lanes, *parts.shape[1:]), 1, -1))
    return blocks[0], blocks[1]


def _harmonics(values: Complex, rings: Array, in_plane: int) -> Complex:
    """Harmonics m + in_plane q of each ring of (..., stride), q below its points a step: (..., modes, terms)."""
    modes = np.arange(in_plane // 2 + 1)
    terms = []
    for start, half, _, step in rings:
        on_ring = values[..., start : start + half]
        turn = np.fft.fft(np.concatenate([on_ring, np.conj(on_ring)], axis=-1))
        terms += [turn[..., modes + in_plane * q] for q in range(step)]
    return np.stack(terms, axis=-1)


def _with_shares(harmonics: Complex, rings: Array, in_plane: int) -> Complex:
    ends = np.isin(np.arange(in_plane // 2 + 1), [0, in_plane // 2])
    points = np.repeat(2 * rings[:, 1], rings[:, 3])
    return np.asarray(harmonics * np.where(ends, 1.0, 2.0)[:, None] / points)


def _parts(values: Complex) -> Real:
    return np.stack([values.real, values.imag], axis=-1)


def score_grid(
    slice_table: Array, places: Array, rings: Array, image: Array, weight: Array, phase: Array, in_plane: int
) -> tuple[Real, Real, NDArray[np.int64]]:
    """F(i,r) = log sum_t exp(-E(i,r,t)), from what the kernel's operands are made of; the best -E and its shift.

    The slices of opposite directions are the others read backwards, whatever the table has there.

    Returns
    -------
    log_sum, best_weight, best_shift : (B, D in_plane) float64, float64, int64
    """
    own, opposite = places.T
    paired = opposite >= 0
    table = np.zeros((len(own) + int(paired.sum()), *slice_table.shape[1:]))
    table[own] = slice_table[own]
    table[opposite[paired]] = opposite_slices(slice_table[own[paired]], rings)
    direction, angle = np.divmod(np.arange(len(table) * in_plane), in_plane)
    y = turned_slices(table, rings, direction, angle, in_plane)
    count = y.shape[1]
    norm = np.asarray(weight[:, :count], dtype=np.float64) @ (np.abs(y) ** 2).T
    moved = np.conj(complex_rows(phase)[:, :count]) * complex_rows(image)[:, None, :count]
    negative_energy = 2 * (np.conj(moved) @ y.T).real - norm[:, None]
    return (
        np.asarray(np.logaddexp.reduce(negative_energy, axis=1)),
        negative_energy.max(axis=1),
        negative_energy.argmax(axis=1),
    )
