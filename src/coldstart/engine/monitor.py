"""How a run sees where it stands: the agreement of the maps' halves, and how far the maps have drifted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coldstart.engine.plan import Plan
from coldstart.engine.schedule import Progress
from coldstart.engine.update import MapState, MapUpdater, resize_maps
from coldstart.model.fourier import radius_grid, spectrum_of

HALVES_EVERY = 5
DRIFT_IMAGES, DRIFT_EVERY = 6000, 20
"""Images a class from one look at the drift to the next, and iterations at most."""

CONVERGED_DRIFT = 0.04
"""A map has converged when it changes by less than this share of itself from one look to the next; with K classes
sqrt(K) times as much, since a K-th of the images leaves so much more noise in it."""

HOLDS = 0.5
"""Correlation of the halves of a map from which a shell holds, and in the mean up to the initial resolution the map."""


@dataclass(frozen=True, slots=True)
class Monitor:
    """Figures of the maps that steer the run.

    Attributes
    ----------
    half_correlation : (K, side // 2) float64
        Fourier shell correlation of each map's halves.
    reference : (K, side, side, side) float32
        The maps from which drift is counted.
    drift : (K,) float64
        Relative change of what holds of each map between the last two looks.
    """

    half_correlation: NDArray[np.float64]
    reference: NDArray[np.float32]
    drift: NDArray[np.float64]

    @classmethod
    def of(cls, volumes: NDArray[np.float32]) -> Monitor:
        """Before the first iteration."""
        return cls(np.zeros((len(volumes), volumes.shape[1] // 2)), volumes, np.ones(len(volumes)))

    def after(self, now: Progress, state: MapState, updater: MapUpdater, plan: Plan) -> Monitor:
        """After an iteration; looks only now and then."""
        seen = self
        if (now.iteration + 1) % HALVES_EVERY == 0:
            seen = replace(
                seen, half_correlation=updater.half_correlation(state.numerator, state.denominator, now.radius)
            )
        if (now.iteration + 1) % drift_every(plan) == 0:
            before = resize_maps(self.reference, state.side)
            drift = [held_change(*maps) for maps in zip(state.volume, before, seen.half_correlation, strict=True)]
            seen = replace(seen, reference=state.volume, drift=np.array(drift))
        return seen

    def has_converged(self, now: Progress, plan: Plan) -> bool:
        """In the final phase, once it was looked at from end to end and no map drifts but those that are noise."""
        looked = now.iteration - now.phase_start >= 2 * drift_every(plan)
        holds = map_holds(self.half_correlation, plan.initial_radius)
        settled = self.drift[holds] < CONVERGED_DRIFT * np.sqrt(len(holds))
        return now.phase == "final" and looked and bool(holds.any() and settled.all())


def drift_every(plan: Plan) -> int:
    """Iterations of late minibatches from one look at the drift to the next."""
    return min(max(round(DRIFT_IMAGES * plan.classes / plan.final_minibatch), 1), DRIFT_EVERY)


def map_holds(half_correlation: NDArray[np.float64], initial_radius: float) -> NDArray[np.bool_]:
    """Whether the halves of each map agree up to the initial resolution, (K,) bool; correlations (K, shells)."""
    band = half_correlation[:, 1 : max(int(initial_radius), 1) + 1]
    return np.asarray(band.mean(axis=1) >= HOLDS)


def held_change(
    volume: NDArray[np.float32], before: NDArray[np.float32], half_correlation: NDArray[np.float64]
) -> float:
    """Relative change of a map on the shells on which its halves agree: the noise beyond never settles."""
    holds = np.zeros(2 * volume.shape[0], np.bool_)
    holds[: len(half_correlation)] = half_correlation >= HOLDS
    holds[0] = True
    held = holds[np.rint(radius_grid(volume.shape[0])).astype(np.int64)]
    return relative_change(spectrum_of(volume)[held], spectrum_of(before)[held])


def relative_change(volume: NDArray[np.inexact], before: NDArray[np.inexact]) -> float:
    """Norm of the difference over the norm of the map, or of its spectrum, both on one grid."""
    return float(np.linalg.norm(volume - before) / max(float(np.linalg.norm(volume)), 1e-30))
