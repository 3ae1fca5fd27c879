"""Ab-initio reconstruction.

    start from a random map a class, as strong as half of the images' signal    start
    until the maps no longer change:
        draw a minibatch, and turn the grid of poses                            sampling
        E-step: search the classes and poses of its images on the maps          team, worker: search, expectation
        M-step: back-project the images with their posteriors                   team, worker: gradient, symmetrizer
        step the maps towards it, and constrain them                            update
        learn the noise from what the maps do not explain                       model.noise
        mend classes that are starved or swallow the others                     classes
        raise the resolution where the halves of a map agree                    monitor, schedule,
        and wait early on for the images to recognise it                        recognition
    pose every particle that was used on the maps, once more and finer          final_pass, posing, poses
    and return the maps of these poses, and what is to be said of each class    classes

docs/method.md derives each step. State passes from iteration to iteration as one frozen record, from which a run that
was left goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from coldstart.compute.session import Session
from coldstart.engine.balance import ViewBalance
from coldstart.engine.classes import ClassWatch, class_reports, effective_classes
from coldstart.engine.final_pass import pose_all
from coldstart.engine.gradient import Gradient
from coldstart.engine.images import ImagePreparer
from coldstart.engine.monitor import Monitor, relative_change
from coldstart.engine.parts import RunParts, RunPoint, RunState, alone
from coldstart.engine.schedule import (
    Progress,
    class_similarity,
    first_progress,
    learning_rate,
    minibatch_size,
    next_progress,
)
from coldstart.engine.share import Figures, Sight
from coldstart.engine.stage import DENSE, LEARNING, Stage, shift_grid, stages
from coldstart.engine.start import (
    MEAN_CTF_SQUARED,
    NOISE_SAMPLE,
    find_inflation,
    initial_noise,
    map_variant,
    random_map,
    scale_to_signal,
    signal_power,
)
from coldstart.engine.team import MakeCrew
from coldstart.engine.update import MapState, enlarge, resize_maps
from coldstart.errors import DeviceMemoryError
from coldstart.model.alignment import class_similarity_matrix
from coldstart.model.noise import NoiseModel
from coldstart.model.particles import ImageSource, Particles
from coldstart.model.pose_grid import ShiftGrid, rotation_grid
from coldstart.model.state import IterationStats, RunResult, Snapshot
from coldstart.params import AbInitioParams

COMPARED_RADII = 2
"""The maps of classes are compared up to so many times the initial radius."""

AUDIT_EVERY = 50
"""Iterations from one audit of the search to the next, where audits are asked for."""


def abinitio(
    particles: Particles,
    images: ImageSource,
    params: AbInitioParams,
    session: Session,
    should_stop: Callable[[], bool] = lambda: False,
    initial_volume: NDArray[np.float32] | None = None,
    preparer: ImagePreparer | None = None,
    *,
    make_crew: MakeCrew = alone,
    point: RunPoint | None = None,
    keep: Callable[[RunPoint], None] = lambda point: None,
    pause: Callable[[], None] = lambda: None,
) -> Generator[Snapshot, None, RunResult]:
    """Run a reconstruction, yielding a snapshot an iteration, and as particles are posed, and returning the result.

    Parameters
    ----------
    particles : Particles
    images : ImageSource
    params : AbInitioParams
    session : Session
        The device.
    should_stop : callable
        Asked after each iteration; True ends the iterations and goes on to the posing pass.
    initial_volume : (n, n, n) float32, optional
        Map over the particles' box, [z, y, x], n even: each class starts from a variant of it.
    preparer : ImagePreparer, optional
        As `prepare_images` makes it, to share its images with other runs.
    make_crew : callable, optional
        Gathers the workers that minibatches are dealt out to, given the run's own; this one alone by default.
    point : RunPoint, optional
        Where an earlier run of the same particles, parameters and device was left: this one goes on from there.
    keep : callable, optional
        Given, after each iteration and before its snapshot is yielded, the point that the run could go on from.
    pause : callable, optional
        Called before the posing pass and between its minibatches. What it raises ends the run.

    Raises
    ------
    ParameterError
        If the parameters ask for what is not there, or do not fit the particles.
    ParticleFileError
        If images cannot be read.
    DeviceError
        If the device fails or has too little memory.
    """
    job = AbInitio(particles, images, params, session, preparer, make_crew)
    state = job.start(initial_volume) if point is None else point.state
    history = [] if point is None else list(point.history)
    earlier_bytes = 0 if point is None else point.peak_device_bytes
    stopped = False
    while not (stopped or job.is_over(state)):
        state, stats = job.iterate(state)
        history.append(stats)
        keep(RunPoint(state, tuple(history), max(job.team.crew.peak_bytes, earlier_bytes)))
        yield job.snapshot(state.map.volume, stats)
        stopped = should_stop()
    if job.group.order > 1 and history[-1].phase == "initial":  # stopped before the axes were sought
        state = job.with_symmetry(state)
    posed = yield from pose_all(job, state, history[-1], pause, partial(job.snapshot, state.map.volume))
    history.append(posed.stats)
    yield job.snapshot(posed.volumes, posed.stats)
    return RunResult(
        volumes=enlarge(posed.volumes, particles.box_px),
        pixel_size_angstrom=particles.pixel_size_angstrom,
        poses=posed.table,
        iterations=tuple(history),
        resolution_angstrom=posed.stats.resolution_angstrom,
        device_name=job.team.crew.label,
        peak_device_bytes=max(job.team.crew.peak_bytes, earlier_bytes),
        stopped_early=stopped,
        converged=job.has_converged(state),
        classes=class_reports(
            posed, particles.box_angstrom, job.plan.initial_radius, job.group, balanced=params.balance_views
        ),
        similarity=class_similarity_matrix(posed.volumes, COMPARED_RADII * job.plan.initial_radius),
        symmetry=job.group.name,
        notes=(*state.classes.notes, *job.team.crew.notes),
        half_volumes=posed.half_volumes,
    )


class AbInitio(RunParts):
    """The steps of one run, on the parts that do them."""

    def start(self, initial_volume: NDArray[np.float32] | None = None) -> RunState:
        """Random maps with the power of the images, and noise at which they decide nothing."""
        params, radius = self.params, self.plan.initial_radius
        sample = self.sampler.draw(0, min(NOISE_SAMPLE, self.sampler.count))
        noise = initial_noise(params, self.preparer, sample)
        updater = self.updater(radius)
        areas = self.rings.plane.ring_areas[: int(radius)]
        power = self.loader.load(sample, noise.background).power
        signal = signal_power(power[: len(areas)], self.preparer.window_power * noise.background[: len(areas)], areas)
        mean_ctf_squared = 1.0 if self.particles.ctf is None else MEAN_CTF_SQUARED
        volumes = self._first_maps(updater.side, initial_volume)
        volumes = np.stack(
            [
                scale_to_signal(*pair, signal, areas, mean_ctf_squared)
                for pair in zip(volumes, updater.sliceable(volumes), strict=True)
            ]
        )
        progress = first_progress(self.plan)
        first = self.sampler.draw_clear(0, minibatch_size(self.plan, params, progress, self.sampler.count))
        levels, shifts = stages(radius, DENSE), shift_grid(params, radius)
        scale = params.noise_initial_scale or self._inflation(first, volumes, noise, shifts, levels)
        noise = replace(noise, initial_scale=scale)
        watch = ClassWatch.of(params.classes)
        balance = ViewBalance.of(self.sampler.count) if params.balance_views else None
        return RunState(progress, updater.start(volumes), noise, Monitor.of(volumes), 0, watch, balance=balance)

    def _inflation(
        self, rows: NDArray[np.int64], volumes: NDArray[np.float32], noise: NoiseModel, shifts: ShiftGrid,
        levels: tuple[Stage, ...],
    ) -> float:  # fmt: skip
        """Of the noise of the first minibatch, taken in pieces where the device has too little memory for it."""
        while True:
            try:
                slices = self.search.prepare(self.on_device(volumes), np.eye(3), levels)
                pieces = [rows[piece] for piece in self.worker.pieces(len(rows))]
                return find_inflation(
                    pieces, slices, noise, self.params.target_ess_fraction, shifts, levels, self.loader, self.search
                )
            except DeviceMemoryError as error:
                self.worker.take_fewer(len(rows), error)

    def _first_maps(self, side: int, initial_volume: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """Random maps, or random variants of one, (K, side, side, side)."""
        generators = [self.sampler.start(number) for number in range(self.params.classes)]
        if initial_volume is None:
            return np.stack([random_map(generator, side, self.params) for generator in generators])
        (given,) = resize_maps(initial_volume[None], side)
        return np.stack([map_variant(given, generator, self.params) for generator in generators])

    def iterate(self, state: RunState) -> tuple[RunState, IterationStats]:
        """One step of online EM."""
        began = time.perf_counter()
        params, now, variance = self.params, state.progress, state.noise.variance
        rows, drawn = self.minibatch(state, now)
        turn = self.sampler.turn(now.iteration)
        levels = stages(now.radius, DENSE if now.phase == "initial" else LEARNING)
        symmetric = self.is_symmetric(now)
        updater = self.updater(now.radius, symmetric=symmetric)
        before = state.map.resized(updater.side)

        sight = Sight(before.volume, turn, shift_grid(params, now.radius), levels, variance)
        ahead, _ = self.minibatch(drawn, replace(now, iteration=now.iteration + 1))
        blending = state.classes.held_together(class_similarity(params, now))
        if now.phase == "final":
            blending = state.classes.settled()
        searched = self.team.expect(sight, rows, ahead, now.iteration, blending)
        grid = self.grid(updater, now.radius, symmetric=symmetric, residual=True)
        is_posed = state.balance is not None and now.phase != "initial"
        step = self.team.maximise(searched, grid, used=True if is_posed else None)
        found = step.figures
        gradient = self.gradient(step, variance, updater, now.radius, symmetric=symmetric)
        updated = updater.step(before, gradient, learning_rate(self.plan, params, now), now.radius)
        noise = state.noise.with_images(self._noise_power(gradient, state.noise), len(rows))
        monitor = state.monitor.after(now, updated, updater, self.plan)
        watch = state.classes.after(found.map_evidence)
        if now.phase != "final":
            updated, watch = self._reseeded(updated, watch, now)
        recognition = state.recognition.after(found.log_evidence.mean(), counts=self.has_settled(now))
        progress = next_progress(now, self.plan, params, monitor.half_correlation, recognition)
        watch = self.noted(watch, now, progress)
        after = replace(
            drawn, progress=progress, map=updated, noise=noise, monitor=monitor, classes=watch, recognition=recognition
        )
        if drawn.balance is not None and step.poses is not None:
            after = replace(after, balance=drawn.balance.seen(step.poses))
        if self.is_symmetric(progress) and not symmetric:
            after = self.with_symmetry(after)
        stats = self._stats(replace(state, map=before), after, found, time.perf_counter() - began)
        if params.verify_bound > 0.0 and (now.iteration + 1) % AUDIT_EVERY == 0:
            audited = self.sampler.audited(now.iteration, rows, params.verify_bound)
            stats = replace(stats, audit=self.audit(audited, sight))
        return after, stats

    def _reseeded(self, maps: MapState, watch: ClassWatch, now: Progress) -> tuple[MapState, ClassWatch]:
        """Start empty classes anew, each from a variant of the map of the largest class, and as strong."""
        largest = maps.volume[int(watch.shares.argmax())]
        strength = np.sqrt(np.mean(largest**2))
        for number in watch.empty:
            generator = self.sampler.start(self.params.classes * (1 + int(watch.restarts[number])) + number)
            variant = strength * map_variant(largest, generator, self.params)
            if self.is_symmetric(now):
                variant = self.updater_of(maps.side, symmetric=True).symmetrized(variant[None], self.symmetrizer)[0]
            maps = maps.restarted(number, variant)
            watch = watch.restarted(number, now.iteration)
        return maps, watch

    def is_over(self, state: RunState) -> bool:
        """Whether the last iteration was done, by count or by convergence."""
        now = state.progress
        if self.has_converged(state):
            return True
        return now.phase == "final" and now.iteration - now.phase_start >= self.plan.final_iterations

    def has_converged(self, state: RunState) -> bool:
        """Whether no map changes any more, but those that are noise."""
        return state.monitor.has_converged(state.progress, self.plan)

    def snapshot(self, volumes: NDArray[np.float32], stats: IterationStats) -> Snapshot:
        """The maps and the figures of their iteration."""
        voxel_size = self.particles.box_angstrom / volumes.shape[1]
        return Snapshot(stats, volumes.copy(), voxel_size, self.team.crew.notes)

    def _noise_power(self, gradient: Gradient, noise: NoiseModel) -> NDArray[np.float64]:
        """Residual power as noise variance: the images' window let only a share of the noise through."""
        power = gradient.residual_power / self.preparer.window_power
        power = np.where(np.isnan(power), noise.background, power)
        if self.params.noise_model == "white":
            return np.full_like(power, np.average(power, weights=self.rings.plane.ring_areas))
        return power

    def _stats(self, before: RunState, after: RunState, found: Figures, seconds: float) -> IterationStats:
        now, coarse = before.progress, float(found.ess_rotations.mean())
        return IterationStats(
            iteration=now.iteration + 1,
            iterations=self.plan.iterations_if_waited(now.waited),
            phase=now.phase,
            resolution_angstrom=self.particles.box_angstrom / now.radius,
            fourier_radius=now.radius,
            minibatch=len(found.ess),
            learning_rate=learning_rate(self.plan, self.params, now),
            noise_scale=before.noise.scale,
            ess_rotations=coarse,
            ess_poses=float(found.ess.mean()),
            ess_fraction=coarse / len(rotation_grid(0)),
            angular_step_deg=rotation_grid(found.level).step_deg,
            log_likelihood=float(found.log_evidence.mean()),
            map_change=relative_change(after.map.volume, before.map.volume),
            image_visits=after.images_seen,
            sampled_fraction=float(found.limited.mean()),
            limited_fraction=float(found.limited.mean()),
            seconds=seconds,
            evaluated_fraction=sum(stage.products for stage in found.stages) / found.exhaustive_products,
            stages=found.stages,
            class_shares=tuple(found.class_posterior.mean(axis=0).tolist()),
            class_similarity=class_similarity(self.params, now),
            class_ess=effective_classes(found.class_posterior),
            waiting=now.waits,
            visits_ahead=self.outlook.visits_ahead(None if self.is_over(after) else after.progress, after.images_seen),
        )
