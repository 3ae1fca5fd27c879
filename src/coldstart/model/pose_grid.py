"""Nested grids of poses: every cell has 8 children in rotation and 4 in shift.

Rotations are HEALPix directions (nested order) times in-plane angles, equal in volume, so that no weights are needed
(Yershova et al. 2010). Level L has 192 * 4^L directions and 24 * 2^L in-plane angles: steps of about 15, 7.5, 3.75 and
1.9 degrees. Shifts are the square cells of a disc.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import healpix
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from coldstart.model.so3 import euler_to_matrix

COARSE_NSIDE = 4
COARSE_IN_PLANE = 24
COARSE_STEP_DEG = 15.0

Cells = NDArray[np.int32]


@dataclass(frozen=True)
class RotationGrid:
    """One level of the nested rotation grid. Cell number = direction * in_plane + in-plane index."""

    level: int

    @property
    def nside(self) -> int:
        """HEALPix resolution of the directions."""
        return COARSE_NSIDE << self.level

    @property
    def in_plane(self) -> int:
        """Number of in-plane angles."""
        return COARSE_IN_PLANE << self.level

    @property
    def directions(self) -> int:
        """Number of directions."""
        return 12 * self.nside**2

    @property
    def step_deg(self) -> float:
        """Angle between neighbours, in degrees."""
        return COARSE_STEP_DEG / (1 << self.level)

    def __len__(self) -> int:
        return self.directions * self.in_plane

    @cached_property
    def direction_angles(self) -> NDArray[np.float64]:
        """(directions, 2) float64: rot, tilt in radians."""
        tilt, rot = healpix.pix2ang(self.nside, np.arange(self.directions), nest=True)
        return np.stack([rot, tilt], axis=1)

    @cached_property
    def opposite(self) -> NDArray[np.int32]:
        """(directions // 2,) int32: the opposites of the first half of the directions; they are the second half."""
        rot, tilt = self.direction_angles[: self.directions // 2].T
        return np.asarray(healpix.ang2pix(self.nside, np.pi - tilt, rot + np.pi, nest=True), dtype=np.int32)

    def opposite_places(self, classes: int) -> NDArray[np.int32]:
        """Directions of the first half, and the opposite ones, (classes directions // 2, 2) int32, counted through."""
        own = np.arange(self.directions // 2, dtype=np.int32)
        of_class = self.directions * np.arange(classes, dtype=np.int32)[:, None]
        return np.stack([(of_class + half).ravel() for half in (own, self.opposite)], axis=1)

    @cached_property
    def psi(self) -> NDArray[np.float64]:
        """(in_plane,) float64: in-plane angles in radians."""
        return np.asarray(2 * np.pi * (np.arange(self.in_plane) + 0.5) / self.in_plane)

    @cached_property
    def direction_table(self) -> NDArray[np.float32]:
        """(directions, 4) float32: cos rot, sin rot, cos tilt, sin tilt."""
        rot, tilt = self.direction_angles.T
        return np.stack([np.cos(rot), np.sin(rot), np.cos(tilt), np.sin(tilt)], axis=1).astype(np.float32)

    @cached_property
    def psi_table(self) -> NDArray[np.float32]:
        """(in_plane, 2) float32: cos psi, sin psi."""
        return np.stack([np.cos(self.psi), np.sin(self.psi)], axis=1).astype(np.float32)

    def matrices(self, cells: Cells, turn: NDArray[np.float64]) -> NDArray[np.float64]:
        """RELION matrices of cells of the turned grid.

        Parameters
        ----------
        cells : (n,) int32
        turn : (3, 3) float64
            Rotation Q of the whole grid in the map's frame.

        Returns
        -------
        (n, 3, 3) float64
            A Q.
        """
        direction, index = np.divmod(cells, self.in_plane)
        rot, tilt = self.direction_angles[direction].T
        return np.asarray(euler_to_matrix(np.rad2deg(np.stack([rot, tilt, self.psi[index]], axis=1))) @ turn)

    def neighbours(self, cells: Cells) -> Cells:
        """(n, 27) int32: each cell itself, and those around it: nearest directions and in-plane angles."""
        direction, index = np.divmod(cells, self.in_plane)
        near, turned = self._near_directions
        around = index[:, None, None] + turned[direction][..., None] + np.array([-1, 0, 1])
        found = near[direction][..., None] * self.in_plane + around % self.in_plane
        return np.asarray(found.reshape(len(cells), -1), dtype=np.int32)

    @cached_property
    def _near_directions(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(directions, 9) int64 both: the nearest directions, itself first, and steps in psi that undo slices' turns.

        Slices of neighbouring directions are turned against each other, most of all near the poles.
        """
        first = self.matrices(np.arange(self.directions, dtype=np.int32) * np.int32(self.in_plane), np.eye(3))
        near = KDTree(first[:, 2]).query(first[:, 2], k=9)[1]
        between = first[near] @ np.swapaxes(first, 1, 2)[:, None]
        turn = np.arctan2(between[..., 0, 1] - between[..., 1, 0], between[..., 0, 0] + between[..., 1, 1])
        return near, np.rint(-turn * self.in_plane / (2 * np.pi)).astype(np.int64)

    def children(self, cells: Cells) -> Cells:
        """(n, 8) int32: the cells of the next level inside each of these."""
        direction, index = np.divmod(cells, self.in_plane)
        child_direction = 4 * direction[:, None] + np.repeat(np.arange(4), 2)
        child_index = 2 * index[:, None] + np.tile(np.arange(2), 4)
        return np.asarray(child_direction * (2 * self.in_plane) + child_index, dtype=np.int32)


@lru_cache(maxsize=8)
def rotation_grid(level: int) -> RotationGrid:
    """The grid of a level, made once."""
    return RotationGrid(level)


@dataclass(frozen=True)
class ShiftGrid:
    """A nested grid of shifts: square cells that cover a disc.

    Attributes
    ----------
    extent : float
        Radius of the disc, in fractions of the box.
    step : float
        Side of a coarse cell, in fractions of the box.
    """

    extent: float
    step: float

    @cached_property
    def coarse(self) -> NDArray[np.float64]:
        """(S, 2) float64: x, y of the coarse cells' centres, in fractions of the box, by distance from the centre."""
        reach = int(self.extent / self.step + 0.5 + 1e-9)
        y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1] * self.step
        points = np.stack([x.ravel(), y.ravel()], axis=1)
        distance = np.hypot(*points.T)
        order = np.lexsort((points[:, 0], points[:, 1], np.round(distance, 12)))
        nearest = np.hypot(*np.maximum(np.abs(points) - 0.5 * self.step, 0.0).T)
        return np.asarray(points[order][nearest[order] < self.extent * (1 - 1e-9) + 1e-12])

    def points(self, level: int) -> NDArray[np.float64]:
        """(S 4^level, 2) float64: centres of the cells of a level; cell c is in coarse cell c >> (2 * level)."""
        points = self.coarse
        for depth in range(1, level + 1):
            offset = self.step / (1 << (depth + 1))
            corners = np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]]) * offset
            points = (points[:, None, :] + corners).reshape(-1, 2)
        return points

    def neighbours(self, level: int, cells: Cells) -> Cells:
        """(n, 9) int32: each cell of a level itself, and those around it; -1 where there is none."""
        return self._around(level)[cells]

    @lru_cache(maxsize=4)  # noqa: B019  # grids are few and live as long as the run
    def _around(self, level: int) -> Cells:
        points, step = self.points(level), self.step / (1 << level)
        wanted = points[:, None, :] + step * np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), axis=-1).reshape(1, 9, 2)
        distance, nearest = KDTree(points).query(wanted)
        return np.asarray(np.where(distance < 0.25 * step, nearest, -1), dtype=np.int32)

    @staticmethod
    def children(cells: Cells) -> Cells:
        """(n, 4) int32: the cells of the next level inside each of these."""
        return np.asarray(4 * cells[:, None] + np.arange(4), dtype=np.int32)
