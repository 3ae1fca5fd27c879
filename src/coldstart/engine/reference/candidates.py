"""Twins of kernels/candidates.cl."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from coldstart.engine.reference.arrays import Array, Real

NEGLIGIBLE = -16.0
"""Nats under the threshold from which an entry is never sampled."""


def survivors_of_row(x: Real, threshold: float, *, sampled: bool, offset: float) -> NDArray[np.int64]:
    """Entries that reach the threshold and, of a sampled row, a systematic sample of those below, ascending."""
    if not sampled:
        return np.flatnonzero(x >= threshold)
    sampled_too = (x < threshold) & (x - threshold >= NEGLIGIBLE)
    below = np.where(sampled_too, np.exp(np.minimum(x - threshold, 0.0)), 0.0)
    ticks = np.floor(offset + np.cumsum(below))
    return np.flatnonzero((x >= threshold) | (np.diff(ticks, prepend=0.0) > 0))


def _survivors(x: Real, row: NDArray[np.int64], statistics: Array, offset: Array) -> tuple[NDArray[np.int64], Real]:
    """Indices of the entries that survive, and what their boosts gain; `row` is the row of each entry, ascending."""
    parts = []
    for number, (_, _, threshold, limited) in enumerate(statistics):
        mine = np.flatnonzero(row == number)
        sampled = limited > 0 and offset[number] >= 0
        parts.append(mine[survivors_of_row(x[mine], threshold, sampled=sampled, offset=offset[number])])
    kept = np.concatenate(parts)
    return kept, np.maximum(np.asarray(statistics)[row[kept], 2] - x[kept], 0.0)


Lists = tuple[Array, Array, Array, Array, Array, Array]
"""pair_image, pair_rotation, pair_start, hyp_shift, value, boost."""


def keep_rotations(log_sum: Array, statistics: Array, offset: Array, groups: int, shifts: int) -> Lists:
    """Every shift of the rotations that survive; log_sum (rows, rotations), row i of image i // groups."""
    rows, rotations = log_sum.shape
    kept, gain = _survivors(
        np.asarray(log_sum, dtype=np.float64).ravel(), np.repeat(np.arange(rows), rotations), statistics, offset
    )
    start = np.arange(len(kept) + 1) * shifts
    shift = np.tile(np.arange(shifts), len(kept))
    image, rotation = np.divmod(kept, groups * rotations)
    return image, rotation, start, shift, np.zeros(len(shift)), np.repeat(gain, shifts)


def keep_hypotheses(
    pair_first: Array, pair_rotation: Array, pair_start: Array, hyp_shift: Array, value: Array, boost: Array,
    statistics: Array, offset: Array, groups: int,
) -> Lists:  # fmt: skip
    """The hypotheses that survive, with their values."""
    pair_row = np.repeat(np.arange(len(pair_first) - 1), np.diff(pair_first))
    pair = np.repeat(np.arange(len(pair_row)), np.diff(pair_start))
    x = np.asarray(value, dtype=np.float64) + boost
    kept, gain = _survivors(x, pair_row[pair], statistics, offset)
    pairs, first = np.unique(pair[kept], return_index=True)
    start = np.append(first, len(kept))
    return pair_row[pairs] // groups, pair_rotation[pairs], start, hyp_shift[kept], value[kept], boost[kept] + gain


def split_hypotheses(
    pair_first: Array, pair_rotation: Array, pair_start: Array, hyp_shift: Array, value: Array, boost: Array,
    statistics: Array, offset: Array, groups: int, in_plane: int,
) -> Lists:  # fmt: skip
    """The children of the hypotheses that survive: 8 rotations of each pair, each with 4 shifts of each shift."""
    kept = keep_hypotheses(pair_first, pair_rotation, pair_start, hyp_shift, value, boost, statistics, offset, groups)
    image, rotation, shift, gain, lengths = [], [], [], [], []
    for pair, (first, last) in enumerate(pairwise(kept[2])):
        direction, angle = divmod(int(kept[1][pair]), in_plane)
        for child in range(8):
            image.append(kept[0][pair])
            rotation.append((4 * direction + child // 2) * 2 * in_plane + 2 * angle + child % 2)
            shift += [4 * int(s) + c for s in kept[3][first:last] for c in range(4)]
            gain += list(np.repeat(kept[5][first:last], 4))
            lengths.append(4 * (last - first))
    start = np.concatenate([[0], np.cumsum(lengths)])
    return np.array(image), np.array(rotation), start, np.array(shift), np.zeros(len(shift)), np.array(gain)


def row_starts(pair_first: Array, pair_start: Array) -> Array:
    """First hypothesis of each row, and one past the last: (rows + 1,)."""
    return np.asarray(np.asarray(pair_start)[pair_first])
