"""The kernels in NumPy and float64: what each of them computes, stated to be read, and the oracle of its tests.

Names and arguments are those of the kernels in kernels/*.cl, in their order. Results are returned instead of written,
and the sizes that an array's shape tells are left out. Arrays have the kernels' layouts: coefficients are two planes,
real and imaginary, in padded rows of which the first `count` are used. A run calls none of this.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Real = NDArray[np.float64]
Complex = NDArray[np.complex128]

_CORNERS = np.array(list(np.ndindex(2, 2, 2)))
"""(8, 3): x, y, z steps from the lower corner of a cell."""


# kernels/images.cl


def weigh_images(kx: Array, ky: Array, spectrum: Array, optics: Array, inverse_noise: Array) -> tuple[Real, Real]:
    """A = C X / sigma^2 and W = C^2 / sigma^2.

    Returns
    -------
    image, weight : (B, 2, stride), (B, stride) float64
    """
    x, y = (np.asarray(k, dtype=np.float64) for k in (kx, ky))
    columns = np.moveaxis(np.asarray(optics, dtype=np.float64), 1, 0)[:, :, None]
    defocus, along_axes, along_diagonals, spherical, phase, envelope, scale, applies = columns
    s2 = x**2 + y**2
    chi = defocus * s2 + along_axes * (x**2 - y**2) + along_diagonals * 2 * x * y - spherical * s2**2 + phase
    ctf = np.where(applies > 0, scale * np.exp(-envelope * s2) * np.sin(chi), 1.0)
    weight = ctf * inverse_noise
    return weight[:, None] * spectrum, weight * ctf


def phase_table(kx: Array, ky: Array, shifts: Array) -> Real:
    """S_l(t) = exp(-2 pi i l.t / N), (S, 2, stride) float64; shifts are fractions of the box."""
    t = np.asarray(shifts, dtype=np.float64)
    angle = -2 * np.pi * (t[:, :1] * kx + t[:, 1:] * ky)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


# kernels/grid.cl


def rotation_rows(direction: Array, in_plane: Array, turn: Array, cell: Array) -> Real:
    """First two rows of A Q of these cells, (n, 8) float64; entries 3 and 7 are 0."""
    which, angle = np.divmod(cell, len(in_plane))
    ca, sa, cb, sb = np.asarray(direction, dtype=np.float64)[which].T
    cg, sg = np.asarray(in_plane, dtype=np.float64)[angle].T
    first = np.stack([cg * cb * ca - sg * sa, cg * cb * sa + sg * ca, -cg * sb], axis=1)
    second = np.stack([-sg * cb * ca - cg * sa, -sg * cb * sa + cg * ca, sg * sb], axis=1)
    rows = np.zeros((len(cell), 8))
    rows[:, 0:3] = first @ np.reshape(turn, (3, 3))
    rows[:, 4:7] = second @ np.reshape(turn, (3, 3))
    return rows


# kernels/fourier.h


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


def slices(volume: Array, kx: Array, ky: Array, rows: Array, count: int) -> Complex:
    """Y_rl = V(A_r^T l), (R, count) complex128."""
    return sample(volume, _plane_points(kx, ky, rows, count))


def _plane_points(kx: Array, ky: Array, rows: Array, count: int) -> Real:
    rows = np.asarray(rows, dtype=np.float64)[:, None]
    return kx[:count, None] * rows[..., 0:3] + ky[:count, None] * rows[..., 4:7]


def _complex(planes: Array, count: int) -> Complex:
    """(..., 2, stride) planes as (..., count) complex128."""
    used = np.asarray(planes[..., :count], dtype=np.float64)
    return used[..., 0, :] + 1j * used[..., 1, :]


# kernels/score.cl


def pack_images(image: Array, phase: Array, count: int, tile_rows: int) -> Real:
    """conj(S_l) A_l in tiles of `tile_rows` shifts, (B, tiles, 2 count, tile_rows) float64; missing shifts are 0."""
    moved = np.conj(_complex(phase, count)) * _complex(image, count)[:, None]
    tiles = -(-len(phase) // tile_rows)
    full = np.zeros((len(image), tiles * tile_rows, count), np.complex128)
    full[:, : len(phase)] = moved
    return _panels(full.reshape(len(image), tiles, tile_rows, count))


def pack_slices(volume: Array, kx: Array, ky: Array, rows: Array, count: int, tile_columns: int) -> tuple[Real, Real]:
    """Y and |Y|^2 in tiles of `tile_columns` rotations, of which `rows` holds a multiple.

    Returns
    -------
    right, power : (R / tile_columns, 2 count, tile_columns), (R / tile_columns, count, tile_columns) float64
    """
    blocks = slices(volume, kx, ky, rows, count).reshape(-1, tile_columns, count)
    return _panels(blocks), np.abs(blocks.swapaxes(1, 2)) ** 2


def _panels(tiles: Complex) -> Real:
    """(..., n, count) complex as (..., 2 count, n): real and imaginary part in turn."""
    parts = np.stack([tiles.real, tiles.imag], axis=-1)
    return np.moveaxis(parts, -3, -1).reshape(*tiles.shape[:-2], 2 * tiles.shape[-1], tiles.shape[-2])


def score_grid(
    volume: Array, kx: Array, ky: Array, image: Array, weight: Array, phase: Array, rows: Array, count: int
) -> Real:
    """F(i,r) = log sum_t exp(-E(i,r,t)), (B, R) float64, from what the kernel's operands are packed from."""
    y = slices(volume, kx, ky, rows, count)
    norm = np.asarray(weight[:, :count], dtype=np.float64) @ (np.abs(y) ** 2).T
    moved = np.conj(_complex(phase, count)) * _complex(image, count)[:, None]
    negative_energy = 2 * (np.conj(moved) @ y.T).real - norm[:, None]
    return np.asarray(np.logaddexp.reduce(negative_energy, axis=1))


