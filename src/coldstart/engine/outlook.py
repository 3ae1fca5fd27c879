"""What is still to come in a run that takes the course of most: the visits of images until its end.

Most find the map at once, march as fast as the halves of the map let them, and settle at the third look. One course is
followed through all phases when a run begins; where the run is on it tells how much is left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from coldstart.engine.monitor import drift_every
from coldstart.engine.plan import Plan
from coldstart.engine.schedule import Progress, first_progress, minibatch_size, next_progress
from coldstart.params import AbInitioParams

POSING_VISITS = 6.5
"""Visits that take as long as posing a particle with care does: 4 to 10 where it was measured."""

FINAL_LOOKS = 3
"""At the drift of the maps until they have settled."""


@dataclass(frozen=True, slots=True)
class _Point:
    """A place on the course after the initial phase: its radius, its iteration, and the visits from there on."""

    radius: float
    iteration: int
    ahead: int


class Outlook:
    """The course of most runs, as far as the posing pass.

    Parameters
    ----------
    plan : Plan
    params : AbInitioParams
    particles : int
    """

    def __init__(self, plan: Plan, params: AbInitioParams, particles: int) -> None:
        self._plan, self._params, self._particles = plan, params, particles
        self._everyone = params.classes > 1 or params.all_particles
        self._final_iterations = min(plan.final_iterations, FINAL_LOOKS * drift_every(plan))
        now, agreement, points = replace(first_progress(plan), found=True), np.ones((1, int(plan.max_radius) + 1)), []
        while now.phase != "final":
            if now.phase == "marching":
                points.append((now.radius, now.iteration, self._minibatch(now)))
            now = next_progress(now, plan, params, agreement)
        ahead = self._final_iterations * self._minibatch(now)
        self._march = [_Point(plan.max_radius, now.iteration, ahead)]
        for radius, iteration, minibatch in reversed(points):
            ahead += minibatch
            self._march.append(_Point(radius, iteration, ahead))

    def visits_ahead(self, now: Progress | None, seen: int) -> float:
        """Until the run's end; posing a particle counts as several.

        Parameters
        ----------
        now : Progress or None
            The iteration to come; None after the last one.
        seen : int
            Visits so far.
        """
        if now is None:
            ahead = 0
        elif now.phase == "final":
            ahead = max(self._final_iterations - (now.iteration - now.phase_start), 1) * self._minibatch(now)
        else:
            initial = max(self._plan.initial_iterations - now.iteration, 0) * self._minibatch(now)
            ahead = self._march_from(now) + (initial if now.phase == "initial" else 0)
        return ahead + POSING_VISITS * self.posed(seen + ahead)

    def posed(self, visits: int) -> int:
        """Particles that are posed in the end, after so many visits of images."""
        return self._particles if self._everyone else min(visits, self._particles)

    def _march_from(self, now: Progress) -> int:
        """Visits from the point of the course that is as far as this; at the end of the march iterations tell it."""
        counted = now.iteration - now.waited
        return next(
            (
                point.ahead
                for point in reversed(self._march)
                if point.radius >= now.radius and (now.radius < self._plan.max_radius or point.iteration >= counted)
            ),
            self._march[0].ahead,
        )

    def _minibatch(self, now: Progress) -> int:
        return minibatch_size(self._plan, self._params, now, self._particles)
