"""The map: running numerator and denominator in Fourier space, and the constraints on it in real space.

Online EM (docs/method.md, "Update"):  N <- (1 - eta) N + eta B,   D <- (1 - eta) D + eta H,   V = N / (D + lambda)

Odd and even minibatches are summed apart, and the map is that of both sums. The correlation of the two halves says how
far the map holds; it is optimistic, because both halves were posed on the same map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldstart.engine.gradient import Gradient
from coldstart.model.fourier import radius_grid, resize_spectrum, spectrum_of, trilinear_envelope, volume_of
from coldstart.model.fsc import fourier_shell_correlation
from coldstart.model.mask import radius_px, soft_window
from coldstart.params import AbInitioParams

REGULARIZATION = 0.02
"""lambda as a share of the mean denominator of a shell."""

CENTER_DEAD_ZONE = 0.01
"""The map is moved only when its centre of mass is off by more than this share of the box."""

CENTER_THRESHOLD = 0.1
"""Density below this share of the maximum does not count for the centre of mass."""

PADDING = 2


@dataclass(frozen=True, slots=True)
class MapState:
    """One class's map.

    Attributes
    ----------
    numerator, denominator : (2, side, side, side // 2 + 1) complex128, float64
        N and D of the even and of the odd minibatches; zero before the first ones.
    volume : (side, side, side) float32, [z, y, x]
        The map under all constraints, as it is sliced.
    steps : int
        Minibatches so far.
    """

    numerator: NDArray[np.complex128]
    denominator: NDArray[np.float64]
    volume: NDArray[np.float32]
    steps: int

    @property
    def side(self) -> int:
        """Points along an edge of the map."""
        return int(self.volume.shape[0])

    def resized(self, side: int) -> MapState:
        """The same map on a finer grid."""
        if side == self.side:
            return self
        numerator = np.stack([resize_spectrum(half, side) for half in self.numerator])
        denominator = np.stack([resize_spectrum(half, side) for half in self.denominator])
        return MapState(numerator, denominator, resize_map(self.volume, side), self.steps)


class MapUpdater:
    """Steps and constrains maps on a grid of `side` points."""

    def __init__(self, params: AbInitioParams, side: int) -> None:
        self.side = side
        self._params = params
        self._radius = radius_grid(side)
        self._shell = np.rint(self._radius).astype(np.int64)
        inner, outer = params.window_inner_radius, params.window_outer_radius
        self._window = soft_window(side, 3, inner, outer)
        self._inside = radius_px(side, 3) < 0.5 * side * inner
        self._insertion_envelope = trilinear_envelope(side)
        self._slicing_envelope = trilinear_envelope(PADDING * side, side)

    def start(self, volume: NDArray[np.float32]) -> MapState:
        """A map before its first minibatch."""
        grid = (2, self.side, self.side, self.side // 2 + 1)
        return MapState(np.zeros(grid, np.complex128), np.zeros(grid), volume, 0)

    def step(self, state: MapState, gradient: Gradient, rate: float, radius: float) -> MapState:
        """One online-EM step on the half whose turn it is; a half's first minibatch is taken whole."""
        half = state.steps % 2
        own_rate = 1.0 if state.steps < 2 else 1.0 - (1.0 - rate) ** 2  # a half steps at every other minibatch
        numerator, denominator = state.numerator.copy(), state.denominator.copy()
        numerator[half] += own_rate * (gradient.numerator - numerator[half])
        denominator[half] += own_rate * (gradient.denominator - denominator[half])
        free = self._solve(numerator.sum(axis=0), denominator.sum(axis=0), radius)
        volume = self._constrain(free)
        shift = self._off_centre(volume) if self._params.center else np.zeros(3)
        if shift.any():
            ramp = self._phase_ramp(shift)
            numerator *= ramp
            volume = self._constrain(free * ramp)
        return MapState(numerator, denominator, volume, state.steps + 1)

    def half_correlation(self, state: MapState, radius: float) -> NDArray[np.float64]:
        """Fourier shell correlation of the two halves' maps inside the window, (side // 2,) float64."""
        halves = [
            volume_of(self._solve(n, d, radius)) / self._insertion_envelope * self._window
            for n, d in zip(state.numerator, state.denominator, strict=True)
        ]
        return fourier_shell_correlation(*halves)

    def solution(self, gradient: Gradient, radius: float) -> NDArray[np.float32]:
        """The map of one gradient alone, not clipped at zero, (side, side, side) float32."""
        spectrum = self._solve(gradient.numerator, gradient.denominator, radius)
        volume = volume_of(spectrum) / self._insertion_envelope
        volume -= self._solvent_level(volume)
        return volume * self._window if self._params.window_volume else volume

    def sliceable(self, volume: NDArray[np.float32]) -> NDArray[np.complex64]:
        """Padded spectrum whose trilinear slices are those of the map, (2 side, 2 side, side + 1) complex64."""
        return np.ascontiguousarray(spectrum_of(volume / self._slicing_envelope, PADDING * self.side))

    def _solve(
        self, numerator: NDArray[np.complex128], denominator: NDArray[np.float64], radius: float
    ) -> NDArray[np.complex128]:
        shells = np.bincount(self._shell.ravel())
        mean = np.bincount(self._shell.ravel(), denominator.ravel()) / np.maximum(shells, 1)
        floor = REGULARIZATION * mean[self._shell] + 1e-12 * mean.max() + np.finfo(np.float64).tiny
        return np.asarray(np.where(self._radius <= radius, numerator / (denominator + floor), 0.0))

    def _constrain(self, spectrum: NDArray[np.complexfloating]) -> NDArray[np.float32]:
        volume = volume_of(spectrum) / self._insertion_envelope
        volume -= self._solvent_level(volume)
        if self._params.nonnegative:
            volume = np.maximum(volume, 0.0)
        if self._params.window_volume:
            volume = volume * self._window
        return np.asarray(volume, dtype=np.float32)

    def _solvent_level(self, volume: NDArray[np.float32]) -> float:
        """The images do not hold the constant term: most of the sphere is solvent, whose density is set to zero."""
        return float(np.median(volume[self._inside]))

    def _off_centre(self, volume: NDArray[np.float32]) -> NDArray[np.float64]:
        """Shift in x, y, z that centres the mass, in fractions of the box; zero inside the dead zone."""
        mass = np.maximum(volume - CENTER_THRESHOLD * volume.max(), 0.0).astype(np.float64)
        total = mass.sum()
        if total <= 0:
            return np.zeros(3)
        axis = (np.arange(self.side) - self.side // 2) / self.side
        centre = np.array([(mass.sum(axis=other) @ axis) for other in ((0, 1), (0, 2), (1, 2))]) / total
        return np.zeros(3) if np.linalg.norm(centre) < CENTER_DEAD_ZONE else -centre

    def _phase_ramp(self, shift: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Moves the density by `shift`."""
        k = np.arange(self.side) - self.side // 2
        x = np.arange(self.side // 2 + 1)
        turns = (x * shift[0])[None, None, :] + (k * shift[1])[None, :, None] + (k * shift[2])[:, None, None]
        return np.asarray(np.exp(-2j * np.pi * turns))


def resize_map(volume: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """A map on another grid over the same box, its spectrum unchanged."""
    return volume if side == volume.shape[0] else volume_of(resize_spectrum(spectrum_of(volume), side))


def enlarge(volume: NDArray[np.float32], box: int) -> NDArray[np.float32]:
    """The engine's map on the input's box, in the grey scale in which its projections are the images.

    An engine voxel's spectrum is a coefficient of an image divided by the box (model/fourier.py), hence the factor.
    """
    return resize_map(volume, box) * np.float32(box)
