"""Finding the axes of a symmetric map: how it has to be turned and moved to stand in the frame of its point group.

A map in that frame is the same under every operator g. Rotations are tried on a grid, each modulo the group, at low
resolution; the best few are refined together with the shift. The score is the correlation of the transform with
itself under the operators, every shell scaled to the same power.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from coldstart.model.alignment import Placement
from coldstart.model.one_thread import one_blas_thread
from coldstart.model.pose_grid import rotation_grid
from coldstart.model.rigid_fit import climb
from coldstart.model.sampled_spectrum import MapSpectrum, ball_of
from coldstart.model.symmetry import PointGroup

# Groups of so many operators have narrow cells and fine features: a finer grid, and finer detail to score it on.
_HIGH_ORDER = 12
# Operators that are tried; the outcome is scored with all.
_FEW = 6
_KEPT = 4
_CHUNK = 64


@one_blas_thread()
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
    spectrum = MapSpectrum(volume, finest, quick=True)
    coarse = min(6 if group.order >= _HIGH_ORDER else 4, finest)
    few = group.operators[1 :: -(-(group.order - 1) // _FEW)]
    starts = _rotations_modulo(group)
    best = np.argsort(-_coarse_scores(spectrum, coarse, few, starts))[:_KEPT]
    refined = [climb(partial(_scores, spectrum, finest, few), starts[at], np.zeros(3)) for at in best]
    rotation, shift, _ = max(refined, key=lambda found: found[2])
    (score,) = _scores(spectrum, finest, group.operators[1:], rotation[None], shift[None])
    return Placement(rotation, shift, False, float(score))


def _rotations_modulo(group: PointGroup) -> NDArray[np.float64]:
    """Rotations (R, 3, 3) of the grid, one for each set of those that the group makes equivalent."""
    cyclic = group.name.startswith("C")  # a turn about z changes nothing: directions are few enough to be fine
    grid = rotation_grid(1 if cyclic or group.order >= _HIGH_ORDER else 0)
    step = grid.in_plane if cyclic else 1
    cells = np.arange(0, len(grid), step, dtype=np.int32)
    rotations = grid.matrices(cells, np.eye(3))
    traces = np.einsum("gij,rji->gr", group.operators, rotations)
    return np.asarray(rotations[traces[0] >= traces.max(axis=0) - 1e-9]) if step == 1 else rotations


def _coarse_scores(
    spectrum: MapSpectrum, radius: int, operators: NDArray[np.float64], rotations: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Of rotations (R, 3, 3) about the middle of the box."""
    parts = np.array_split(rotations, -(-len(rotations) // _CHUNK))
    return np.concatenate([_scores(spectrum, radius, operators, part, np.zeros((len(part), 3))) for part in parts])


def _scores(
    spectrum: MapSpectrum, radius: int, operators: NDArray[np.float64], rotations: NDArray[np.float64],
    shifts_voxels: NDArray[np.float64],
) -> NDArray[np.float64]:  # fmt: skip
    """Mean correlation of the map with itself under the operators, placed by (S, 3, 3) and (S, 3): (S,) float64."""
    ball = ball_of(radius)
    own = ball.flatten(spectrum.placed(ball.points, rotations, shifts_voxels))
    turned = (ball.points @ operators).reshape(-1, 3)
    others = spectrum.placed(turned, rotations, shifts_voxels).reshape(len(rotations), len(operators), -1)
    return np.asarray(np.mean((ball.flatten(others).conj() * own[:, None]).real, axis=(1, 2)))
