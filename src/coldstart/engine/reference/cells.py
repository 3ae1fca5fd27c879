"""Twins of kernels/cells.cl."""

from __future__ import annotations

import numpy as np

from coldstart.engine.reference.arrays import Array, Complex, Real, complex_rows, ring_ends
from coldstart.engine.reference.fourier import slices
from coldstart.engine.reference.slices import turned_slices


def score_cells(
    slice_table: Array, image: Array, weight: Array, phase: Array, rings: Array, pair_image: Array,
    pair_rotation: Array, pair_start: Array, hyp_shift: Array, log_weight: Array, first_ring: int, last_ring: int,
    in_plane: int,
) -> Real:  # fmt: skip
    """-E of each hypothesis, the rings from first_ring to last_ring - 1 added to what it was: (hyps,) float64."""
    y = turned_slices(slice_table, rings, *np.divmod(pair_rotation, in_plane), in_plane)
    used = slice(int(rings[first_ring, 0]), int(ring_ends(rings)[last_ring - 1]))
    return _score(y, image, weight, phase, pair_image, pair_start, hyp_shift, log_weight, used)


def score_poses(
    volumes: Array, kx: Array, ky: Array, image: Array, weight: Array, phase: Array, rows: Array, pair_image: Array,
    pair_start: Array, hyp_shift: Array, log_weight: Array, begin: int, count: int,
) -> Real:  # fmt: skip
    """-E of each hypothesis, entries from begin to count - 1 added to what it was: (hyps,) float64."""
    y = slices(volumes, kx, ky, rows, count)
    return _score(y, image, weight, phase, pair_image, pair_start, hyp_shift, log_weight, slice(begin, count))


def _score(
    y: Complex, image: Array, weight: Array, phase: Array, pair_image: Array, pair_start: Array, hyp_shift: Array,
    log_weight: Array, used: slice,
) -> Real:  # fmt: skip
    y = y[:, used]
    norm = np.sum(weight[pair_image, used] * np.abs(y) ** 2, axis=1)
    product = np.conj(complex_rows(image)[pair_image, used]) * y
    pair = np.repeat(np.arange(len(pair_image)), np.diff(pair_start))
    cross = np.einsum("hl,hl->h", product[pair], complex_rows(phase)[hyp_shift, used])
    return np.asarray(log_weight + 2 * cross.real - norm[pair])
