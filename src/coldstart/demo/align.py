"""Placing one map onto another: over all rotations, shifts and both hands.

A coarse grid of rotations is scored at low resolution, with every shift at once by a Fourier transform; the best few
are then refined at rising resolution. Every shell counts alike, so that the low ones do not outshout the rest.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, spline_filter
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_COARSE_RADIUS = 5
_COARSE_STEP_DEG = 15.0
# Side of the grid of shifts: the least even number that holds the frequencies up to the coarse radius.
_SHIFT_GRID = 2 * _COARSE_RADIUS + 2
_KEPT = 8
_CHUNK = 512
_PADDING = 2


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
        Mean correlation over the shells compared, at most 1.
    """

    rotation: FloatArray
    shift_voxels: FloatArray
    mirrored: bool
    score: float


def align_maps(moving: NDArray[np.floating], fixed: NDArray[np.floating]) -> Placement:
    """The best placement of `moving` on `fixed`, either hand; both (n, n, n) [z, y, x] of the same voxel size."""
    hands = (_align_hand(mirror_map(moving) if mirrored else moving, fixed, mirrored) for mirrored in (False, True))
    return max(hands, key=lambda placement: placement.score)


def mirror_map(volume: NDArray[np.floating]) -> NDArray[np.floating]:
    """The other hand: the map (n, n, n) mirrored along z through its centre voxel n // 2."""
    return np.roll(volume[::-1], 1 - volume.shape[0] % 2, axis=0)


