"""Ab-initio reconstruction.

    start from a random map, as strong as half of the images' signal            start
    until the map no longer changes:
        draw a minibatch, and turn the grid of poses                            sampling
        E-step: search the poses of its images on the map                       search
        M-step: back-project the images with their posteriors                   gradient
        step the map towards it, and constrain the map                          update
        learn the noise from what the map does not explain                      model.noise
        raise the resolution where the halves of the map agree                  monitor, schedule
    pose every particle that was used on the map, once more and finer           poses
    and return the map of these poses

docs/method.md derives each step. State passes from iteration to iteration as one frozen record.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coldstart.compute.session import Session
from coldstart.engine.audit import Auditor
from coldstart.engine.gradient import Backprojector, Gradient
from coldstart.engine.images import ImagePreparer, MinibatchLoader
from coldstart.engine.monitor import Monitor, relative_change
from coldstart.engine.poses import join_tables
from coldstart.engine.posing import PosedBatch, SearchTotals, pose_in_minibatches
from coldstart.engine.rings import Rings
from coldstart.engine.sampling import Sampler
from coldstart.engine.schedule import (
    DENSE,
    LEARNING,
    POSING,
    Progress,
    finest_level,
    first_progress,
    learning_rate,
    minibatch_size,
    next_progress,
    plan_run,
    shift_grid,
    stages,
)
from coldstart.engine.search import Hypotheses, PoseSearch
from coldstart.engine.slices import FourierMap
from coldstart.engine.start import (
    MEAN_CTF_SQUARED,
    find_inflation,
    initial_noise,
    random_map,
    scale_to_signal,
    signal_power,
)
from coldstart.engine.update import PADDING, MapState, MapUpdater, enlarge
from coldstart.errors import ParameterError
from coldstart.model.noise import NoiseModel
from coldstart.model.particles import ImageSource, Particles
from coldstart.model.pose_grid import rotation_grid
from coldstart.model.state import IterationStats, PoseTable, RunResult, Snapshot
from coldstart.params import AbInitioParams

NOISE_SAMPLE = 1000
GRID_MARGIN = 3
GRID_STEP = 8
AUDIT_EVERY = 50
"""Iterations from one audit of the search to the next, where audits are asked for."""


def abinitio(
    particles: Particles,
    images: ImageSource,
    params: AbInitioParams,
    session: Session,
    should_stop: Callable[[], bool] = lambda: False,
) -> Generator[Snapshot, None, RunResult]:
    """Run a reconstruction, yielding a snapshot an iteration and returning the result.

    Parameters
    ----------
    particles : Particles
    images : ImageSource
    params : AbInitioParams
    session : Session
        The device.
    should_stop : callable
        Asked after each iteration; True ends the iterations and goes on to the posing pass.

    Raises
    ------
    ParameterError
        If the parameters ask for what is not there, or do not fit the particles.
    ParticleFileError
        If images cannot be read.
    DeviceError
        If the device fails or has too little memory.
    """
    job = AbInitio(particles, images, params, session)
    state = job.start()
    history: list[IterationStats] = []
    stopped = False
    while not (stopped or job.is_over(state)):
        state, stats = job.iterate(state)
        history.append(stats)
        yield job.snapshot(state.map.volume, stats)
        stopped = should_stop()
    poses, volume, stats = job.pose_all(state, history[-1])
    history.append(stats)
    yield job.snapshot(volume, stats)
    return RunResult(
        volumes=enlarge(volume, particles.box_px)[None],
        pixel_size_angstrom=particles.pixel_size_angstrom,
        poses=poses,
        iterations=tuple(history),
        resolution_angstrom=(stats.resolution_angstrom,),
        device_name=session.info.label,
        peak_device_bytes=session.peak_bytes,
        stopped_early=stopped,
        converged=state.monitor.has_converged(state.progress),
    )


@dataclass(frozen=True, slots=True)
class RunState:
    """What one iteration hands to the next.

    Attributes
    ----------
    visits : int
        Images seen so far, repeats counted.
    """

    progress: Progress
    map: MapState
    noise: NoiseModel
    monitor: Monitor
    visits: int


class AbInitio:
    """The steps of one run, on the parts that do them."""

    def __init__(self, particles: Particles, images: ImageSource, params: AbInitioParams, session: Session) -> None:
        _check_supported(params)
        self.particles = particles
        self.params = params
        self.plan = plan_run(params, particles.box_px, particles.box_angstrom)
        self.rings = Rings(session, finest_level(self.plan.max_radius), int(self.plan.max_radius))
        self.sampler = Sampler(params.seed, min(particles.count, params.particles_to_use or particles.count))
        self.session = session
        self.preparer = ImagePreparer(particles, images, params, self.rings.plane)
        self.loader = MinibatchLoader(session, particles, self.preparer, self.rings)
        self.search = PoseSearch(session, self.loader)
        self.auditor = Auditor(session, self.loader, self.search)
        self.backprojector = Backprojector(session, self.rings, self.search.projector)
        self._updaters: dict[int, MapUpdater] = {}

    def updater(self, radius: float) -> MapUpdater:
        """The updater on the grid that serves a radius: maps grow with the resolution."""
        side = grid_side(radius)
        if side not in self._updaters:
            self._updaters[side] = MapUpdater(self.params, side)
        return self._updaters[side]

    def start(self) -> RunState:
        """A random map with the power of the images, and noise at which it decides nothing."""
        params, radius = self.params, self.plan.initial_radius
        sample = self.sampler.draw(0, min(NOISE_SAMPLE, self.sampler.count))
        noise = initial_noise(params, self.preparer, sample)
        updater = self.updater(radius)
        volume = random_map(self.sampler.start(), updater.side, params)
        areas = self.rings.plane.ring_areas[: int(radius)]
        power = self.loader.load(sample, noise.background).power
        signal = signal_power(power[: len(areas)], self.preparer.window_power * noise.background[: len(areas)], areas)
        mean_ctf_squared = 1.0 if self.particles.ctf is None else MEAN_CTF_SQUARED
        volume = scale_to_signal(volume, updater.sliceable(volume), signal, areas, mean_ctf_squared)
        progress = first_progress(self.plan)
        first = self.sampler.draw(0, minibatch_size(params, progress, self.sampler.count))
        levels, shifts = stages(radius, DENSE), shift_grid(params, radius)
        slices = self.search.prepare(self._on_device(volume), np.eye(3), levels)
        scale = params.noise_initial_scale or find_inflation(
            first, slices, noise, params.target_ess_fraction, shifts, levels, self.loader, self.search
        )
        noise = replace(noise, initial_scale=scale)
        return RunState(progress, updater.start(volume), noise, Monitor.of(volume), 0)

    def iterate(self, state: RunState) -> tuple[RunState, IterationStats]:
        """One step of online EM."""
        began = time.perf_counter()
        params, now, variance = self.params, state.progress, state.noise.variance
        rows = self.sampler.draw(state.visits, minibatch_size(params, now, self.sampler.count))
        turn = self.sampler.turn(now.iteration)
        levels = stages(now.radius, DENSE if now.phase == "initial" else LEARNING)
        updater = self.updater(now.radius)
        before = state.map.resized(updater.side)

        batch = self.loader.load(rows, variance)
        following = minibatch_size(params, replace(now, iteration=now.iteration + 1), self.sampler.count)
        self.preparer.prepare_ahead(self.sampler.draw(state.visits + len(batch), following))
        slices = self.search.prepare(self._on_device(before.volume), turn, levels)
        rng = self.sampler.search(now.iteration)
        shifts = shift_grid(params, now.radius)
        found = self.search.run(batch, slices, shifts, levels, rng)
        gradient = self.backprojector.run(batch, found, slices, now.radius, updater.side)
        updated = updater.step(before, gradient, learning_rate(params, now), now.radius)
        noise = state.noise.with_images(self._noise_power(gradient, state.noise), len(batch))
        monitor = state.monitor.after(now, updated, updater)
        progress = next_progress(now, self.plan, params, monitor.half_correlation)

        after = RunState(progress, updated, noise, monitor, state.visits + len(batch))
        stats = self._stats(replace(state, map=before), after, found, time.perf_counter() - began)
        if params.verify_bound > 0.0 and (now.iteration + 1) % AUDIT_EVERY == 0:
            audited = self.sampler.audited(now.iteration, rows, params.verify_bound)
            stats = replace(stats, audit=self.auditor.audit(audited, variance, slices, shifts, levels))
        return after, stats

    def is_over(self, state: RunState) -> bool:
        """Whether the last iteration was done, by count or by convergence."""
        now = state.progress
        if state.monitor.has_converged(now):
            return True
        return now.phase == "final" and now.iteration - now.phase_start >= self.plan.final_iterations

    def pose_all(self, state: RunState, last: IterationStats) -> tuple[PoseTable, NDArray[np.float32], IterationStats]:
        """Pose every particle that was used on the map, and make the map of these poses."""
        began = time.perf_counter()
        radius, turn, variance = last.fourier_radius, np.eye(3), state.noise.variance
        shifts, levels = shift_grid(self.params, radius), stages(radius, POSING, self.params.bound_sigmas)
        slices = self.search.prepare(self._on_device(state.map.volume), turn, levels)
        rows = self.sampler.drawn(state.visits)
        updater = self.updater(radius)
        total = Gradient.zero(updater.side, self.rings.plane.rings)
        posed: list[PosedBatch] = []
        for part in pose_in_minibatches(
            rows, self.params.final_minibatch, variance, self.preparer, self.loader, self.search, slices, shifts,
            levels, self.particles.box_angstrom,
        ):  # fmt: skip
            total += self.backprojector.run(part.batch, part.found, slices, radius, updater.side, residual=False)
            posed.append(part)
        table = join_tables([part.table for part in posed])
        totals = SearchTotals.of([part.found for part in posed])
        stats = replace(
            last,
            phase="posing",
            minibatch=len(rows),
            ess_poses=float(table.ess.mean()),
            angular_step_deg=rotation_grid(levels[-1].level).step_deg,
            log_likelihood=float(table.log_likelihood.mean()),
            sampled_fraction=0.0,
            limited_fraction=totals.limited_fraction,
            stages=totals.stages,
            evaluated_fraction=totals.evaluated_fraction,
            audit=None,
            seconds=time.perf_counter() - began,
        )
        if self.params.verify_bound > 0.0:
            audited = self.sampler.audited(last.iteration, rows, self.params.verify_bound)
            stats = replace(stats, audit=self.auditor.audit(audited, variance, slices, shifts, levels))
        return table, updater.solution(total, radius), stats

    def snapshot(self, volume: NDArray[np.float32], stats: IterationStats) -> Snapshot:
        """A map and the figures of its iteration."""
        return Snapshot(stats, volume[None].copy(), self.particles.box_angstrom / volume.shape[0])

    def _on_device(self, volume: NDArray[np.float32]) -> FourierMap:
        return FourierMap(self.session.upload("volume", self._updaters[volume.shape[0]].sliceable(volume)), PADDING)

    def _noise_power(self, gradient: Gradient, noise: NoiseModel) -> NDArray[np.float64]:
        """Residual power as noise variance: the images' window let only a share of the noise through."""
        power = gradient.residual_power / self.preparer.window_power
        power = np.where(np.isnan(power), noise.background, power)
        if self.params.noise_model == "white":
            return np.full_like(power, np.average(power, weights=self.rings.plane.ring_areas))
        return power

    def _stats(self, before: RunState, after: RunState, found: Hypotheses, seconds: float) -> IterationStats:
        now, coarse = before.progress, float(found.ess_rotations.mean())
        return IterationStats(
            iteration=now.iteration + 1,
            iterations=self.plan.iterations,
            phase=now.phase,
            resolution_angstrom=self.particles.box_angstrom / now.radius,
            fourier_radius=now.radius,
            minibatch=len(found.ess),
            learning_rate=learning_rate(self.params, now),
            noise_scale=before.noise.scale,
            ess_rotations=coarse,
            ess_poses=float(found.ess.mean()),
            ess_fraction=coarse / len(rotation_grid(0)),
            angular_step_deg=rotation_grid(found.level).step_deg,
            log_likelihood=float(found.log_evidence.mean()),
            map_change=relative_change(after.map.volume, before.map.volume),
            image_visits=after.visits,
            sampled_fraction=float(found.limited.mean()),
            limited_fraction=float(found.limited.mean()),
            seconds=seconds,
            evaluated_fraction=sum(stage.products for stage in found.stages) / found.exhaustive_products,
            stages=found.stages,
        )


def grid_side(radius: float) -> int:
    """Points along an edge of the map at a radius, a multiple of GRID_STEP, for which Fourier transforms are fast."""
    return -(-2 * (int(np.ceil(radius)) + GRID_MARGIN) // GRID_STEP) * GRID_STEP


def _check_supported(params: AbInitioParams) -> None:
    if params.classes != 1:
        raise ParameterError(f"--classes {params.classes}: only one class can be reconstructed as yet; use --classes 1")
    if params.symmetry.upper() != "C1":
        raise ParameterError(f"--symmetry {params.symmetry}: only C1 can be imposed as yet; use --symmetry C1")
