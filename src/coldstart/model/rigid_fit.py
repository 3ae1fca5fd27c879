"""Climbing from a rotation and a shift to the nearest best ones."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

FloatArray = NDArray[np.float64]

Scores = Callable[[FloatArray, FloatArray], FloatArray]
"""Of rotations (S, 3, 3) and shifts (S, 3), as many scores (S,)."""

# One unit of a step is about as much change for an angle as it is for a shift.
_RADIANS, _VOXELS = 0.1, 1.0
_DIFFERENCE = 1e-3
_STEPS = _DIFFERENCE * np.vstack([np.zeros(6), np.eye(6)])
_ANYWHERE = np.eye(3)
_TOLERANCE = 1e-5


def climb(
    scores: Scores, rotation: FloatArray, shift_voxels: FloatArray, free: FloatArray = _ANYWHERE
) -> tuple[FloatArray, FloatArray, float]:
    """The nearest best of a score, by L-BFGS with differences for the gradient.

    Parameters
    ----------
    scores : callable
        Asked for a pose and its neighbours at once.
    rotation : (3, 3) float64
    shift_voxels : (3,) float64
    free : (3, 3) float64
        Projector onto the directions along which the shift may change.

    Returns
    -------
    rotation : (3, 3) float64
    shift_voxels : (3,) float64
    score : float
    """

    def moved(steps: FloatArray) -> tuple[FloatArray, FloatArray]:
        turns = Rotation.from_rotvec(_RADIANS * steps[:, :3]).as_matrix()
        return turns @ rotation, shift_voxels + _VOXELS * steps[:, 3:] @ free

    def cost(step: FloatArray) -> tuple[float, FloatArray]:
        own, *others = -scores(*moved(step + _STEPS))
        return float(own), (np.array(others) - own) / _DIFFERENCE

    best = minimize(cost, np.zeros(6), jac=True, method="L-BFGS-B", options={"ftol": _TOLERANCE})
    rotations, shifts = moved(best.x[None])
    return rotations[0], shifts[0], -float(best.fun)
