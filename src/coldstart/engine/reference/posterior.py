"""Twins of kernels/posterior.cl."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from coldstart.engine.reference.arrays import Array, Real

BINS = 512
RANGE = 64.0
"""Nats that the bins cover, unless the window is wider."""

REACH = 27.6
"""Nats under the best entry beyond which entries outside the window count as zero: exp(-27.6) is 1e-12."""


def survey_rows(
    row_start: Array, offset: Array, window: Array, value: Array, boost: Array, groups: int, omitted: float,
    limits: Array | int,
) -> Real:  # fmt: skip
    """Log sum exp x, ESS, threshold on x, and 1 where the limit acted, of each row: (rows, 4) float64.

    Entries are taken in whole bins of log p, the most probable first: those within the window, and more until they hold
    all but `omitted` of the mass. If these are more than the row's limit, the threshold is that of a sample, as in
    `survivors_of_row`, or, where the offset is negative, that of the bins that hold at most as many, and at least of
    the first; with a limit of 0 it is infinite. Row i takes the window of image i // groups.
    """
    window, limits = np.repeat(window, groups), np.broadcast_to(limits, len(row_start) - 1)
    statistics = np.empty((len(row_start) - 1, 4))
    for row, (first, last) in enumerate(pairwise(row_start)):
        x = np.asarray(value[first:last], dtype=np.float64) + boost[first:last]
        depth = x.max() - x
        counts = depth < max(window[row], REACH)
        p = np.where(counts, np.exp(-depth), 0.0)
        threshold, limited = _threshold(depth, counts, window[row], omitted, int(limits[row]), cut=offset[row] < 0)
        statistics[row] = x.max() + np.log(p.sum()), p.sum() ** 2 / np.sum(p**2), x.max() + threshold, limited
    return statistics


def _threshold(
    depth: Real, counts: NDArray[np.bool_], window: float, omitted: float, limit: int, *, cut: bool
) -> tuple[float, bool]:
    """Threshold on log p, and whether the limit acted; `counts` says which entries do."""
    per_nat = BINS / max(window, RANGE)
    edge = -np.arange(BINS + 1) / per_nat
    p = np.exp(-depth[counts])
    # What lies on the edge of two bins belongs to the better one, since the threshold is an edge that is reached.
    bin_of = np.clip(np.ceil(depth[counts] * per_nat) - 1, 0, BINS - 1).astype(np.int64)
    mass = np.concatenate([[0.0], np.cumsum(np.bincount(bin_of, p, minlength=BINS))])
    entries = np.concatenate([[0], np.cumsum(np.bincount(bin_of, minlength=BINS))])
    within = min(int(np.ceil(window * per_nat)), BINS)
    enough = max(int(np.argmax(mass >= (1.0 - omitted) * mass[-1])), within)
    if entries[enough] <= limit:
        return float(edge[enough]), False
    if limit == 0:
        return np.inf, True
    if cut:
        return float(edge[max(int(np.argmax(entries[1:] > limit)), 1)]), True
    lower = np.maximum(np.exp(edge[1:]), np.finfo(np.float32).tiny)
    expected = entries[1:] + (p.sum() - mass[1:]) / lower
    bins = int(np.argmax(expected > limit)) if np.any(expected > limit) else BINS
    return (float(edge[bins]) if bins else float(np.log(max(1.0, p.sum() / limit)))), True
