"""How fast the E-step and the M-step are on a stack, by stage and kernel, and how much of the poses they evaluate."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from coldstart.compute.profile import Launch, required_profile
from coldstart.compute.session import Session
from coldstart.compute.tuning import Tuning
from coldstart.engine.abinitio import AbInitio
from coldstart.engine.bench_map import BenchMap, device_map
from coldstart.engine.expectation import Hypotheses
from coldstart.engine.gradient import Gradient
from coldstart.engine.memory import memory_rates
from coldstart.engine.peak import MatrixProduct, device_peak_gflops, numpy_product
from coldstart.engine.search import MapSlices
from coldstart.engine.stage import LEARNING, POSING, Stage, shift_grid, stages
from coldstart.engine.work import FLOP, KernelTime, kernel_times
from coldstart.model.particles import ImageSource, Particles
from coldstart.model.pose_grid import rotation_grid
from coldstart.model.state import StageCount, add_stages
from coldstart.params import AbInitioParams

SearchKind = Literal["learning", "posing"]

GRID_KERNELS = ("image_harmonics", "slice_harmonics", "score_grid")
"""What scores the coarse grid."""

FIRST_OF_A_STAGE = "select_points"
"""Each stage begins with the images on its points."""

RATE = 0.1
STEPS = ("load", "slices", "search", "back-projection", "update")


@dataclass(frozen=True, slots=True)
class StageTime:
    """One stage of the search; `count` as in a run, seconds by the host's clock."""

    count: StageCount
    seconds: float


@dataclass(frozen=True, slots=True)
class GridScore:
    """The dense scores of the coarse grid against the plain matrix product that gives the same energies.

    Attributes
    ----------
    energies : int
        Images times rotations times shifts.
    product_flop : float
        4 for each energy and point: the real part of a complex product.
    seconds : float
        Of the kernels, on the device.
    product : MatrixProduct
        NumPy's rate at the same numbers of rows and points.
    """

    energies: int
    product_flop: float
    seconds: float
    product: MatrixProduct

    @property
    def gflops(self) -> float:
        """Operations of the matrix product a second, in 1e9."""
        return 1e-9 * self.product_flop / self.seconds

    @property
    def product_seconds(self) -> float:
        """What NumPy would take for the matrix product."""
        return 1e-9 * self.product_flop / self.product.gflops


@dataclass(frozen=True, slots=True)
class Bench:
    """What was measured.

    Attributes
    ----------
    device, map_origin : str
    search : {"learning", "posing"}
        As in the iterations of a run, or as in its last pass over all particles.
    images, box_px : int
    radius : float
        Cycles a box.
    angular_step_deg : float
        Of the last stage.
    wall_seconds, cpu_seconds : float
        Of all steps; processor time of all threads.
    steps : dict of str to float
        Seconds by the host's clock of each of STEPS.
    stages : tuple of StageTime
    exhaustive_poses, exhaustive_products : int
        Of a search of the whole last level at the last radius.
    kernels : tuple of KernelTime
    tuning : Tuning
    peak_gflops : float
    memory_rates : dict of str to float
        The device's, as `device_peak_gflops` and `memory_rates` have them.
    grid : GridScore
    """

    device: str
    map_origin: str
    search: SearchKind
    images: int
    box_px: int
    radius: float
    angular_step_deg: float
    wall_seconds: float
    cpu_seconds: float
    steps: dict[str, float]
    stages: tuple[StageTime, ...]
    exhaustive_poses: int
    exhaustive_products: int
    kernels: tuple[KernelTime, ...]
    tuning: Tuning
    peak_gflops: float
    memory_rates: dict[str, float]
    grid: GridScore

    @property
    def images_per_second(self) -> float:
        """By the host's clock, all steps."""
        return self.images / self.wall_seconds

    @property
    def pose_share(self) -> float:
        """Poses scored, over all stages, against exhaustive."""
        return sum(stage.count.candidates for stage in self.stages) / self.exhaustive_poses

    @property
    def product_share(self) -> float:
        """Coefficient products evaluated, over all stages, against exhaustive."""
        return sum(stage.count.products for stage in self.stages) / self.exhaustive_products

    def peak_share(self, kernel: KernelTime) -> float | None:
        """A kernel's rate against the device's peak, where its operations are known."""
        if kernel.unit != FLOP or kernel.rate is None:
            return None
        return 1e-9 * kernel.rate / self.peak_gflops

    def memory_bound_seconds(self, kernel: KernelTime) -> float | None:
        """How long memory takes at the least for what a kernel reads and writes, where its bytes are known."""
        return None if kernel.bytes is None else 1e-9 * kernel.bytes / self.memory_rates[kernel.kernel]

    def times_memory_bound(self, kernel: KernelTime) -> float | None:
        """A kernel's time over that."""
        bound = self.memory_bound_seconds(kernel)
        return kernel.seconds / bound if bound else None


