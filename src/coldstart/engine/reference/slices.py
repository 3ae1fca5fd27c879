"""Twins of kernels/slices.cl."""

from __future__ import annotations

import numpy as np

from coldstart.engine.reference.arrays import LANES, Array, Complex, Real, ring_ends
from coldstart.engine.reference.fourier import sample, slices


def make_slices(
    volumes: Array, kx: Array, ky: Array, rows: Array, places: Array, rings: Array, excess: Array, circle: int
) -> tuple[Real, Real, Real]:
    """Slices as whole turns, the mean power of each ring, and what the volumes' blur took of it.

    Returns
    -------
    slice, power, lost : (D, 2, circle), (D, rings), (D, rings) float64
        D the places that are not -1. Entries of a slice that belong to no point are zero.
    """
    count = int(rings[-1, 0] + rings[-1, 1])
    y = slices(volumes, kx, ky, rows, count)
    own, opposite = places.T
    paired = opposite >= 0
    half_rings = []
    for start, half, _, step in rings:
        values = y[:, start : start + half]
        turn = np.concatenate([values, np.conj(values)], axis=1)
        placed = np.zeros((len(own) + int(paired.sum()), half), np.complex128)
        placed[own] = values
        placed[opposite[paired]] = turn[paired][:, 2 * half - step - np.arange(half)]
        half_rings.append(placed)
    power = np.stack([np.mean(np.abs(half) ** 2, axis=1) for half in half_rings], axis=1)
    return _whole_turns(half_rings, rings, circle), power, excess * power


def mean_slices(
    fine_slice: Array, fine_power: Array, fine_lost: Array, fine_rings: Array, rings: Array, circle: int
) -> tuple[Real, Real, Real]:
    """Means of slices over the 4 finer directions in each direction, and over the 2 finer in-plane angles.

    Returns
    -------
    slice, power, lost : (D, 2, circle), (D, rings), (D, rings) float64
    """
    half_rings, whole = [], []
    for ring, (_, half, _, _) in enumerate(rings):
        _, fine_half, first, step = fine_rings[ring]
        turn = fine_slice[:, 0, first : first + 2 * fine_half] + 1j * fine_slice[:, 1, first : first + 2 * fine_half]
        angles = (turn + np.roll(turn, -step, axis=1)) / 2
        half_rings.append(angles.reshape(-1, 4, 2 * fine_half).mean(axis=1)[:, : fine_half : fine_half // half])
        whole.append((fine_power + fine_lost)[:, ring].reshape(-1, 4).mean(axis=1))
    power = np.stack([np.mean(np.abs(half) ** 2, axis=1) for half in half_rings], axis=1)
    lost = np.maximum(np.stack(whole, axis=1) - power, 0.0)
    return _whole_turns(half_rings, rings, circle), power, lost


def blur_volume(volumes: Array, turns: Array, radius: float) -> Complex:
    """The means of half spectra over rotations (T, 9) within a radius, 0 beyond: (K, side, side, width) complex128."""
    _, side, _, width = volumes.shape
    axis = np.arange(side) - side // 2
    points = np.stack(np.meshgrid(axis, axis, np.arange(width), indexing="ij")[::-1], axis=-1)
    inside = np.sum(points**2, axis=-1) <= radius**2
    turned = np.asarray(turns, dtype=np.float64).reshape(-1, 1, 3, 3) @ points[inside][..., None]
    blurred = np.zeros(volumes.shape, np.complex128)
    for volume, out in zip(volumes, blurred, strict=True):
        out[inside] = sample(volume, turned[..., 0]).mean(axis=0)
    return blurred


def _whole_turns(half_rings: list[Complex], rings: Array, circle: int) -> Real:
    out = np.zeros((len(half_rings[0]), 2, circle))
    for values, (_, half, first, _) in zip(half_rings, rings, strict=True):
        turn = np.concatenate([values, np.conj(values)], axis=1)
        turn = np.concatenate([turn, turn[:, :LANES]], axis=1)
        out[:, 0, first : first + 2 * half + LANES] = turn.real
        out[:, 1, first : first + 2 * half + LANES] = turn.imag
    return out


def opposite_slices(slice_table: Array, rings: Array) -> Real:
    """The slices of opposite directions, as whole turns: those of a table read backwards."""
    out = np.zeros(slice_table.shape)
    for _, half, first, step in rings:
        backwards = first + (2 * half - step - np.arange(2 * half + LANES)) % (2 * half)
        out[..., first : first + 2 * half + LANES] = slice_table[..., backwards]
    return out


def turned_slices(slice_table: Array, rings: Array, direction: Array, angle: Array, in_plane: int) -> Complex:
    """Slices at in-plane angles of the grid on the points of half a turn, pads zero: (n, stride) complex128."""
    out = np.zeros((len(direction), int(ring_ends(rings)[-1])), np.complex128)
    half_turn = in_plane // 2
    for start, half, first, step in rings:
        at = first + (angle % half_turn)[:, None] * step + np.arange(half)
        values = slice_table[direction[:, None], 0, at] + 1j * slice_table[direction[:, None], 1, at]
        out[:, start : start + half] = np.where((angle >= half_turn)[:, None], np.conj(values), values)
    return out
