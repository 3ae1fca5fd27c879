"""From the hypotheses of a search to one pose an image, as particle tables hold them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from coldstart.engine.search import Hypotheses
from coldstart.model.pose_grid import ShiftGrid, rotation_grid
from coldstart.model.so3 import matrix_to_euler
from coldstart.model.state import PoseTable

NEIGHBOURHOOD_STEPS = 2.5
"""Hypotheses within this many angular steps of the best one are averaged with it; others are other poses."""


def pose_table(
    rows: NDArray[np.int64], found: Hypotheses, turn: NDArray[np.float64], shifts: ShiftGrid, box_angstrom: float
) -> PoseTable:
    """The posterior mean of each image's poses around its best one.

    A grid point is off by up to half a step; the mean over its significant neighbours is not.

    Parameters
    ----------
    rows : (B,) int64
        Particles, in the order of the minibatch.
    found : Hypotheses
        Every image has at least one.
    turn : (3, 3) float64
        Rotation of the grid during the search.
    shifts : ShiftGrid
        Grid of the search.
    box_angstrom : float
    """
    image = found.image
    first = np.searchsorted(image, np.arange(len(rows)))
    best = np.lexsort((found.rotation, -found.posterior, image))[first]
    grid = rotation_grid(found.level)
    matrices = grid.matrices(found.rotation, turn)
    away = Rotation.from_matrix(matrices @ np.swapaxes(matrices[best][image], 1, 2))  # from the best pose to each
    near = away.magnitude() <= np.deg2rad(NEIGHBOURHOOD_STEPS * grid.step_deg)
    weight = found.posterior * near
    mean_away = Rotation.from_rotvec(_mean_by_image(image, weight, away.as_rotvec()))
    mean_shift = _mean_by_image(image, weight, shifts.points(found.level)[found.shift])
    return PoseTable(
        particle=rows,
        euler_deg=matrix_to_euler(mean_away.as_matrix() @ matrices[best]),
        origin_angstrom=-mean_shift * box_angstrom,
        class_index=np.zeros(len(rows), np.int64),
        log_likelihood=found.log_evidence,
        ess=found.ess,
        max_posterior=found.posterior[best].astype(np.float64),
    )


def join_tables(tables: list[PoseTable]) -> PoseTable:
    """One table of several, in their order."""
    return PoseTable(*(np.concatenate([getattr(t, name) for t in tables]) for name in PoseTable.__dataclass_fields__))


def _mean_by_image(
    image: NDArray[np.int32], weight: NDArray[np.floating], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weighted means over each image's hypotheses, (B, columns) float64."""
    total = np.bincount(image, weight)
    return np.stack([np.bincount(image, weight * column) / total for column in values.T], axis=1)
