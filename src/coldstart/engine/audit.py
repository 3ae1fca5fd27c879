"""Proof: the whole grid searched for some images, to see what the pruned search lost.

The audit compares at the finest level that is on the rings (3.75 degrees, or the search's last level if that is
coarser), with all of its rotations and shifts and all rings up to the radius: the search is run down to that level by
the rules of its stages, and the best pose and the posterior mass among the poses that it evaluated there are compared
with those among all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coldstart.compute.session import Session
from coldstart.engine.grid_score import GridScorer
from coldstart.engine.images import Minibatch, MinibatchLoader
from coldstart.engine.search import MapSlices, PoseSearch
from coldstart.engine.stage import Stage
from coldstart.model.pose_grid import ShiftGrid
from coldstart.model.state import BoundAudit

SAME_WEIGHT_NATS = 1e-2
"""Two sums of the same terms in another order may differ by this much: the best pose was kept if its weight was."""

TOGETHER = 8
"""Images whose grids are searched together: a grid's scores take 12 bytes a rotation and image."""


@dataclass(frozen=True, slots=True)
class Exhaustive:
    """Every pose of a grid, image by image.

    Attributes
    ----------
    log_evidence : (B,) float64
        Log of the mean weight of all poses of all classes.
    best_weight : (B,) float64
        Largest log weight of a pose.
    best_rotation, best_shift : (B,) int64
        Its cells.
    """

    log_evidence: NDArray[np.float64]
    best_weight: NDArray[np.float64]
    best_rotation: NDArray[np.int64]
    best_shift: NDArray[np.int64]


class Auditor:
    """Searches whole grids."""

    def __init__(self, session: Session, loader: MinibatchLoader, search: PoseSearch) -> None:
        self._session = session
        self._loader = loader
        self._search = search
        self._scorers: dict[int, GridScorer] = {}

    def audit(
        self, rows: NDArray[np.int64], variance: NDArray[np.float64], slices: MapSlices, shifts: ShiftGrid,
        stages: tuple[Stage, ...],
    ) -> BoundAudit:  # fmt: skip
        """What a search of these particles loses.

        Parameters
        ----------
        rows : (B,) int64
            Particles.
        variance : (rings,) float64
            Noise.
        slices, shifts, stages
            As `PoseSearch.run` takes them.
        """
        stages = self.auditable(stages)
        slices = self._search.prepare(slices.volume, slices.turn, stages)
        kept, lost = [], []
        for part in np.array_split(rows, -(-len(rows) // TOGETHER)):
            batch = self._loader.load(part, variance)
            found = self._search.run(batch, slices, shifts, stages, rng=None)
            whole = self.exhaustive(batch, slices, shifts, stages[-1])
            kept.append(found.best_weight >= whole.best_weight - SAME_WEIGHT_NATS)
            lost.append(-np.expm1(np.minimum(found.log_evidence - whole.log_evidence, 0.0)))
        return BoundAudit.of(np.concatenate(kept), np.concatenate(lost))

    def auditable(self, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
        """The same search, ended at the finest level on the rings: its stages there take all rings."""
        finest = self._search.finest_level
        if stages[-1].level <= finest:
            return stages
        last = replace(stages[-1], level=finest)
        return (
            *(replace(s, radius=last.radius) if s.level == finest else s for s in stages if s.level <= finest),
            last,
        )

    def exhaustive(self, batch: Minibatch, slices: MapSlices, shifts: ShiftGrid, last: Stage) -> Exhaustive:
        """All poses of the last stage's level at its radius."""
        if last.level not in self._scorers:
            self._scorers[last.level] = GridScorer(self._session, last.level, track_best=True)
        view = self._loader.view(batch, last.level, shifts, of_cells=False)
        scores = self._scorers[last.level].score(len(batch), view, slices.tables[last.level], last.radius)
        log_sum = self._session.download(scores.log_sum).astype(np.float64)
        tracked = (scores.best_weight, scores.best_shift)
        weight, shift = (self._session.download(array) for array in tracked if array is not None)
        best = weight.argmax(axis=1)
        at = np.arange(len(batch)), best
        log_evidence = np.logaddexp.reduce(log_sum, axis=1) - np.log(log_sum.shape[1] * view.phase.shape[0])
        return Exhaustive(log_evidence, weight[at].astype(np.float64), best, shift[at])