def bench(
    particles: Particles, images: ImageSource, params: AbInitioParams, session: Session, subject: BenchMap, count: int,
    kind: SearchKind,
) -> Bench:  # fmt: skip
    """Measure a search of the particles on a map.

    A first minibatch, of other images, builds kernels and tables and is not timed. Each image is then visited once, its
    first time: it is read and transformed. A run does so once an image, as long as images fit the host memory that it
    may use.

    Parameters
    ----------
    session : Session
        Opened with `profiling`.
    subject : BenchMap
        As made for these particles and parameters.
    count : int
        Images, at most as many as there are beyond the first minibatch.
    kind : {"learning", "posing"}
    """
    profile = required_profile(session.profile)
    job = AbInitio(particles, images, params, session)
    size = min(job.plan.final_minibatch, count, max(job.sampler.count // 2, 1))
    rows = job.sampler.draw(0, min(size + count, job.sampler.count))
    _Measurement(job, subject, kind).take(rows[:size], size)
    profile.clear()
    measured, rows = _Measurement(job, subject, kind), rows[size:] if len(rows) > size else rows
    wall, busy = time.perf_counter(), time.process_time()
    measured.take(rows, size)
    return _summed_up(measured, len(rows), time.perf_counter() - wall, time.process_time() - busy)


def _summed_up(measured: _Measurement, images: int, wall: float, busy: float) -> Bench:
    job, session = measured.job, measured.job.session
    planes = tuple(job.rings.table(level).plane for level in range(job.rings.finest + 1))
    launches = required_profile(session.profile).launches
    kernels, rates = kernel_times(launches, planes), memory_rates(session, launches, planes)
    counts = add_stages(found.stages for found in measured.found)
    last = rotation_grid(measured.levels[-1].level)
    return Bench(
        device=session.info.label,
        map_origin=measured.subject.origin,
        search=measured.kind,
        images=images,
        box_px=job.particles.box_px,
        radius=job.plan.max_radius,
        angular_step_deg=last.step_deg,
        wall_seconds=wall,
        cpu_seconds=busy,
        steps=measured.seconds,
        stages=tuple(StageTime(*pair) for pair in zip(counts, measured.stage_seconds.tolist(), strict=True)),
        exhaustive_poses=images * len(last) * measured.found[0].view.phase.shape[0],
        exhaustive_products=sum(found.exhaustive_products for found in measured.found),
        kernels=kernels,
        tuning=session.tuning,
        peak_gflops=device_peak_gflops(session),
        memory_rates=rates,
        grid=_grid_score(counts[0], kernels, len(measured.found[0].ess)),
    )


@dataclass(slots=True)
class _Measurement:
    """Steps of a run under a clock."""

    job: AbInitio
    subject: BenchMap
    kind: SearchKind
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STEPS, 0.0))
    found: list[Hypotheses] = field(default_factory=list)
    stage_seconds: NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))

    @property
    def radius(self) -> float:
        return self.job.plan.max_radius

    @property
    def levels(self) -> tuple[Stage, ...]:
        """Of the search, as a run has them."""
        if self.kind == "learning":
            return stages(self.radius, LEARNING)
        return stages(self.radius, POSING, self.job.params.bound_sigmas)

    def take(self, rows: NDArray[np.int64], size: int) -> None:
        """Minibatches of some size: in learning each with slices and an update of its own, in posing all with one."""
        volumes = self.subject.volumes
        updater = self.job.updater(self.radius)
        total = Gradient.zero(len(volumes), updater.side, self.job.rings.plane.rings)
        state, slices = updater.start(volumes), None
        for number, start in enumerate(range(0, len(rows), size)):
            if slices is None or self.kind == "learning":
                slices = self._slices(number)
            gradient = self._minibatch(rows[start : start + size], slices, number)
            if self.kind == "learning":
                with self._timed("update"):
                    updater.step(state, gradient, RATE, self.radius)
            total += gradient
        if self.kind == "posing":
            with self._timed("update"):
                updater.solution(total, self.radius)

    def _slices(self, number: int) -> MapSlices:
        turn = self.job.sampler.turn(number) if self.kind == "learning" else np.eye(3)
        with self._timed("slices"):
            return self.job.search.prepare(device_map(self.job, self.subject.volumes), turn, self.levels)

    def _minibatch(self, rows: NDArray[np.int64], slices: MapSlices, number: int) -> Gradient:
        job, launches = self.job, required_profile(self.job.session.profile).launches
        shifts = shift_grid(job.params, self.radius)
        rng = job.sampler.search(number)
        with self._timed("load"):
            batch = job.loader.load(rows, self.subject.noise_variance)
        first, began = len(launches), time.perf_counter()
        with self._timed("search"):
            found = job.search.run(batch, slices, shifts, self.levels, rng)
        ended, stages = time.perf_counter(), len(self.levels)
        self.stage_seconds = self.stage_seconds + stage_seconds(launches[first:], began, ended, stages)
        self.found.append(found)
        with self._timed("back-projection"):
            return job.backprojector.run(batch, found, slices, self.radius, self.subject.volumes.shape[1])

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.job.session.finish()
        self.seconds[step] += time.perf_counter() - began


def stage_seconds(launches: list[Launch], began: float, ended: float, stages: int) -> NDArray[np.float64]:
    """(1 + stages,) float64: seconds by the host's clock of the coarse grid, and of each stage in all looks at it."""
    starts = [launch.enqueued for launch in launches if launch.kernel == FIRST_OF_A_STAGE]
    coarse, *looks = np.diff([began, *starts[1:], ended])
    return np.array([coarse, *np.reshape(looks, (-1, stages)).sum(axis=0)])


def _grid_score(coarse: StageCount, kernels: tuple[KernelTime, ...], rows: int) -> GridScore:
    seconds = sum(time.seconds for time in kernels if time.kernel in GRID_KERNELS)
    points = coarse.products // coarse.candidates
    return GridScore(coarse.candidates, 4.0 * coarse.products, seconds, numpy_product(rows, 2 * points))
