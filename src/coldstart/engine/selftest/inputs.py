"""What kernels and their twins are given: each function makes the arguments of one of them, or a part of these.

Those that a comparison names take a sample, random numbers and a tuning, of which they need one or another.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from coldstart.compute.tuning import Tuning
from coldstart.engine import reference
from coldstart.engine.reference.arrays import Array
from coldstart.engine.selftest.lists import OMITTED, candidate_lists, log_weights_in_bins, on_a_grid, surveyed
from coldstart.engine.selftest.sample import IN_PLANE, PADDING, Sample
from coldstart.engine.slices import unpaired
from coldstart.model.polar import PolarPlane
from coldstart.model.pose_grid import rotation_grid
from coldstart.model.symmetry import point_group

Arrays = tuple[Array, ...]

USED_RINGS = 6
GRID_SIDE, GRID_WIDTH = 20, 11


def optics_rows(rng: np.random.Generator) -> Array:
    """CTFs as a 256 Å box has them at 0.7 to 2.5 um; the last image has none, the second was multiplied by it."""
    table = np.zeros((5, 8), np.float32)
    table[:, 0] = rng.uniform(0.006, 0.024, 5)
    table[:, 1:3] = rng.uniform(-5e-4, 5e-4, (5, 2))
    table[:, 3] = 7.5e-8
    table[:, 4] = rng.uniform(0.0, 1.6, 5)
    table[:, 5] = rng.uniform(0.0, 3e-4, 5)
    table[:, 6] = rng.uniform(0.5, 2.0, 5)
    table[:4, 7] = 1.0
    table[1, 7] = 2.0
    return table


def finer_plane(plane: PolarPlane) -> PolarPlane:
    """Twice as many angles and a ring more: of a ring, every second point is one of the plane, or all are."""
    return PolarPlane(2 * plane.in_plane, plane.rings + 1)


def slice_entries(sample: Sample, rng: np.random.Generator) -> Arrays:
    """Entries of each slice, 0 to 12 of them: start, image, shift, in-plane angle, weight."""
    counts = rng.integers(0, 13, len(sample.rows))
    counts[4] = 0
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    image, shift, angle = (
        rng.integers(0, n, start[-1]).astype(np.int32) for n in (len(sample.image), len(sample.phase), IN_PLANE)
    )
    return start, image, shift, angle, rng.random(start[-1]).astype(np.float32)


def unpadded_rows(sample: Sample) -> Array:
    """Rotation rows in points of the grid that is inserted into, which is not padded."""
    return sample.rows / np.array([PADDING] * 3 + [1] + [PADDING] * 4, np.float32)


def gathered_slices(sample: Sample, rng: np.random.Generator) -> tuple[Array, Array]:
    """Z and U of as many slices as there are rotations."""
    shape = len(sample.rows), len(sample.plane.points)
    values = rng.standard_normal((shape[0], 2, shape[1]))
    return sample.on_points(values), sample.on_points(0.01 + rng.random(shape))


def insertable(sample: Sample, gathered: Array, gathered_weight: Array) -> tuple[Any, ...]:
    """Slices of which the last ring is not used."""
    sizes = sample.plane.count(USED_RINGS), len(sample.volumes), GRID_SIDE, GRID_WIDTH
    return sample.kx, sample.ky, unpadded_rows(sample), gathered, gathered_weight, *sizes


def chosen_pairs(sample: Sample, rng: np.random.Generator) -> Arrays:
    """Image, rotation, start, shift and log weight so far of 23 pairs with 0 to 9 hypotheses each."""
    hypotheses = rng.integers(0, 10, 23)
    hypotheses[3] = 0
    start = np.concatenate([[0], np.cumsum(hypotheses)]).astype(np.int32)
    image = np.sort(rng.integers(0, len(sample.image), 23)).astype(np.int32)
    rotation = rng.integers(0, len(sample.table) * IN_PLANE, 23).astype(np.int32)
    shift = rng.integers(0, len(sample.phase), start[-1]).astype(np.int32)
    return image, rotation, start, shift, rng.uniform(-8, 0, start[-1]).astype(np.float32)


def scored_grid(sample: Sample) -> tuple[Any, ...]:
    """What the dense grid is scored from."""
    places = half_paired(len(sample.table))
    return sample.table, places, sample.rings, sample.image, sample.weight, sample.phase, IN_PLANE


def half_paired(slices: int) -> Array:
    """Places of so many slices, of which every second one comes with its opposite."""
    places = unpaired(slices)
    places[::2, 1] = np.arange(slices, slices + len(places[::2]))
    return places


def sliceable(sample: Sample) -> tuple[Any, ...]:
    """Everything that slices are made of, and how long they are; every second one comes with its opposite."""
    places = half_paired(len(sample.rows))
    excess = np.linspace(0.0, 0.6, len(sample.rings)).astype(np.float32)
    return sample.volumes, sample.kx, sample.ky, sample.rows, places, sample.rings, excess, sample.circle


def rotations_of(turn: Array, rng: np.random.Generator) -> tuple[Any, ...]:
    """Cells of the second level, of three classes."""
    grid = rotation_grid(1)
    return grid.direction_table, grid.psi_table, turn, rng.integers(0, 3 * len(grid), 101).astype(np.int32)


def small_turns(reach: float) -> Array:
    """Four rotations about the corners of a tetrahedron, (4, 3, 3) float32; `reach` in rad over the axes' length."""
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    return np.asarray(Rotation.from_rotvec(reach * corners).as_matrix(), np.float32)