# kernels/cells.cl


def score_cells(
    volume: Array, kx: Array, ky: Array, image: Array, weight: Array, phase: Array, rows: Array, pair_image: Array,
    pair_start: Array, hyp_shift: Array, hyp_boost: Array, count: int,
) -> Real:  # fmt: skip
    """-E of each hypothesis, (hyps,) float64."""
    y = slices(volume, kx, ky, rows, count)
    norm = np.sum(weight[pair_image, :count] * np.abs(y) ** 2, axis=1)
    product = np.conj(_complex(image, count)[pair_image]) * y
    pair = np.repeat(np.arange(len(pair_image)), np.diff(pair_start))
    cross = np.einsum("hl,hl->h", product[pair], _complex(phase, count)[hyp_shift])
    return np.asarray(hyp_boost + 2 * cross.real - norm[pair])


# kernels/posterior.cl


BINS = 256
RANGE = 27.6
"""Nats under the best entry: exp(-27.6) is 1e-12."""


def normalize_rows(
    row_start: Array, offset: Array, value: Array, omitted: float, limit: int
) -> tuple[Real, Real, NDArray[np.int64]]:
    """p / Z of each row, and the entries that stand for it.

    Entries are taken in whole bins of log p, the most probable first, until they hold all but `omitted` of the mass. If
    these are more than `limit`, the row is sampled above and below a threshold instead (`kept_of_row`) or, where its
    offset is negative, cut to the bins that hold at most `limit`, and at least to the first.

    Returns
    -------
    value : (entries,) float64
    statistics : (rows, 4) float64
        log sum exp x, ESS, threshold on p / Z, 1 where the limit acted.
    kept_count : (rows,) int64
    """
    posterior = np.empty(len(value))
    statistics = np.empty((len(row_start) - 1, 4))
    kept_count = np.empty(len(row_start) - 1, np.int64)
    for row, (first, last) in enumerate(pairwise(row_start)):
        x = np.asarray(value[first:last], dtype=np.float64)
        depth = x.max() - x
        p = np.where(depth < RANGE, np.exp(-depth), 0.0)
        threshold, limited = _threshold(depth, p, omitted, limit, cut=offset[row] < 0)
        posterior[first:last] = p / p.sum()
        statistics[row] = x.max() + np.log(p.sum()), p.sum() ** 2 / np.sum(p**2), threshold / p.sum(), limited
        kept_count[row] = len(kept_of_row(posterior[first:last], threshold / p.sum(), limited, offset[row]))
    return posterior, statistics, kept_count


def _threshold(depth: Real, p: Real, omitted: float, limit: int, *, cut: bool) -> tuple[float, bool]:
    """Threshold on p, and whether the limit acted."""
    edge = np.exp(-RANGE / BINS * np.arange(BINS + 1))
    bin_of = np.floor(depth[depth < RANGE] * (BINS / RANGE)).astype(np.int64)
    mass = np.concatenate([[0.0], np.cumsum(np.bincount(bin_of, p[depth < RANGE], minlength=BINS))])
    entries = np.concatenate([[0], np.cumsum(np.bincount(bin_of, minlength=BINS))])
    enough = int(np.argmax(mass >= (1.0 - omitted) * mass[-1]))
    if entries[enough] <= limit:
        return float(edge[enough]), False
    if cut:
        return float(edge[max(int(np.argmax(entries[1:] > limit)), 1)]), True
    expected = entries[1:] + (p.sum() - mass[1:]) / edge[1:]
    within = int(np.argmax(expected > limit))  # bins whose lower edge keeps no more than the limit, in the mean
    return (float(edge[within]) if within else max(1.0, float(p.sum()) / limit)), True


