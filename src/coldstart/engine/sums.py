"""The whole numbers that a share of a minibatch says about the maps: what workers answer, and what adds up.

Sums over slices have up to GATHERED_BITS + SHARES_BITS = 59 bits at a voxel, and 3 more since it gets shares of many
points; those over rings have GATHERED_BITS + MAP_BITS = 51, and 9 more for their points. Both are held in 64.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from coldstart.model.fourier import radius_grid

ADDEND_BITS, GATHERED_BITS = 24, 30
"""Of the largest addend of a gathered slice, as a float32 has them, and of the largest sum: all posterior of a
minibatch in one point, which is held in 32 bits."""

MAP_BITS = 21
"""Of the largest part of a map's slice."""

SHARES_BITS, HALF_BITS = 29, 21
"""As in the kernels: bits of the share of a point that a voxel gets, and of the halves of a slice's power."""


@dataclass(frozen=True, slots=True)
class Scales:
    """Steps a unit, powers of two, of what is summed as whole numbers.

    Attributes
    ----------
    image, weight : float
        Of gathered slices.
    map : float
        Of the slices of maps.
    """

    image: float
    weight: float
    map: float

    @classmethod
    def of(cls, images: int, image_bound: float, weight_bound: float, map_bound: float) -> Scales:
        """For minibatches of so many images.

        Parameters
        ----------
        images : int
            Of the whole minibatch, however it is split.
        image_bound, weight_bound : float
            No |A| and no W of these images exceeds them.
        map_bound : float
            No part of a map's spectrum exceeds it.
        """
        addend = min(ADDEND_BITS, GATHERED_BITS - np.log2(images))
        bits = (addend, image_bound), (addend, weight_bound), (MAP_BITS, map_bound)
        return cls(*(float(2.0 ** np.floor(most - np.log2(bound))) for most, bound in bits))


@dataclass(frozen=True, slots=True)
class Sums:
    """What a share of a minibatch says about the maps, in whole numbers: those of all shares add up.

    Attributes
    ----------
    values : (K, points, 3) int64
        N real, N imaginary and D at the `points_within` a radius, the plane x = 0 not yet completed.
    radius : float
        In points of the grid.
    side : int
        Points along an edge of the grid.
    residual : (rings, 3) int64
        Sums of U and the upper and lower half of |Y|^2, and of Re conj(Z) Y; of no rings where they were not wanted.
    scales : Scales
    """

    values: NDArray[np.int64]
    radius: float
    side: int
    residual: NDArray[np.int64]
    scales: Scales

    @classmethod
    def of(cls, grid: NDArray[np.int64], radius: float, residual: NDArray[np.int64], scales: Scales) -> Sums:
        """From a whole grid (K, side, side, side // 2 + 1, 3) that slices of a radius were inserted into."""
        classes, side = grid.shape[:2]
        reached = float(np.ceil(radius + np.sqrt(3.0)))  # a point has a share in all corners of its cell
        values = grid.reshape(classes, -1, 3).take(points_within(side, reached), axis=1)
        return cls(values, reached, side, residual, scales)

    def __add__(self, other: Sums) -> Sums:
        """Of both shares, whose grids and scales are the same."""
        values, residual = self.values + other.values, self.residual + other.residual
        return Sums(values, self.radius, self.side, residual, self.scales)

    @property
    def numerator(self) -> NDArray[np.complex128]:
        """N, (K, side, side, side // 2 + 1)."""
        parts = self.values[..., :2] / (self.scales.image * 2.0**SHARES_BITS)
        return self._whole(np.ascontiguousarray(parts).view(np.complex128)[..., 0])

    @property
    def denominator(self) -> NDArray[np.float64]:
        """D, (K, side, side, side // 2 + 1)."""
        return self._whole(self.values[..., 2] / (self.scales.weight * 2.0**SHARES_BITS))

    @property
    def residual_change(self) -> NDArray[np.float64]:
        """(rings,) float64: sum of U |Y|^2 - 2 Re conj(Z) Y of each ring."""
        upper, lower, cross = self.residual.T.astype(np.float64)
        scales = self.scales
        return np.asarray(
            (upper * 2.0**HALF_BITS + lower) / (scales.weight * scales.map**2)
            - 2.0 * cross / (scales.image * scales.map)
        )

    def _whole(self, values: Half) -> Half:
        """Values (K, points) on the whole grid, and the plane x = 0, which got only points of x >= 0, completed."""
        side, classes = self.side, len(values)
        flat = np.zeros((classes, side * side * (side // 2 + 1)), values.dtype)
        flat[:, points_within(side, self.radius)] = values
        grid = flat.reshape(classes, side, side, -1)
        plane = grid[..., 0]
        grid[..., 0] += np.conj(np.roll(plane[:, ::-1, ::-1], 1, axis=(1, 2)))
        return grid


Half = TypeVar("Half", NDArray[np.complex128], NDArray[np.float64])


@lru_cache(maxsize=4)
def points_within(side: int, radius: float) -> NDArray[np.int64]:
    """Flat indices, ascending, of the points of a half spectrum (side, side, side // 2 + 1) within a radius of 0."""
    return np.flatnonzero(radius_grid(side) <= radius)