def place_map(moving: NDArray[np.floating], placement: Placement) -> FloatArray:
    """`moving`, (n, n, n) [z, y, x], in the frame of the map that it was aligned to; cut at the Nyquist radius."""
    n = moving.shape[0]
    spectrum = _Spectrum(mirror_map(moving) if placement.mirrored else moving, n // 2)
    points = _half_space(n)
    inside = np.linalg.norm(points, axis=1) < n // 2
    values = np.zeros(len(points), dtype=np.complex128)
    values[inside] = spectrum.placed(points[inside], placement.rotation, placement.shift_voxels)
    placed = np.fft.irfftn(values.reshape(n, n, n // 2 + 1), s=(n, n, n), axes=(0, 1, 2))
    return np.asarray(np.fft.fftshift(placed))


class _Spectrum:
    """Fourier transform of a map at any frequency up to a radius, by cubic splines in a padded transform."""

    def __init__(self, volume: NDArray[np.floating], radius: int) -> None:
        self.box = volume.shape[0]
        reach = _PADDING * radius + 4
        padded = np.pad(volume, _padding_around_centre(self.box))
        centred = np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(padded)))
        middle = centred.shape[0] // 2
        window = slice(max(middle - reach, 0), middle + reach + 1)
        self._origin = middle - window.start
        core = centred[window, window, window]
        self._parts = spline_filter(core.real, order=3), spline_filter(core.imag, order=3)

    def __call__(self, points: FloatArray) -> ComplexArray:
        """Values at (M, 3) frequencies kx, ky, kz in cycles a box."""
        at = (points[:, ::-1] * _PADDING + self._origin).T
        real, imaginary = (map_coordinates(part, at, order=3, prefilter=False, mode="nearest") for part in self._parts)
        return np.asarray(real + 1j * imaginary)

    def placed(self, points: FloatArray, rotation: FloatArray, shift_voxels: FloatArray) -> ComplexArray:
        """Values at (M, 3) frequencies of the map after it was rotated and then shifted."""
        phase = (-2.0 * np.pi / self.box) * (points @ shift_voxels)
        return np.asarray(self(points @ rotation) * np.exp(1j * phase))


class _Target:
    """The fixed map at the frequencies of a ball, flattened, to score placements against."""

    def __init__(self, fixed: _Spectrum, radius: int) -> None:
        self.points = _half_ball(radius)
        self._shell = np.rint(np.linalg.norm(self.points, axis=1)).astype(np.int64)
        self._members = np.bincount(self._shell)
        self.values = self.flatten(fixed(self.points))

    def flatten(self, values: ComplexArray) -> ComplexArray:
        """Values (M,) divided by the root mean square of their shell."""
        power = np.bincount(self._shell, weights=np.abs(values) ** 2)
        rms = np.sqrt(power / np.maximum(self._members, 1))
        return np.asarray(values / np.maximum(rms[self._shell], 1e-30))

    def score(self, moving: _Spectrum, rotation: FloatArray, shift_voxels: FloatArray) -> float:
        values = self.flatten(moving.placed(self.points, rotation, shift_voxels))
        return float(np.mean((values.conj() * self.values).real))


def _align_hand(moving: NDArray[np.floating], fixed: NDArray[np.floating], mirrored: bool) -> Placement:
    """The best placement of a map of given hand."""
    box = fixed.shape[0]
    radii = (_COARSE_RADIUS, max(_COARSE_RADIUS, min(10, box // 4)), max(_COARSE_RADIUS, min(16, box // 3)))
    moving_ft, fixed_ft = _Spectrum(moving, max(radii)), _Spectrum(fixed, max(radii))
    found = _coarse_search(moving_ft, _Target(fixed_ft, _COARSE_RADIUS), mirrored)
    for radius, kept in zip(radii, (_KEPT, 2, 1), strict=True):
        target = _Target(fixed_ft, radius)
        refined = [_refine(moving_ft, target, start) for start in found[:kept]]
        found = sorted(refined, key=lambda placement: -placement.score)
    return found[0]


def _coarse_search(moving: _Spectrum, target: _Target, mirrored: bool) -> list[Placement]:
    """The `_KEPT` best placements of the grid, best first, each from another rotation."""
    rotations = _rotation_grid(_COARSE_STEP_DEG)
    found: list[Placement] = []
    for start in range(0, len(rotations), _CHUNK):
        scores, shifts = _best_shifts(moving, target, rotations[start : start + _CHUNK])
        found += [
            Placement(rotations[start + best], shifts[best], mirrored, float(scores[best]))
            for best in np.argsort(scores)[-_KEPT:]
        ]
    return sorted(found, key=lambda placement: -placement.score)[:_KEPT]


def _best_shifts(moving: _Spectrum, target: _Target, rotations: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Highest correlation of each rotation (R,) over the grid of shifts, and that shift in voxels (R, 3)."""
    n, points = _SHIFT_GRID, target.points
    # All rotations of the chunk in one call: (R, M, 3) frequencies.
    rotated = points @ rotations
    values = moving(rotated.reshape(-1, 3)).reshape(len(rotations), -1)
    products = target.values * np.conj([target.flatten(row) for row in values])
    cube = np.zeros((len(rotations), n, n, n), dtype=np.complex128)
    x, y, z = points.astype(np.int64).T % n
    cube[:, z, y, x] = products
    correlation = np.fft.ifftn(cube, axes=(1, 2, 3)).real.reshape(len(rotations), -1)
    peak = correlation.argmax(axis=1)
    at = np.stack(np.unravel_index(peak, (n, n, n))[::-1], axis=1)
    voxels = ((at + n // 2) % n - n // 2) * (moving.box / n)
    return correlation.max(axis=1) * n**3 / len(points), voxels


def _refine(moving: _Spectrum, target: _Target, start: Placement) -> Placement:
    """The nearest local best of a placement."""

    def moved(step: FloatArray) -> tuple[FloatArray, FloatArray]:
        # One unit of the step is about as much change for an angle as it is for a shift.
        return Rotation.from_rotvec(0.1 * step[:3]).as_matrix() @ start.rotation, start.shift_voxels + step[3:]

    def cost(step: FloatArray) -> float:
        return -target.score(moving, *moved(step))

    best = minimize(cost, np.zeros(6), method="Powell", options={"maxfev": 250, "xtol": 1e-3, "ftol": 1e-5})
    return Placement(*moved(best.x), start.mirrored, -float(best.fun))


def _rotation_grid(step_deg: float) -> FloatArray:
    """Rotations (R, 3, 3) about `step_deg` apart."""
    tilts = int(np.ceil(180.0 / step_deg))
    angles = []
    for tilt in (np.arange(tilts) + 0.5) * 180.0 / tilts:
        rots = max(1, round(2 * tilts * np.sin(np.deg2rad(tilt))))
        rot, psi = np.meshgrid(np.arange(rots) * 360.0 / rots, np.arange(2 * tilts) * 180.0 / tilts, indexing="ij")
        angles.append(np.stack([rot.ravel(), np.full(rot.size, tilt), psi.ravel()], axis=1))
    return np.asarray(Rotation.from_euler("ZYZ", np.concatenate(angles), degrees=True).as_matrix())


def _half_ball(radius: int) -> FloatArray:
    """Frequencies (M, 3) kx, ky, kz up to a radius, one of each pair k and -k, without the origin."""
    axis = np.arange(-radius, radius + 1)
    z, y, x = (part.ravel() for part in np.meshgrid(axis, axis, axis, indexing="ij"))
    upper = (z > 0) | ((z == 0) & (y > 0)) | ((z == 0) & (y == 0) & (x > 0))
    keep = upper & (x**2 + y**2 + z**2 <= radius**2)
    return np.stack([x[keep], y[keep], z[keep]], axis=1).astype(np.float64)


def _half_space(n: int) -> FloatArray:
    """kx, ky, kz of every coefficient of `rfftn`, in its order: (n * n * (n // 2 + 1), 3)."""
    full, half = np.fft.fftfreq(n, 1.0 / n), np.fft.rfftfreq(n, 1.0 / n)
    z, y, x = np.meshgrid(full, full, half, indexing="ij")
    return np.stack([x.ravel(), y.ravel(), z.ravel()], axis=1)


def _padding_around_centre(n: int) -> tuple[int, int]:
    """Voxels to add before and after, so that voxel n // 2 becomes the centre of the padded box."""
    padded = _PADDING * n
    before = padded // 2 - n // 2
    return before, padded - n - before
