"""Made-up lists of candidates, and where rounding decides nothing about them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from coldstart.engine.reference import BINS, NEGLIGIBLE, RANGE, survey_rows
from coldstart.engine.reference.arrays import Array, Real
from coldstart.model.pose_grid import rotation_grid

OMITTED = 1e-3
BIN_NATS = RANGE / BINS
SPREADS = (30.0, 2.0, 1.0, 0.1, 3.0, 2.0, 5.0, 0.5, 1.0)
PAIRS = (1, 40, 3, 60, 2, 35, 50, 5, 41)
"""Of each row; spreads of its log weights are in nats."""


def candidate_lists(rng: np.random.Generator) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Lists of 9 rows, some of few hypotheses and some of hundreds: pairs of 0 to 12 shifts.

    Returns
    -------
    pair_first, pair_rotation, pair_start, hyp_shift, value, boost
    """
    lengths = rng.integers(1, 13, sum(PAIRS))
    lengths[7] = 0
    first = np.concatenate([[0], np.cumsum(PAIRS)]).astype(np.int32)
    rotation = rng.integers(0, 3 * len(rotation_grid(0)), first[-1]).astype(np.int32)
    start = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    shift = rng.integers(0, 30, start[-1]).astype(np.int32)
    spread = np.repeat(np.repeat(SPREADS, PAIRS), lengths)
    value = on_a_grid(-300 + spread * rng.standard_normal(start[-1]))
    boost = on_a_grid(np.where(rng.random(start[-1]) < 0.5, rng.exponential(2.0, start[-1]), 0.0))
    return first, rotation, start, shift, value, boost


def on_a_grid(x: Real) -> Array:
    """Log weights whose float32 sums and differences are exact."""
    return (np.rint(x * 1024) / 1024).astype(np.float32)


def surveyed(rng: np.random.Generator, row_start: Array, x: Array, limit: int) -> tuple[Array, Array]:
    """Statistics in float32, and offsets at which no sum is so near a whole number that its rounding decides.

    One row of three is cut, the others are sampled.
    """
    rows = len(row_start) - 1
    offset = np.where(np.arange(rows) % 3 == 1, -1.0, 0.5)
    statistics = survey_rows(row_start, offset, np.zeros(rows), x, np.zeros(len(x)), 1, OMITTED, limit)
    statistics = statistics.astype(np.float32)
    for row, (first, last) in enumerate(pairwise(row_start)):
        if offset[row] >= 0:
            offset[row] = _clear_offset(rng, x[first:last].astype(np.float64) - statistics[row, 2])
    return statistics, offset.astype(np.float32)


def log_weights_in_bins(rng: np.random.Generator, lengths: Array, spread: float) -> tuple[Array, Array, Array]:
    """Rows whose log weights lie in the middle of bins under the best one: row_start, value, boost.

    Half of the entries stand for themselves alone.
    """
    start = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    depth = BIN_NATS * (np.rint(rng.exponential(spread, start[-1]) / BIN_NATS) + 0.5)
    depth[start[:-1]] = 0.0
    boost = BIN_NATS * np.where(rng.random(start[-1]) < 0.5, rng.integers(0, 40, start[-1]), 0)
    return start, (-300.0 - depth - boost).astype(np.float32), boost.astype(np.float32)


def _clear_offset(rng: np.random.Generator, depth: Real) -> float:
    below = np.where((depth < 0) & (depth >= NEGLIGIBLE), np.exp(np.minimum(depth, 0.0)), 0.0)
    while True:
        offset = rng.random(dtype=np.float32)
        sums = offset + np.cumsum(below)
        if np.abs(sums - np.rint(sums))[below > 0].min(initial=1.0) > 1e-5:
            return float(offset)
