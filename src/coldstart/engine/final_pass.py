"""The last pass of a run: every particle posed on the final maps, and the maps of these poses."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from itertools import chain, zip_longest

import numpy as np
from numpy.typing import NDArray

from coldstart.engine.classes import effective_classes
from coldstart.engine.expectation import Blending
from coldstart.engine.gradient import Gradient
from coldstart.engine.parts import RunParts, RunState
from coldstart.engine.plan import Plan
from coldstart.engine.poses import join_tables
from coldstart.engine.posing import PosedRun, SearchTotals
from coldstart.engine.share import Figures, Grid, Part, Sight
from coldstart.engine.stage import POSING, Stage, shift_grid, stages
from coldstart.model.pose_grid import rotation_grid
from coldstart.model.state import IterationStats, PoseTable, Snapshot


@dataclass(frozen=True, slots=True)
class _Pass:
    """What all minibatches of the pass share, and the number of the first among the run's iterations."""

    parts: RunParts
    sight: Sight
    blending: Blending
    pause: Callable[[], None]
    iteration: int

    def steps(self, rows: NDArray[np.int64], grid: Grid | None, *, used: bool) -> Iterator[Part]:
        """Steps of these particles in two minibatches at least, so that there are halves to compare.

        Where a posterior is too broad to follow whole, it is sampled for the maps' sake, and cut where only the best
        pose is asked for.
        """
        if not len(rows):
            return
        team, size = self.parts.team, pass_minibatch(self.parts.plan, len(rows))
        batches = np.array_split(rows, -(-len(rows) // size))
        for number, (batch, following) in enumerate(zip_longest(batches, batches[1:], fillvalue=rows[:0])):
            draw = None if grid is None else self.iteration + number
            yield team.maximise(team.expect(self.sight, batch, following, draw, self.blending), grid, used=used)
            self.pause()


def pose_all(
    parts: RunParts, state: RunState, last: IterationStats, pause: Callable[[], None],
    snapshot: Callable[[IterationStats], Snapshot],
) -> Generator[Snapshot, None, PosedRun]:  # fmt: skip
    """Pose every particle that was used on the maps, and make the maps of these poses.

    With several classes every particle is used. With one, the others are posed too if that is asked for. Yields how far
    it is, after each minibatch but the last.

    Parameters
    ----------
    parts : RunParts
    state : RunState
        After the last iteration, its maps symmetric if the run's are.
    last : IterationStats
        Of the last iteration.
    pause : callable
        Called before the first minibatch and after each.
    snapshot : callable
        Makes a snapshot of figures.
    """
    began = time.perf_counter()
    pause()
    radius = last.fourier_radius
    shifts, levels = shift_grid(parts.params, radius), stages(radius, POSING, parts.params.bound_sigmas)
    sight = Sight(state.map.volume, np.eye(3), shifts, levels, state.noise.variance)
    particles = _Pass(parts, sight, state.classes.settled(), pause, last.iteration)
    symmetric = parts.group.order > 1
    updater = parts.updater(radius, symmetric=symmetric)
    halves = [Gradient.zero(parts.params.classes, updater.side, parts.rings.plane.rings) for _ in range(2)]
    rows, others = _particles(parts, state)
    posed: list[Part] = []
    grid = parts.grid(updater, radius, symmetric=symmetric, residual=False)
    done, count = 0, len(rows) + len(others)
    for step in chain(particles.steps(rows, grid, used=True), particles.steps(others, None, used=False)):
        if step.sums is not None:
            halves[len(posed) % 2] += parts.gradient(step, sight.noise_variance, updater, radius, symmetric=symmetric)
        posed.append(replace(step, sums=None))
        done += len(step.figures.ess)
        if done < count:
            seconds, ahead = time.perf_counter() - began, float(count - done)
            yield snapshot(
                replace(last, phase="posing", minibatch=done, visits_ahead=ahead, audit=None, seconds=seconds)
            )
    table = join_tables([step.poses for step in posed if step.poses is not None])
    stats = _stats(last, table, [step.figures for step in posed], levels)
    if parts.params.verify_bound > 0.0:
        audited = parts.sampler.audited(last.iteration, rows, parts.params.verify_bound)
        stats = replace(stats, audit=parts.audit(audited, sight))
    correlation = updater.half_correlation(
        np.stack([half.numerator for half in halves], axis=1),
        np.stack([half.denominator for half in halves], axis=1),
        radius,
    )
    volumes = updater.solution(halves[0] + halves[1], radius)
    half_volumes = np.stack([updater.unwindowed(half, radius) for half in halves], axis=1)
    return PosedRun(table, volumes, correlation, replace(stats, seconds=time.perf_counter() - began), half_volumes)


def pass_minibatch(plan: Plan, particles: int) -> int:
    """Images in a minibatch of the pass: two minibatches at least."""
    return min(plan.final_minibatch, -(-particles // 2))


def _particles(parts: RunParts, state: RunState) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Particles whose poses make the maps, and those that are only to be posed."""
    everyone = np.arange(parts.sampler.count)
    rows = everyone if parts.params.classes > 1 else parts.sampler.seen(state.visits, state.clear_visits)
    return rows, np.setdiff1d(everyone, rows) if parts.params.all_particles else everyone[:0]


def _stats(last: IterationStats, table: PoseTable, posed: list[Figures], levels: tuple[Stage, ...]) -> IterationStats:
    totals = SearchTotals.of(posed)
    return replace(
        last,
        phase="posing",
        minibatch=len(table.particle),
        ess_poses=float(table.ess.mean()),
        angular_step_deg=rotation_grid(levels[-1].level).step_deg,
        log_likelihood=float(table.log_likelihood.mean()),
        sampled_fraction=0.0,
        limited_fraction=totals.limited_fraction,
        stages=totals.stages,
        evaluated_fraction=totals.evaluated_fraction,
        audit=None,
        class_shares=tuple(table.class_posterior.mean(axis=0).tolist()),
        class_similarity=0.0,
        class_ess=effective_classes(table.class_posterior),
        visits_ahead=0.0,
    )