def fine_slices(rng: np.random.Generator) -> tuple[Any, ...]:
    """Slices of a level whose rings have twice the points of the next coarser one, or as many.

    On one ring they have less power than their mean: rounding may do that.
    """
    coarse, fine = PolarPlane(24, 13), PolarPlane(48, 14)
    table = rng.standard_normal((12, 2, fine.circle_start[-1])).astype(np.float32)
    power, lost = (rng.uniform(low, 4.0, (12, fine.rings)).astype(np.float32) for low in (1.0, 0.0))
    power[:, 3] = lost[:, 3] = 0.0
    return table, power, lost, fine.ring_table, coarse.ring_table, int(coarse.circle_start[-1])


def weighable(sample: Sample, rng: np.random.Generator, tuning: Tuning) -> tuple[Any, ...]:
    """A minibatch, its CTFs and noise."""
    inverse_noise = sample.on_points(rng.uniform(0.2, 3.0, len(sample.plane.points)))
    return sample.kx, sample.ky, sample.image, optics_rows(rng), inverse_noise


def selectable(sample: Sample, rng: np.random.Generator, tuning: Tuning) -> tuple[Any, ...]:
    """Images on a finer plane, and where the points of this one are."""
    finer = finer_plane(sample.plane)
    source = sample.plane.source(finer)
    image, weight = (
        rng.standard_normal((5, *shape)).astype(np.float32) for shape in ((2, finer.stride), (finer.stride,))
    )
    share = np.where(source < 0, 0.0, rng.uniform(1.0, 2.0, len(source))).astype(np.float32)
    return image, weight, source, share, rng.uniform(0.5, 1.0, len(source)).astype(np.float32)


def shifted(sample: Sample, rng: np.random.Generator, tuning: Tuning) -> tuple[Any, ...]:
    """Frequencies, shifts of up to half a box, and dampings."""
    shifts, damping = rng.uniform(-0.5, 0.5, (7, 2)), rng.random(sample.plane.stride)
    return sample.kx, sample.ky, shifts.astype(np.float32), damping.astype(np.float32)


def chosen_cells(sample: Sample, rng: np.random.Generator, tuning: Tuning) -> tuple[Any, ...]:
    """Pairs, and all rings."""
    pairs = chosen_pairs(sample, rng)
    return sample.table, sample.image, sample.weight, sample.phase, sample.rings, *pairs, 0, len(sample.rings), IN_PLANE


def chosen_poses(sample: Sample, rng: np.random.Generator, tuning: Tuning) -> tuple[Any, ...]:
    """Pairs, and all points."""
    image, _, start, shift, log_weight = chosen_pairs(sample, rng)
    rows = sample.rows[np.arange(len(image)) % len(sample.rows)]
    of_images = sample.image, sample.weight, sample.phase, rows, image, start, shift, log_weight
    return sample.volumes, sample.kx, sample.ky, *of_images, 0, sample.plane.stride


def rows_of_log_weights(sample: Sample, rng: np.random.Generator, tuning: Tuning) -> tuple[Any, ...]:
    """Rows from one entry to thousands, whole, sampled and cut."""
    lengths = np.array([1, 7, 300, 2000, 65, 511, 33, 129, 1000])
    start, value, boost = log_weights_in_bins(rng, lengths, 3.0)
    offset = np.where(np.arange(9) % 3 == 2, -1.0, rng.random(9)).astype(np.float32)
    window = np.array([0.0, 12.3, 40.3], np.float32)
    limits = np.where(np.arange(9) % 4 == 3, 10_000, 40)
    return start, offset, window, value, boost, 3, OMITTED, limits


