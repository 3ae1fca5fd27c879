"""Finding the axes of a symmetric map: how it has to be turned and moved to stand in the frame of its point group.

A map in that frame is the same under every operator g. Rotations are tried on a grid, each modulo the group, at low
resolution; the best few are refined together with the shift. The score is the correlation of the transform with
itself under the operators, every shell scaled to the same power.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from coldstart.model.alignment import Placement
from coldstart.model.pose_grid import rotation_grid
from coldstart.model.sampled_spectrum import MapSpectrum, ball_of
from coldstart.model.symmetry import PointGroup

# Groups of so many operators have narrow cells and fine features: a finer grid, and finer detail to score it on.
_HIGH_ORDER = 12
# Operators that are tried; the outcome is scored with all.
_FEW = 6
_KEPT = 4


def find_axes(volume: NDArray[np.floating], group: PointGroup, radius: float) -> Placement:
    """The placement of a map, (n, n, n) [z, y, x], in the frame of a point group.

    Parameters
    ----------
    volume : (n, n, n) float
    group : PointGroup
    radius : float
        Finest detail compared, in cycles a box; no finer than the grid holds.

    Returns
    -------
    Placement
        Never mirrored. Its score is 1 for a map of that symmetry, and near 0 for one that has none of it.
    """
    finest = max(1, min(int(radius), (volume.shape[0] - 1) // 2))
    spectrum = MapSpectrum(volume, finest)
    coarse = min(6 if group.order >= _HIGH_ORDER else 4, finest)
    few = group.operators[1 :: -(-(group.order - 1) // _FEW)]
    starts = _rotations_modulo(group)
    scores = [_score(spectrum, coarse, few, rotation, np.zeros(3)) for rotation in starts]
    best = np.argsort(scores)[::-1][:_KEPT]
    refined = [_refine(spectrum, finest, few, starts[at]) for at in best]
    placed = max(refined, key=lambda placement: placement.score)
    own = _score(spectrum, finest, group.operators[1:], placed.rotation, placed.shift_voxels)
    return replace(placed, score=own)


def _rotations_modulo(group: PointGroup) -> NDArray[np.float64]:
    """Rotations (R, 3, 3) of the grid, one for each set of those that the group makes equivalent."""
    cyclic = group.name.startswith("C")  # a turn about z changes nothing: directions are few enough to be fine
    grid = rotation_grid(1 if cyclic or group.order >= _HIGH_ORDER else 0)
    step = grid.in_plane if cyclic else 1
    cells = np.arange(0, len(grid), step, dtype=np.int32)
    rotations = grid.matrices(cells, np.eye(3))
    traces = np.einsum("gij,rji->gr", group.operators, rotations)
    return np.asarray(rotations[traces[0] >= traces.max(axis=0) - 1e-9]) if step == 1 else rotations


def _score(
    spectrum: MapSpectrum, radius: int, operators: NDArray[np.float64], rotation: NDArray[np.float64],
    shift_voxels: NDArray[np.float64],
) -> float:  # fmt: skip
    """Mean correlation of a placed map with itself under the operators."""
    ball = ball_of(radius)
    own = ball.flatten(spectrum.placed(ball.points, rotation, shift_voxels))
    turned = (ball.points @ operators).reshape(-1, 3)
    others = ball.flatten(spectrum.placed(turned, rotation, shift_voxels).reshape(len(operators), -1))
    return float(np.mean((others.conj() * own).real))


def _refine(
    spectrum: MapSpectrum, radius: int, operators: NDArray[np.float64], start: NDArray[np.float64]
) -> Placement:
    """The nearest local best of a rotation, with the shift."""

    def moved(step: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        # One unit of the step is about as much change for an angle as it is for a shift.
        return Rotation.from_rotvec(0.1 * step[:3]).as_matrix() @ start, step[3:]

    def cost(step: NDArray[np.float64]) -> float:
        return -_score(spectrum, radius, operators, *moved(step))

    best = minimize(cost, np.zeros(6), method="L-BFGS-B", options={"eps": 1e-4, "ftol": 1e-5})
    return Placement(*moved(best.x), False, -float(best.fun))
