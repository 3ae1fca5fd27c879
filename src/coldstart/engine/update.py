"""The maps: running numerators and denominators in Fourier space, and the constraints on them in real space.

Online EM (docs/method.md, "Update"):  N <- (1 - eta) N + eta B,   D <- (1 - eta) D + eta H,   V = N / (D + lambda)

Odd and even minibatches are summed apart, and the map is that of both sums. The correlation of the two halves says how
far the map holds; it is optimistic, because both halves were posed on the same map. Every class steps by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from coldstart.engine.gradient import Gradient
from coldstart.engine.symmetrizer import INSERTION_PADDING, Symmetrizer
from coldstart.model.fourier import radius_grid, resampled, resize_spectrum, spectrum_of, trilinear_envelope, volume_of
from coldstart.model.fsc import fourier_shell_correlation
from coldstart.model.mask import radius_px, soft_window
from coldstart.model.symmetry import PointGroup
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
    """The maps of all classes.

    Attributes
    ----------
    numerator, denominator : (K, 2, side, side, side // 2 + 1) complex128, float64
        N and D of the even and of the odd minibatches; zero before the first ones.
    volume : (K, side, side, side) float32, [z, y, x]
        The maps under all constraints, as they are sliced.
    steps : (K,) int64
        Minibatches so far.
    """

    numerator: NDArray[np.complex128]
    denominator: NDArray[np.float64]
    volume: NDArray[np.float32]
    steps: NDArray[np.int64]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.volume)

    @property
    def side(self) -> int:
        """Points along an edge of a map."""
        return int(self.volume.shape[1])

    def resized(self, side: int) -> MapState:
        """The same maps on a finer grid."""
        if side == self.side:
            return self
        numerator, denominator = (
            np.stack([[resize_spectrum(half, side) for half in halves] for halves in sums])
            for sums in (self.numerator, self.denominator)
        )
        return MapState(numerator, denominator, resize_maps(self.volume, side), self.steps)

    def restarted(self, number: int, volume: NDArray[np.float32]) -> MapState:
        """The same maps but for one class, which starts anew from a map (side, side, side)."""
        numerator, denominator, volumes = self.numerator.copy(), self.denominator.copy(), self.volume.copy()
        steps = self.steps.copy()
        numerator[number], denominator[number], volumes[number], steps[number] = 0.0, 0.0, volume, 0
        return MapState(numerator, denominator, volumes, steps)


class MapUpdater:
    """Steps and constrains maps on a grid of `side` points."""

    def __init__(self, params: AbInitioParams, side: int, group: PointGroup) -> None:
        self.side = side
        self._params = params
        self._invariant = group.invariant_projector
        self._radius = radius_grid(side).ravel()
        self._shell = np.rint(self._radius).astype(np.int64)
        self._in_shell = np.bincount(self._shell)
        inner, outer = params.window_inner_radius, params.window_outer_radius
        self._window = soft_window(side, 3, inner, outer)
        self._inside = np.flatnonzero(radius_px(side, 3) < 0.5 * side * inner)
        self._insertion_envelope = trilinear_envelope(side)
        if group.order > 1:  # a grid that is turned is interpolated once more
            self._insertion_envelope = self._insertion_envelope * trilinear_envelope(INSERTION_PADDING * side, side)

    def start(self, volumes: NDArray[np.float32]) -> MapState:
        """Maps (K, side, side, side) before their first minibatch."""
        grid = (len(volumes), 2, self.side, self.side, self.side // 2 + 1)
        return MapState(np.zeros(grid, np.complex128), np.zeros(grid), volumes, np.zeros(len(volumes), np.int64))

    def step(self, state: MapState, gradient: Gradient, rate: float, radius: float) -> MapState:
        """One online-EM step on the half whose turn it is; a half's first minibatch is taken whole."""
        numerator, denominator, volume = state.numerator.copy(), state.denominator.copy(), state.volume.copy()
        for k, steps in enumerate(state.steps):
            half = int(steps % 2)
            own_rate = 1.0 if steps < 2 else 1.0 - (1.0 - rate) ** 2  # a half steps at every other minibatch
            for sums, addend in ((numerator, gradient.numerator), (denominator, gradient.denominator)):
                sums[k, half] *= 1.0 - own_rate
                sums[k, half] += own_rate * addend[k]
            volume[k], ramp = self._map(numerator[k], denominator[k], radius)
            if ramp is not None:
                numerator[k] *= ramp
        return MapState(numerator, denominator, volume, state.steps + 1)

    def half_correlation(
        self, numerator: NDArray[np.complex128], denominator: NDArray[np.float64], radius: float
    ) -> NDArray[np.float64]:
        """Fourier shell correlations of the maps of two halves inside the window.

        Parameters
        ----------
        numerator, denominator : (K, 2, side, side, side // 2 + 1)
            As of `MapState`.
        radius : float

        Returns
        -------
        (K, side // 2) float64
        """
        curves = []
        for of_class in zip(numerator, denominator, strict=True):
            halves = (volume_of(self._solve(n[None], d[None], radius)) for n, d in zip(*of_class, strict=True))
            curves.append(
                fourier_shell_correlation(*(half / self._insertion_envelope * self._window for half in halves))
            )
        return np.stack(curves)

    def solution(self, gradient: Gradient, radius: float) -> NDArray[np.float32]:
        """The maps of one gradient alone, not clipped at zero, (K, side, side, side) float32."""
        volumes = self.unwindowed(gradient, radius)
        return volumes * self._window if self._params.window_volume else volumes

    def unwindowed(self, gradient: Gradient, radius: float) -> NDArray[np.float32]:
        """The same with all that is around the particle."""
        volumes = []
        for numerator, denominator in zip(gradient.numerator, gradient.denominator, strict=True):
            volume = volume_of(self._solve(numerator[None], denominator[None], radius)) / self._insertion_envelope
            volumes.append(volume - self._solvent_level(volume))
        return np.stack(volumes).astype(np.float32)

    def sliceable(self, volumes: NDArray[np.float32]) -> NDArray[np.complex64]:
        """As the function of this name."""
        return sliceable(volumes)

    def symmetrized(self, volumes: NDArray[np.float32], symmetrizer: Symmetrizer) -> NDArray[np.float32]:
        """Maps (K, side, side, side) averaged over a point group."""
        padded = self.sliceable(volumes)
        sums, _ = symmetrizer.sums(padded, np.zeros(padded.shape), 0.5 * self.side - 2, self.side)
        return np.stack([volume_of(total) for total in sums / symmetrizer.group.order]).astype(np.float32)

    def _map(
        self, numerators: NDArray[np.complex128], denominators: NDArray[np.float64], radius: float
    ) -> tuple[NDArray[np.float32], NDArray[np.complex128] | None]:
        """The constrained map of the halves of one class, and the phase ramp that centred it, if it was off."""
        free = self._solve(numerators, denominators, radius)
        volume = self._constrain(free)
        shift = self._invariant @ self._off_centre(volume) if self._params.center else np.zeros(3)
        if not shift.any():
            return volume, None
        ramp = self._phase_ramp(shift)
        return self._constrain((free * ramp).astype(np.complex64)), ramp

    def _solve(
        self, numerators: NDArray[np.complex128], denominators: NDArray[np.float64], radius: float
    ) -> NDArray[np.complex64]:
        """N / (D + lambda) of the sums of some N and D, each (n, side, side, side // 2 + 1); zero beyond a radius."""
        points = np.flatnonzero(self._shell <= np.rint(radius))
        shell = self._shell[points]
        numerator, denominator = (sum(part.ravel()[points] for part in parts) for parts in (numerators, denominators))
        mean = np.bincount(shell, denominator) / self._in_shell[: shell.max() + 1]
        floor = REGULARIZATION * mean + 1e-12 * mean.max() + np.finfo(np.float64).tiny
        solved = np.zeros(self._shell.shape, np.complex64)
        solved[points] = np.where(self._radius[points] <= radius, numerator / (denominator + floor[shell]), 0.0)
        return solved.reshape(numerators.shape[1:])

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
        return float(np.median(volume.ravel()[self._inside]))

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


@lru_cache(maxsize=4)
def _slicing_envelope(side: int) -> NDArray[np.float32]:
    return trilinear_envelope(PADDING * side, side)


def sliceable(volumes: NDArray[np.float32]) -> NDArray[np.complex64]:
    """Padded spectra whose trilinear slices are those of the maps, (K, 2 side, 2 side, side + 1) complex64."""
    side = volumes.shape[1]
    spectra = [spectrum_of(volume / _slicing_envelope(side), PADDING * side) for volume in volumes]
    return spectra[0][None] if len(spectra) == 1 else np.stack(spectra)


def resize_maps(volumes: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Maps (K, n, n, n) on another grid over the same box, their spectra unchanged."""
    if side == volumes.shape[1]:
        return volumes
    return np.stack([resampled(volume, side) for volume in volumes])


def enlarge(volumes: NDArray[np.float32], box: int) -> NDArray[np.float32]:
    """The engine's maps on the input's box, in the grey scale in which its projections are the images.

    An engine voxel's spectrum is a coefficient of an image divided by the box (model/fourier.py), hence the factor.
    """
    return resize_maps(volumes, box) * np.float32(box)
