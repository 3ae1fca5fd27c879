"""Made-up arrays that kernels are compared on, at sizes that no work-group, vector or tile divides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coldstart.engine.reference import make_slices, phase_table, rotation_rows
from coldstart.engine.reference.arrays import Array
from coldstart.engine.slices import unpaired
from coldstart.model.fourier import spectrum_of
from coldstart.model.polar import PolarPlane
from coldstart.model.pose_grid import rotation_grid
from coldstart.model.so3 import random_rotations

IN_PLANE = 24
RINGS = 7
CLASSES = 3
SIDE = 40
PADDING = 2
IMAGES, SHIFTS, ROTATIONS, DIRECTIONS = 5, 7, 11, 16


@dataclass(frozen=True)
class Sample:
    """What a minibatch has, in small. Rings of 12 half points end with pads, one of 24 does not.

    Attributes
    ----------
    plane : PolarPlane
    kx, ky : (stride,) float32
    rings : (rings, 4) int32
    volumes : (K, side, side, width) complex64
        White noise of unit power, whose slices have no smoothness to lean on.
    image, weight : (B, 2, stride), (B, stride) float32
    phase : (S, 2, stride) float32
    rows : (rotations, 8) float32
        Of random rotations, in points of the volumes.
    turn : (3, 3) float32
        Of the grid, in points of the volumes.
    cells : (D,) int32
        First in-plane angles of the directions whose slices are in `table`, of all classes.
    table : (D, 2, circle) float32
    """

    plane: PolarPlane
    kx: Array
    ky: Array
    rings: Array
    volumes: Array
    image: Array
    weight: Array
    phase: Array
    rows: Array
    turn: Array
    cells: Array
    table: Array

    @property
    def circle(self) -> int:
        """Length of a row of whole turns."""
        return int(self.plane.circle_start[-1])

    @property
    def pads(self) -> Array:
        """Entries of a row that are no points."""
        return np.setdiff1d(np.arange(self.plane.stride), self.plane.points)

    def on_points(self, values: Array) -> Array:
        """Float32 rows that hold values (..., points) at the points and zero at pads."""
        return on_points(self.plane, values)


def make_sample(rng: np.random.Generator) -> Sample:
    """A sample of 5 images, 7 shifts, 11 rotations and 16 directions of 3 classes."""
    plane, grid = PolarPlane(IN_PLANE, RINGS), rotation_grid(0)
    kx, ky = plane.frequencies.T.astype(np.float32)
    volumes = np.stack([spectrum_of(rng.standard_normal((SIDE,) * 3) / SIDE**1.5) for _ in range(CLASSES)])
    phase = phase_table(kx, ky, rng.uniform(-0.1, 0.1, (SHIFTS, 2)), rng.uniform(0.5, 1.0, plane.stride))
    rows, rotations = np.zeros((ROTATIONS, 8), np.float32), random_rotations(rng, ROTATIONS)
    rows[:, 0:3], rows[:, 4:7] = PADDING * rotations[:, 0], PADDING * rotations[:, 1]
    rows[:, 3] = np.arange(ROTATIONS) % CLASSES
    turn = (PADDING * random_rotations(rng, 1)[0]).astype(np.float32)
    cells = IN_PLANE * rng.choice(CLASSES * grid.directions, DIRECTIONS, replace=False).astype(np.int32)
    centres = rotation_rows(grid.direction_table, grid.psi_table, turn, cells)
    circle = int(plane.circle_start[-1])
    table, _, _ = make_slices(volumes, kx, ky, centres, unpaired(DIRECTIONS), plane.ring_table, np.zeros(RINGS), circle)
    points = len(plane.points)
    return Sample(
        plane=plane,
        kx=kx,
        ky=ky,
        rings=plane.ring_table,
        volumes=volumes,
        image=on_points(plane, rng.standard_normal((IMAGES, 2, points))),
        weight=on_points(plane, rng.random((IMAGES, points))),
        phase=phase.astype(np.float32),
        rows=rows,
        turn=turn,
        cells=cells,
        table=table.astype(np.float32),
    )


def on_points(plane: PolarPlane, values: Array) -> Array:
    """Float32 rows that hold values (..., points) at the points of a plane and zero at pads."""
    out = np.zeros((*values.shape[:-1], plane.stride), np.float32)
    out[..., plane.points] = values
    return out
