"""Evening out the views: particles seen from where many are seen are drawn less often.

Where the views of a class lie f times as densely as even ones would, a particle is drawn with probability
min(1, 1 / f). A view and its opposite are one: both show the same section of the map's transform. Which particles are
drawn depends on where they were last seen from, not on how well they fit, and one that has not been seen yet is always
drawn. Early minibatches, which are of clear particles, are left alone. The maps of the last pass are made of all
particles alike: there every image only adds to what is known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coldstart.engine.sampling import Sampler
from coldstart.model.directions import ViewDensity, viewing_directions
from coldstart.model.state import PoseTable
from coldstart.model.symmetry import PointGroup


@dataclass(frozen=True, slots=True)
class ViewBalance:
    """From where every particle was last seen.

    Attributes
    ----------
    direction : (N, 3) float64
        Viewing direction in the frame of its class's map; zero where the particle has no pose yet.
    class_index : (N,) int64
        Its most probable class.
    passed_over : int
        How often a particle whose turn it was has not been drawn.
    """

    direction: NDArray[np.float64]
    class_index: NDArray[np.int64]
    passed_over: int = 0

    @classmethod
    def of(cls, count: int) -> ViewBalance:
        """Before any particle was seen."""
        return cls(np.zeros((count, 3)), np.zeros(count, np.int64))

    def seen(self, table: PoseTable) -> ViewBalance:
        """With the poses of a minibatch."""
        direction, class_index = self.direction.copy(), self.class_index.copy()
        direction[table.particle] = viewing_directions(table.euler_deg)
        class_index[table.particle] = table.class_index
        return replace(self, direction=direction, class_index=class_index)

    def minibatch(
        self, sampler: Sampler, visits: int, size: int, group: PointGroup
    ) -> tuple[NDArray[np.int64], int, ViewBalance]:
        """The particles of the next minibatch, (size,) int64, the visits that are over then, and the record of it."""
        rows, after = sampler.draw_some(visits, size, self.chances(group))
        return rows, after, replace(self, passed_over=self.passed_over + after - visits - size)

    def chances(self, group: PointGroup) -> NDArray[np.float64]:
        """How probable it is that a particle whose turn it is is drawn, (N,) float64 in (0, 1]."""
        out = np.ones(len(self.direction))
        known = self.direction.any(axis=1)
        for number in np.unique(self.class_index[known]):
            own = known & (self.class_index == number)
            mates = (self.direction[own] @ group.operators).reshape(-1, 3)
            out[own] = view_chances(self.direction[own], mates)
        return out


def view_chances(directions: NDArray[np.float64], mates: NDArray[np.float64]) -> NDArray[np.float64]:
    """How probable it is that a particle whose turn it is is drawn, (M,) float64 in (0, 1], of the views of one map.

    Parameters
    ----------
    directions : (M, 3) float64
        From where its particles are seen, at least one.
    mates : (G, 3) float64
        These, and those that the map's symmetry makes equivalent.
    """
    density = ViewDensity.of(mates).smoothed(len(mates))
    return np.asarray(1.0 / np.maximum(density.at(directions), 1.0))
