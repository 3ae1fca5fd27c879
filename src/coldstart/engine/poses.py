"""From the hypotheses of a search to one pose an image, as particle tables hold them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from coldstart.engine.expectation import Hypotheses
from coldstart.model.pose_grid import ShiftGrid, rotation_grid
from coldstart.model.so3 import matrix_to_euler
from coldstart.model.state import PoseTable

NEIGHBOURHOOD_STEPS = 2.5
"""Hypotheses within this many angular steps of the best one are averaged with it; others are other poses."""


def pose_table(
    rows: NDArray[np.int64],
    found: Hypotheses,
    turn: NDArray[np.float64],
    shifts: ShiftGrid,
    box_angstrom: float,
    *,
    used: bool = True,
) -> PoseTable:
    """The posterior mean of each image's poses around the best one of its most probable class.

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
    used : bool
        Whether the run drew these particles.
    """
    image, grid = found.image, rotation_grid(found.level)
    first = np.searchsorted(image, np.arange(len(rows)))
    of_class, cell = np.divmod(found.rotation, np.int32(len(grid)))
    own = of_class == _class_with_poses(found, of_class)[image]
    best = np.lexsort((found.rotation, -found.within, ~own, image))[first]
    matrices = grid.matrices(cell, turn)
    away = Rotation.from_matrix(matrices @ np.swapaxes(matrices[best][image], 1, 2))  # from the best pose to each
    near = own & (away.magnitude() <= np.deg2rad(NEIGHBOURHOOD_STEPS * grid.step_deg))
    weight = found.within * near
    mean_away = Rotation.from_rotvec(_mean_by_image(image, weight, away.as_rotvec()))
    mean_shift = _mean_by_image(image, weight, shifts.points(found.level)[found.shift])
    return PoseTable(
        particle=rows,
        euler_deg=matrix_to_euler(mean_away.as_matrix() @ matrices[best]),
        origin_angstrom=-mean_shift * box_angstrom,
        class_posterior=found.class_posterior,
        log_likelihood=found.log_evidence,
        ess=found.ess,
        max_posterior=found.posterior[best].astype(np.float64),
        used=np.full(len(rows), used),
    )


def _class_with_poses(found: Hypotheses, of_class: NDArray[np.int32]) -> NDArray[np.int64]:
    """(B,) int64: the most probable class of each image of which a pose is left; noise alone has none."""
    has_poses = np.zeros(found.class_posterior.shape, np.bool_)
    has_poses[found.image, of_class] = True
    return np.asarray(np.where(has_poses, found.class_posterior, -1.0).argmax(axis=1))


def join_tables(tables: list[PoseTable]) -> PoseTable:
    """One table of several, by particle."""
    joined = PoseTable(*(np.concatenate([getattr(t, name) for t in tables]) for name in PoseTable.__dataclass_fields__))
    return joined.rows(np.argsort(joined.particle))


def _mean_by_image(
    image: NDArray[np.int64], weight: NDArray[np.floating], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weighted means over each image's hypotheses, (B, columns) float64."""
    total = np.bincount(image, weight)
    return np.stack([np.bincount(image, weight * column) / total for column in values.T], axis=1)
