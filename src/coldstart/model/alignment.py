"""Placing one map onto another over all rotations, shifts and both hands, and how alike maps are once placed.

A coarse grid of rotations is scored at low resolution, with every shift at once by a Fourier transform; the best few
are then refined at rising resolution. The score is the correlation of the two transforms after every shell of either
was scaled to the same power: otherwise the lowest shells, in which all particles of a size are alike, outshout the
rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from coldstart.model.hand import flip_map, mirror_matrix
from coldstart.model.one_thread import one_blas_thread
from coldstart.model.rigid_fit import climb
from coldstart.model.sampled_spectrum import Ball, MapSpectrum, ball_of

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
# Radius in cycles a box, and how many placements go on from there.
Stage = tuple[int, int]

MIRROR_AXIS = 2
"""Maps are mirrored along z."""

_COARSE_RADIUS = 5
_COARSE_STEP_DEG = 15.0
# Side of the grid of shifts: the least even number that holds the frequencies up to the coarse radius.
_SHIFT_GRID = 2 * _COARSE_RADIUS + 2
_KEPT = 8
_CHUNK = 512


@dataclass(frozen=True, slots=True)
class Placement:
    """How the moving map lies on the fixed one: fixed(x) ~ moving(rotation.T @ (x - shift)).

    Attributes
    ----------
    rotation : (3, 3) float64
        On coordinates (x, y, z).
    shift_voxels : (3,) float64
        x, y, z.
    mirrored : bool
        True where the moving map was first mirrored along z.
    score : float
        Correlation of the transforms, every shell scaled to the same power; at most 1.
    """

    rotation: FloatArray
    shift_voxels: FloatArray
    mirrored: bool
    score: float


@one_blas_thread()
def align_maps(moving: NDArray[np.floating], fixed: NDArray[np.floating]) -> Placement:
    """The best placement of `moving` on `fixed`, either hand; both (n, n, n) [z, y, x] of the same voxel size."""
    box = fixed.shape[0]
    middle, finest = (max(_COARSE_RADIUS, min(most, box // part)) for most, part in ((10, 4), (16, 3)))
    stages = ((_COARSE_RADIUS, _KEPT), (middle, 2), (finest, 1))
    return _best_placement(_Moving(moving, finest, _COARSE_RADIUS), _targets(fixed, stages), stages)


_STILL = np.eye(3)[None]


def place_map(
    moving: NDArray[np.floating], placement: Placement, operators: NDArray[np.float64] = _STILL
) -> FloatArray:
    """A map in the frame of the one that it was aligned to, cut at the Nyquist radius.

    Parameters
    ----------
    moving : (n, n, n) float, [z, y, x]
    placement : Placement
    operators : (G, 3, 3) float64
        Rotations under which the placed map is averaged, such as those of a point group; by default it is left alone.

    Returns
    -------
    (n, n, n) float64
    """
    n = moving.shape[0]
    spectrum = MapSpectrum(flip_map(moving, MIRROR_AXIS) if placement.mirrored else moving, n // 2)
    points = _half_space(n)
    inside = np.linalg.norm(points, axis=1) < n // 2
    values = np.zeros(len(points), dtype=np.complex128)
    for operator in operators:
        values[inside] += spectrum.placed(
            points[inside], operator @ placement.rotation, operator @ placement.shift_voxels
        )
    values /= len(operators)
    placed = np.fft.irfftn(values.reshape(n, n, n // 2 + 1), s=(n, n, n), axes=(0, 1, 2))
    return np.asarray(np.fft.fftshift(placed))


@one_blas_thread()
def class_similarity_matrix(volumes: NDArray[np.floating], radius: float) -> FloatArray:
    """How alike maps are, each pair aligned in the better of both hands.

    Parameters
    ----------
    volumes : (K, n, n, n) float, [z, y, x]
        On one grid, n even.
    radius : float
        Finest detail compared, in cycles a box; no finer than the grid holds. The time grows with its cube.

    Returns
    -------
    (K, K) float64
        Score of the best placement (`Placement.score`), symmetric, 1 on the diagonal. 0 between a map in which there
        is nothing, a constant, and any other. Maps of unlike particles reach some 0.3 to 0.6.
    """
    similarity = np.eye(len(volumes))
    finest = max(1, min(int(radius), (volumes.shape[-1] - 1) // 2))
    coarse = min(_COARSE_RADIUS, finest)
    stages = ((coarse, _KEPT), (finest, 1))
    filled = [index for index, volume in enumerate(volumes) if np.ptp(volume) > 0.0]
    fixed = {index: _targets(volumes[index], stages) for index in filled[1:]}
    for place, i in enumerate(filled[:-1]):
        moving = _Moving(volumes[i], finest, coarse)
        for j in filled[place + 1 :]:
            similarity[i, j] = similarity[j, i] = _best_placement(moving, fixed[j], stages).score
    return similarity


class _Target:
    """The fixed map, or its mirror image, at the frequencies of a ball, flattened, to score placements against."""

    def __init__(self, fixed: MapSpectrum, radius: int, mirrored: bool) -> None:
        self.ball = ball_of(radius)
        self.mirrored = mirrored
        points = self.ball.points @ mirror_matrix(MIRROR_AXIS) if mirrored else self.ball.points
        self.values = self.ball.flatten(fixed(points))

    def scores(self, moving: MapSpectrum, rotations: FloatArray, shifts_voxels: FloatArray) -> FloatArray:
        """Of placements (S, 3, 3), (S, 3)."""
        values = self.ball.flatten(moving.placed(self.ball.points, rotations, shifts_voxels))
        return np.asarray(np.mean((values.conj() * self.values).real, axis=-1))


class _Moving:
    """The moving map, and its flattened coefficients (R, M) complex64 under every rotation of the coarse grid."""

    def __init__(self, volume: NDArray[np.floating], finest_radius: int, coarse_radius: int) -> None:
        self.spectrum = MapSpectrum(volume, finest_radius, quick=True)
        ball, rotations = ball_of(coarse_radius), _rotation_grid(_COARSE_STEP_DEG)
        self.coarse = np.concatenate(
            [self._turned(ball, rotations[start : start + _CHUNK]) for start in range(0, len(rotations), _CHUNK)]
        )

    def _turned(self, ball: Ball, rotations: FloatArray) -> NDArray[np.complex64]:
        return ball.flatten(self.spectrum(ball.points @ rotations)).astype(np.complex64)


def _targets(fixed: NDArray[np.floating], stages: Sequence[Stage]) -> tuple[Sequence[_Target], Sequence[_Target]]:
    """The fixed map at each stage, of either hand: it is mirrored, so that the coarse grid serves both."""
    spectrum = MapSpectrum(fixed, stages[-1][0], quick=True)
    as_is, mirrored = ([_Target(spectrum, radius, hand) for radius, _ in stages] for hand in (False, True))
    return as_is, mirrored


def _best_placement(
    moving: _Moving, fixed: tuple[Sequence[_Target], Sequence[_Target]], stages: Sequence[Stage]
) -> Placement:
    """The best placement of either hand, refined in stages."""
    hands = (_place_hand(moving, targets, stages) for targets in fixed)
    return max(hands, key=lambda placement: placement.score)


def _place_hand(moving: _Moving, targets: Sequence[_Target], stages: Sequence[Stage]) -> Placement:
    found = _coarse_search(moving, targets[0])
    for target, (_, kept) in zip(targets, stages, strict=True):
        refined = [_refine(moving.spectrum, target, start) for start in found[:kept]]
        found = sorted(refined, key=lambda placement: -placement.score)
    return _mirrored_back(found[0]) if found[0].mirrored else found[0]


def _mirrored_back(found: Placement) -> Placement:
    """A placement on the mirrored fixed map, as that of the mirrored moving map on the fixed one."""
    mirror = mirror_matrix(MIRROR_AXIS)
    return Placement(mirror @ found.rotation @ mirror, mirror @ found.shift_voxels, True, found.score)


def _coarse_search(moving: _Moving, target: _Target) -> list[Placement]:
    """The `_KEPT` best placements of the grid, best first, each from another rotation."""
    chunks = range(0, len(moving.coarse), _CHUNK)
    best = [_best_shifts(moving.coarse[start : start + _CHUNK], target) for start in chunks]
    scores, shifts = (np.concatenate(parts) for parts in zip(*best, strict=True))
    rotations = _rotation_grid(_COARSE_STEP_DEG)
    voxels = shifts * (moving.spectrum.box / _SHIFT_GRID)
    first = np.argsort(-scores)[:_KEPT]
    return [Placement(rotations[at], voxels[at], target.mirrored, float(scores[at])) for at in first]


def _best_shifts(turned: NDArray[np.complex64], target: _Target) -> tuple[NDArray[np.float32], FloatArray]:
    """Highest correlation of each rotation (R,) over the grid of shifts, and that shift in its steps (R, 3)."""
    n = _SHIFT_GRID
    cube = np.zeros((len(turned), n, n, n), dtype=np.complex64)
    x, y, z = target.ball.points.astype(np.int64).T % n
    cube[:, z, y, x] = target.values.astype(np.complex64) * turned.conj()
    correlation = scipy.fft.ifftn(cube, axes=(1, 2, 3), norm="forward").real.reshape(len(turned), -1)
    at = np.stack(np.unravel_index(correlation.argmax(axis=1), (n, n, n))[::-1], axis=1)
    return correlation.max(axis=1) / len(target.values), ((at + n // 2) % n - n // 2).astype(np.float64)


def _refine(moving: MapSpectrum, target: _Target, start: Placement) -> Placement:
    """The nearest local best of a placement."""
    rotation, shift, score = climb(partial(target.scores, moving), start.rotation, start.shift_voxels)
    return Placement(rotation, shift, start.mirrored, score)


@lru_cache(maxsize=4)
def _rotation_grid(step_deg: float) -> FloatArray:
    """Rotations (R, 3, 3) about `step_deg` apart."""
    tilts = int(np.ceil(180.0 / step_deg))
    angles = []
    for tilt in (np.arange(tilts) + 0.5) * 180.0 / tilts:
        rots = max(1, round(2 * tilts * np.sin(np.deg2rad(tilt))))
        rot, psi = np.meshgrid(np.arange(rots) * 360.0 / rots, np.arange(2 * tilts) * 180.0 / tilts, indexing="ij")
        angles.append(np.stack([rot.ravel(), np.full(rot.size, tilt), psi.ravel()], axis=1))
    return np.asarray(Rotation.from_euler("ZYZ", np.concatenate(angles), degrees=True).as_matrix())


def _half_space(n: int) -> FloatArray:
    """kx, ky, kz of every coefficient of `rfftn`, in its order: (n * n * (n // 2 + 1), 3)."""
    full, half = np.fft.fftfreq(n, 1.0 / n), np.fft.rfftfreq(n, 1.0 / n)
    z, y, x = np.meshgrid(full, full, half, indexing="ij")
    return np.stack([x.ravel(), y.ravel(), z.ravel()], axis=1)
