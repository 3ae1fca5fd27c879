"""How a run sees where it stands: the agreement of the map's halves, and how far the map has drifted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coldstart.engine.schedule import Progress
from coldstart.engine.update import MapState, MapUpdater, resize_map

HALVES_EVERY = 5
DRIFT_EVERY = 20
CONVERGED_DRIFT = 0.04
"""The map has converged when it changes by less than this share of itself in DRIFT_EVERY iterations."""


@dataclass(frozen=True, slots=True)
class Monitor:
    """Figures of the map that steer the run.

    Attributes
    ----------
    half_correlation : (side // 2,) float64
        Fourier shell correlation of the map's halves.
    reference : (side, side, side) float32
        The map from which drift is counted.
    drift : float
        Relative change of the map between the last two looks.
    """

    half_correlation: NDArray[np.float64]
    reference: NDArray[np.float32]
    drift: float

    @classmethod
    def of(cls, volume: NDArray[np.float32]) -> Monitor:
        """Before the first iteration."""
        return cls(np.zeros(volume.shape[0] // 2), volume, 1.0)

    def after(self, now: Progress, state: MapState, updater: MapUpdater) -> Monitor:
        """After an iteration; looks only now and then."""
        seen = self
        if (now.iteration + 1) % HALVES_EVERY == 0:
            seen = replace(seen, half_correlation=updater.half_correlation(state, now.radius))
        if (now.iteration + 1) % DRIFT_EVERY == 0:
            seen = replace(seen, reference=state.volume, drift=relative_change(state.volume, self.reference))
        return seen

    def has_converged(self, now: Progress) -> bool:
        """In the final phase, once it was looked at from end to end and the map no longer drifts."""
        looked = now.iteration - now.phase_start >= 2 * DRIFT_EVERY
        return now.phase == "final" and looked and self.drift < CONVERGED_DRIFT


def relative_change(volume: NDArray[np.float32], before: NDArray[np.float32]) -> float:
    """Norm of the difference over the norm of the map; the map before may have been on a coarser grid."""
    before = resize_map(before, volume.shape[0])
    return float(np.linalg.norm(volume - before) / max(float(np.linalg.norm(volume)), 1e-30))