def kept_of_row(p: Real, threshold: float, limited: bool, offset: float) -> NDArray[np.int64]:
    """Entries above the threshold and, of a sampled row, a systematic sample of those below, ascending."""
    if not limited or offset < 0:
        return np.flatnonzero(p >= threshold)
    below = np.where(p < threshold, p / threshold, 0.0)
    ticks = np.floor(offset + np.cumsum(below))
    return np.flatnonzero((p >= threshold) | (np.diff(ticks, prepend=0.0) > 0))


def compact_rows(
    row_start: Array, offset: Array, value: Array, statistics: Array, kept_start: Array
) -> tuple[NDArray[np.int64], Real]:
    """Entries that stand for each row, and the log of the mass that each stands for over its own, (total,) both."""
    kept = np.empty(0, np.int64)
    for row, (first, last) in enumerate(pairwise(row_start)):
        p = np.asarray(value[first:last], dtype=np.float64)
        found = kept_of_row(p, statistics[row][2], statistics[row][3] > 0, offset[row])
        kept = np.insert(kept, len(kept), first + found)
        if len(kept) - len(found) != kept_start[row]:
            raise ValueError(
                f"row {row} starts at {kept_start[row]}, but {len(kept) - len(found)} entries are before it"
            )
    row_of = np.searchsorted(row_start, kept, side="right") - 1
    return kept, np.log(np.maximum(np.asarray(statistics)[row_of, 2] / np.asarray(value)[kept], 1.0))


# kernels/backproject.cl


def gather_slices(
    entry_start: Array, entry_image: Array, entry_shift: Array, entry_weight: Array, image: Array, weight: Array,
    phase: Array, count: int,
) -> tuple[Real, Real]:  # fmt: skip
    """Z = sum gamma conj(S) A and U = sum gamma W of each rotation.

    Returns
    -------
    slice_data, slice_weight : (R, 2, stride), (R, stride) float64
        Zero from `count` on.
    """
    rotations, stride = len(entry_start) - 1, weight.shape[1]
    rotation = np.repeat(np.arange(rotations), np.diff(entry_start))
    gamma = np.asarray(entry_weight, dtype=np.float64)[:, None]
    entry = gamma * np.conj(_complex(phase, count)[entry_shift]) * _complex(image, count)[entry_image]
    slice_data, slice_weight = np.zeros((rotations, 2, stride)), np.zeros((rotations, stride))
    np.add.at(slice_data[..., :count], rotation, np.stack([entry.real, entry.imag], axis=1))
    np.add.at(slice_weight[:, :count], rotation, gamma * weight[entry_image, :count])
    return slice_data, slice_weight


def insert_slices(
    kx: Array, ky: Array, rows: Array, slice_data: Array, slice_weight: Array, count: int, side: int, width: int
) -> Real:
    """N real, N imaginary and D, (side, side, width, 3) float64: the kernel's sum over copies, divided by its scale."""
    index, share, reflected = trilinear(_plane_points(kx, ky, rows, count), side, width)
    z = _complex(slice_data, count)
    z = np.where(reflected, np.conj(z), z)
    sums = [
        np.bincount(index.ravel(), (share * part[..., None]).ravel(), minlength=side * side * width)
        for part in (z.real, z.imag, slice_weight[:, :count])
    ]
    return np.stack(sums, axis=-1).reshape(side, side, width, 3).astype(np.float64)


def slice_residual(
    volume: Array, kx: Array, ky: Array, rows: Array, slice_data: Array, slice_weight: Array, shell_end: Array
) -> Real:
    """sum_l U |Y|^2 - 2 Re(conj(Z) Y) of each slice and shell, (R, shells) float64."""
    count = int(shell_end[-1])
    y = slices(volume, kx, ky, rows, count)
    cross = np.conj(_complex(slice_data, count)) * y
    change = slice_weight[:, :count] * np.abs(y) ** 2 - 2 * cross.real
    return np.diff(np.cumsum(change, axis=1)[:, np.asarray(shell_end) - 1], prepend=0.0)