def coarse_rotations(sample: Sample, rng: np.random.Generator, tuning: Tuning) -> tuple[Any, ...]:
    """Log sums of 500 rotations in 9 rows, and their statistics."""
    spread = np.array([1.0, 1.0, 30.0, 0.2, 0.2, 0.2, 5.0, 0.5, 2.0])
    log_sum = on_a_grid(-300 + spread[:, None] * rng.standard_normal((9, 500)))
    return log_sum, *surveyed(rng, np.arange(10) * 500, log_sum.ravel(), 40), 3, 5


def hypotheses(sample: Sample, rng: np.random.Generator, tuning: Tuning) -> tuple[Any, ...]:
    """Lists of 9 rows, and their statistics."""
    lists = candidate_lists(rng)
    first, _, start, _, value, boost = lists
    return *lists, *surveyed(rng, start[first], value + boost, 60), 3


def gatherable(sample: Sample, rng: np.random.Generator, tuning: Tuning) -> tuple[Any, ...]:
    """Entries of slices, and what they point to."""
    of_images = sample.image, sample.weight, sample.phase
    return *slice_entries(sample, rng), *of_images, sample.rings, IN_PLANE // 2


def residual_of(sample: Sample, rng: np.random.Generator, tuning: Tuning) -> tuple[Any, ...]:
    """Gathered slices, and the directions that they belong to."""
    direction = rng.integers(0, len(sample.table), len(sample.rows)).astype(np.int32)
    return sample.table, sample.rings, direction, *gathered_slices(sample, rng)


def fine_grid(sample: Sample, rng: np.random.Generator, tuning: Tuning) -> tuple[Any, ...]:
    """Sums of two classes, and the operators of C3."""
    fine = rng.standard_normal((2, 28, 28, 15, 4)).astype(np.float32)
    return fine, point_group("C3").operators.reshape(-1, 9).astype(np.float32), PADDING, 5.5, 14


def ring_powers_of(sample: Sample) -> Array:
    """Of the sample's images, (B, rings, 4) float32."""
    return reference.ring_powers(sample.image, sample.weight, sample.rings).astype(np.float32)


def slice_powers_of(sample: Sample) -> Array:
    """Mean power of the sample's slices on each ring, (D, rings) float32."""
    directions = np.arange(len(sample.table))
    y = reference.turned_slices(sample.table, sample.rings, directions, 0 * directions, IN_PLANE)
    rings = [np.abs(y[:, start : start + half]) ** 2 for start, half, _, _ in sample.rings]
    return np.stack([ring.mean(axis=1) for ring in rings], axis=1).astype(np.float32)


def lost_power(sample: Sample, rng: np.random.Generator, tuning: Tuning) -> tuple[Any, ...]:
    """Powers of slices, and what their means have lost."""
    power, lost = rng.random((2, 13, len(sample.rings)), dtype=np.float32)
    return power, lost, rng.random(len(sample.rings), dtype=np.float32), 0.25


def hidden(sample: Sample, rng: np.random.Generator, tuning: Tuning) -> tuple[Any, ...]:
    """Ring powers, and the power hidden on five rings."""
    return ring_powers_of(sample), rng.random(5, dtype=np.float32), 4.0


def tails(sample: Sample, rng: np.random.Generator, tuning: Tuning) -> tuple[Any, ...]:
    """Ring and slice powers, and the strongest slice of three rings."""
    strongest = rng.uniform(1.0, 50.0, len(sample.image)).astype(np.float32)
    return ring_powers_of(sample), slice_powers_of(sample), strongest, 2, 5, 3.0


def cells_of_a_table(rng: np.random.Generator, side: int, width: int, count: int) -> Array:
    """Cells inside a table (side, side, width), some of them twice, (count,) int32."""
    z, y, x = (rng.integers(0, n - 1, count) for n in (side, side, width))
    return np.asarray((z * side + y) * width + x, np.int32)


def cells_read(sample: Sample, rng: np.random.Generator, tuning: Tuning) -> tuple[Any, ...]:
    """A table, and more reads than there are cells."""
    parts = rng.standard_normal((12, 12, 7, 2)).astype(np.float32)
    return parts.view(np.complex64)[..., 0], cells_of_a_table(rng, 12, 7, 53), 3 * 53 - 5


def cells_added(sample: Sample, rng: np.random.Generator, tuning: Tuning) -> tuple[Any, ...]:
    """Cells, and sums so far."""
    return cells_of_a_table(rng, 12, 7, 53), rng.integers(0, 1000, (12, 12, 7, 3))
