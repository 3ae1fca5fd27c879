"""Which point group a map shows, and where its axes lie.

The map is read on circles about many axes, which gives its correlation with itself for every fold of each
(`axial_power`). The best axes are refined together with the centre. Groups that need more than one axis are put on the
best axis of their highest fold and turned about it. A group is as good as the worst of its operators: a map of D7 has
no C14, though half of the turns of C14 are its own. The largest group that holds is the one to name.

Shells are scaled to the same power and rid of their spherical average, which is the same under all rotations. So a map
correlates with itself by about 0 under rotations that are none of its group.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from coldstart.model.axial_power import axial_power, axis_grid
from coldstart.model.one_thread import one_blas_thread
from coldstart.model.rigid_fit import climb
from coldstart.model.sampled_spectrum import MapSpectrum, ball_of
from coldstart.model.shape import centre_of_mass, diameter_voxels
from coldstart.model.so3 import frames_about
from coldstart.model.symmetry import PointGroup, point_group
from coldstart.model.symmetry_report import SymmetryCandidate, SymmetryReport

FloatArray = NDArray[np.float64]

HIGHEST_FOLD = 24

_POLYHEDRAL = ("T", "O", "I")
_FINEST_RADIUS = 16
_COARSE_RADIUS = 8
_NSIDE = 12  # directions 4.9 degrees apart
# Correlation from which an axis of the grid is refined, and from which other groups are put on an axis.
_PROMISING = 0.25
# Axes of the grid so close together are refined once.
_SAME_AXIS_DEG = 6.0
# Operators that are tried while an axis is sought; the outcome is scored with all.
_FEW = 4
_SPIN_DEG = 3.0


@one_blas_thread()
def detect_symmetry(volume: NDArray[np.floating], radius: float) -> SymmetryReport:
    """Try C2 to C24, D2 to D24, T, O and I on a map.

    Parameters
    ----------
    volume : (n, n, n) float, [z, y, x]
        Its particle is in the box as a whole, not necessarily in the middle.
    radius : float
        Finest detail to go by, in cycles a box: no finer than what is known to be signal. At most 16 are used.

    Returns
    -------
    SymmetryReport
        Without candidates where there is nothing in the map, or too little detail to tell anything.
    """
    finest = _finest(volume, radius)
    detail = finest * diameter_voxels(volume) / volume.shape[0]
    report = SymmetryReport((), detail)
    if finest < 1 or np.ptp(volume) == 0.0 or not report.is_conclusive:
        return report
    search = _Search.of(volume, finest)
    names = (*(f"D{fold}" for fold in range(2, HIGHEST_FOLD + 1)), *_POLYHEDRAL)
    cyclic = [search.cyclic(fold) for fold in range(2, HIGHEST_FOLD + 1)]
    found = [*cyclic, *(candidate for candidate in map(search.other, names) if candidate is not None)]
    best = min(found, key=_rank)
    if best.holds:
        found[found.index(best)] = search.refined(best, finest)
    return SymmetryReport(tuple(sorted(found, key=_rank)), detail)


@one_blas_thread()
def find_group(volume: NDArray[np.floating], group: PointGroup, radius: float) -> SymmetryCandidate | None:
    """How a map lies on the axes of one point group; None where it shows no axis of the group's highest fold.

    Parameters
    ----------
    volume : (n, n, n) float, [z, y, x]
    group : PointGroup
        Not C1.
    radius : float
        As in `detect_symmetry`.
    """
    finest = _finest(volume, radius)
    if finest < 1 or np.ptp(volume) == 0.0:
        return None
    search = _Search.of(volume, finest)
    found = search.cyclic(group.order) if group.name.startswith("C") else search.other(group.name)
    return None if found is None else search.refined(found, finest)


@lru_cache
def highest_axis(group: PointGroup) -> tuple[FloatArray, int]:
    """Direction (3,) of an axis of a group's highest fold, in the group's frame, and that fold; not of C1."""
    turns = Rotation.from_matrix(group.operators[1:]).as_rotvec()
    angles = np.linalg.norm(turns, axis=1)
    least = int(angles.argmin())
    return np.asarray(turns[least] / angles[least]), round(2.0 * np.pi / float(angles[least]))


def _finest(volume: NDArray[np.floating], radius: float) -> int:
    return int(min(radius, _FINEST_RADIUS, volume.shape[0] // 2 - 1))


def _rank(candidate: SymmetryCandidate) -> tuple[int, float]:
    """Sorts the groups that hold before the others, by their order, and all by their correlation."""
    return -point_group(candidate.group).order if candidate.holds else 0, -candidate.correlation


class _Search:
    """The search for the groups of one map."""

    def __init__(self, spectrum: MapSpectrum, finest: int, centre_voxels: FloatArray) -> None:
        self._spectrum = spectrum
        self._finest = finest
        self._coarse = min(_COARSE_RADIUS, finest)
        self._centre = centre_voxels
        self._power = axial_power(spectrum, axis_grid(_NSIDE), self._coarse, centre_voxels)
        self._cyclic: dict[int, SymmetryCandidate] = {}
        self._refined: list[SymmetryCandidate] = []

    @classmethod
    def of(cls, volume: NDArray[np.floating], finest: int) -> "_Search":
        """Of a map, about its centre of mass to begin with."""
        return cls(MapSpectrum(volume, finest, quick=True), finest, centre_of_mass(volume))

    def cyclic(self, fold: int) -> SymmetryCandidate:
        """Cn on the axis that suits it best, refined where it is worth while."""
        if fold not in self._cyclic:
            self._cyclic[fold] = self._on_best_axis(fold)
        return self._cyclic[fold]

    def other(self, name: str) -> SymmetryCandidate | None:
        """A group on the axis of its highest fold, turned about it to the best; None where there is no such axis."""
        group = point_group(name)
        direction, fold = highest_axis(group)
        base = self.cyclic(fold)
        if min(base.correlation, base.around) < _PROMISING:
            return None
        (upright,) = frames_about(direction)
        angles = np.arange(0.0, 2.0 * np.pi / fold, np.deg2rad(_SPIN_DEG))
        spins = upright.T @ Rotation.from_euler("z", angles[:, None]).as_matrix() @ base.rotation
        shifts = spins @ base.rotation.T @ base.shift_voxels
        best = int(self._correlations(spins, shifts, _few(group), self._coarse).mean(axis=1).argmax())
        return self.refined(self._candidate(name, spins[best], shifts[best]), self._coarse)

    def refined(self, start: SymmetryCandidate, radius: int) -> SymmetryCandidate:
        """The nearest local best of rotation and shift."""
        group = point_group(start.group)
        operators = _few(group)

        def scores(rotations: FloatArray, shifts_voxels: FloatArray) -> FloatArray:
            return np.asarray(self._correlations(rotations, shifts_voxels, operators, radius).mean(axis=1))

        # Along a lone axis there is no centre to find.
        free = np.eye(3) - group.invariant_projector
        rotation, shift, _ = climb(scores, start.rotation, start.shift_voxels, free)
        return self._candidate(start.group, rotation, shift)

    def _on_best_axis(self, fold: int) -> SymmetryCandidate:
        name, own = f"C{fold}", self._power.turned(fold)
        best = int(own.argmax())
        axis = self._power.directions[best]
        if own[best] < _PROMISING:
            (rotation,) = frames_about(axis)
            around = float(self._power.turned(fold, uneven=True)[best])
            return SymmetryCandidate(name, float(own[best]), around, axis, rotation, -rotation @ self._centre)
        for known in self._refined:
            if abs(known.axis @ axis) > np.cos(np.deg2rad(_SAME_AXIS_DEG)):
                return self._candidate(name, known.rotation, known.shift_voxels)
        (rotation,) = frames_about(axis)
        start = SymmetryCandidate(name, 0.0, 0.0, axis, rotation, -rotation @ self._centre)
        self._refined.append(self.refined(start, self._coarse))
        return self._refined[-1]

    def _candidate(self, name: str, rotation: FloatArray, shift_voxels: FloatArray) -> SymmetryCandidate:
        group = point_group(name)
        direction, fold = highest_axis(group)
        axis = rotation.T @ direction
        about = axial_power(self._spectrum, axis[None], self._finest, -rotation.T @ shift_voxels)
        (each,) = self._correlations(rotation[None], shift_voxels[None], group.operators[1:], self._finest)
        return SymmetryCandidate(
            group=name,
            correlation=float(each.min()),
            around=float(about.turned(fold, uneven=True)[0]),
            axis=axis,
            rotation=rotation,
            shift_voxels=shift_voxels,
        )

    def _correlations(
        self, rotations: FloatArray, shifts_voxels: FloatArray, operators: FloatArray, radius: int
    ) -> FloatArray:
        """Correlations of the map, placed by (S, 3, 3) and (S, 3), with itself under each operator, (S, G) float64."""
        ball = ball_of(radius)
        own = ball.uneven(self._spectrum.placed(ball.points, rotations, shifts_voxels))
        points = (ball.points @ operators).reshape(-1, 3)
        others = self._spectrum.placed(points, rotations, shifts_voxels).reshape(len(rotations), len(operators), -1)
        return np.asarray(np.mean((ball.uneven(others).conj() * own[:, None]).real, axis=2))


def _few(group: PointGroup) -> FloatArray:
    """Some of a group's operators, without the identity."""
    return group.operators[1 :: -(-(group.order - 1) // _FEW)]
