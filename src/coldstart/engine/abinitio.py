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
from coldstart.engine.gradient import Backprojector, Gradient
from coldstart.engine.images import ImagePreparer, MinibatchLoader
from coldstart.engine.monitor import Monitor, relative_change
from coldstart.engine.poses import join_tables, pose_table
from coldstart.engine.sampling import Sampler
from coldstart.engine.schedule import (
    DENSE,
    LEARNING,
    POSING,
    Progress,
    first_progress,
    learning_rate,
    minibatch_size,
    next_progress,
    plan_run,
    shift_grid,
    stages,
)
from coldstart.engine.search import FourierMap, Hypotheses, PoseSearch
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
from coldstart.model.fourier import HalfPlane
from coldstart.model.noise import NoiseModel
from coldstart.model.particles import ImageSource, Particles
from coldstart.model.pose_grid import rotation_grid
from coldstart.model.state import IterationStats, PoseTable, RunResult, Snapshot
from coldstart.params import AbInitioParams

NOISE_SAMPLE = 1000
GRID_MARGIN = 3


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
        self.plane = HalfPlane(self.plan.max_radius)
        self.side = 2 * (int(np.ceil(self.plan.max_radius)) + GRID_MARGIN)
        self.sampler = Sampler(params.seed, min(particles.count, params.particles_to_use or particles.count))
        self.session = session
        self.preparer = ImagePreparer(particles, images, params, self.plane)
        self.loader = MinibatchLoader(session, particles, self.preparer)
        self.search = PoseSearch(session, self.loader, self.plane)
        self.backprojector = Backprojector(session, self.loader, self.search, self.plane, self.side)
        self.updater = MapUpdater(params, self.side)

    def start(self) -> RunState:
        """A random map with the power of the images, and noise at which it decides nothing."""
        params, radius = self.params, self.plan.initial_radius
        sample = self.sampler.draw(0, min(NOISE_SAMPLE, self.sampler.count))
        noise = initial_noise(params, self.preparer, sample)
        volume = random_map(self.sampler.start(), self.side, params)
        power = self.loader.load(sample, noise.background).power
        signal = signal_power(power, self.preparer.window_power * noise.background, self.plane, int(radius))
        mean_ctf_squared = 1.0 if self.particles.ctf is None else MEAN_CTF_SQUARED
        sliceable = self.updater.sliceable(volume)
        volume = scale_to_signal(volume, sliceable, signal, self.plane, int(radius), mean_ctf_squared)
        progress = first_progress(self.plan)
        first = self.sampler.draw(0, minibatch_size(params, progress, self.sampler.count))
        coarse_radius, shifts = stages(radius, DENSE)[0].radius, shift_grid(params, radius)
        scale = params.noise_initial_scale or find_inflation(
            first,
            self._on_device(volume),
            noise,
            params.target_ess_fraction,
            coarse_radius,
            shifts,
            self.loader,
            self.search,
        )
        noise = replace(noise, initial_scale=scale)
        return RunState(progress, self.updater.start(volume), noise, Monitor.of(volume), 0)

    def iterate(self, state: RunState) -> tuple[RunState, IterationStats]:
        """One step of online EM."""
        began = time.perf_counter()
        params, now, variance = self.params, state.progress, state.noise.variance
        rows = self.sampler.draw(state.visits, minibatch_size(params, now, self.sampler.count))
        turn = self.sampler.turn(now.iteration)
        volume = self._on_device(state.map.volume)
        levels = stages(now.radius, DENSE if now.phase == "initial" else LEARNING)

        batch = self.loader.load(rows, variance)
        rng = self.sampler.search(now.iteration)
        found = self.search.run(batch, volume, turn, shift_grid(params, now.radius), levels, rng)
        gradient = self.backprojector.run(batch, found, volume, turn, now.radius, variance)
        updated = self.updater.step(state.map, gradient, learning_rate(params, now), now.radius)
        noise = state.noise.with_images(self._noise_power(gradient, state.noise), len(batch))
        monitor = state.monitor.after(now, updated, self.updater)
        progress = next_progress(now, self.plan, params, monitor.half_correlation)

        after = RunState(progress, updated, noise, monitor, state.visits + len(batch))
        return after, self._stats(state, after, found, len(rows), time.perf_counter() - began)

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
        shifts, levels = shift_grid(self.params, radius), stages(radius, POSING)
        volume = self._on_device(state.map.volume)
        rows = self.sampler.drawn(state.visits)
        tables: list[PoseTable] = []
        total = Gradient.zero(self.side, len(self.plane.shell_sizes))
        for part in np.array_split(rows, -(-len(rows) // self.params.final_minibatch)):
            batch = self.loader.load(part, variance)
            found = self.search.run(batch, volume, turn, shifts, levels, rng=None)
            total += self.backprojector.run(batch, found, volume, turn, radius, variance)
            tables.append(pose_table(part, found, turn, shifts, self.particles.box_angstrom))
        table = join_tables(tables)
        stats = replace(
            last,
            phase="posing",
            minibatch=len(rows),
            ess_poses=float(table.ess.mean()),
            angular_step_deg=rotation_grid(levels[-1].level).step_deg,
            log_likelihood=float(table.log_likelihood.mean()),
            seconds=time.perf_counter() - began,
        )
        return table, self.updater.solution(total, radius), stats

    def snapshot(self, volume: NDArray[np.float32], stats: IterationStats) -> Snapshot:
        """A map and the figures of its iteration."""
        return Snapshot(stats, volume[None].copy(), self.particles.box_angstrom / self.side)

    def _on_device(self, volume: NDArray[np.float32]) -> FourierMap:
        return FourierMap(self.session.upload("volume", self.updater.sliceable(volume)), PADDING)

    def _noise_power(self, gradient: Gradient, noise: NoiseModel) -> NDArray[np.float64]:
        """Residual power as noise variance: the images' window let only a share of the noise through."""
        power = gradient.residual_power / self.preparer.window_power
        power = np.where(np.isnan(power), noise.background, power)
        if self.params.noise_model == "white":
            return np.full_like(power, np.average(power, weights=self.plane.shell_sizes))
        return power

    def _stats(
        self, before: RunState, after: RunState, found: Hypotheses, images: int, seconds: float
    ) -> IterationStats:
        now, coarse = before.progress, float(found.ess_rotations.mean())
        return IterationStats(
            iteration=now.iteration + 1,
            iterations=self.plan.iterations,
            phase=now.phase,
            resolution_angstrom=self.particles.box_angstrom / now.radius,
            fourier_radius=now.radius,
            minibatch=images,
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
            seconds=seconds,
        )


def _check_supported(params: AbInitioParams) -> None:
    if params.classes != 1:
        raise ParameterError(f"--classes {params.classes}: only one class can be reconstructed as yet; use --classes 1")
    if params.symmetry.upper() != "C1":
        raise ParameterError(f"--symmetry {params.symmetry}: only C1 can be imposed as yet; use --symmetry C1")
