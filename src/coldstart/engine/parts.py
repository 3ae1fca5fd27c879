"""What a run is made of: its plan, its parts, and the record that passes from iteration to iteration."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from coldstart.compute.session import Session
from coldstart.engine.audit import Auditor
from coldstart.engine.balance import ViewBalance
from coldstart.engine.clarity import clear_particles
from coldstart.engine.classes import ClassWatch
from coldstart.engine.gradient import Gradient, gradient_of
from coldstart.engine.images import ImagePreparer, mean_power
from coldstart.engine.monitor import Monitor
from coldstart.engine.outlook import Outlook
from coldstart.engine.plan import plan_run
from coldstart.engine.recognition import NOTHING_KNOWN, Recognition
from coldstart.engine.rings import ring_planes
from coldstart.engine.sampling import Sampler
from coldstart.engine.schedule import Progress, is_late, minibatch_size
from coldstart.engine.search import MapSlices
from coldstart.engine.share import Grid, Part, Sight
from coldstart.engine.slices import FourierMap
from coldstart.engine.stage import finest_level
from coldstart.engine.symmetrizer import INSERTION_PADDING, Symmetrizer
from coldstart.engine.team import DeviceCrew, MakeCrew, Team
from coldstart.engine.update import MapState, MapUpdater
from coldstart.engine.worker import Worker
from coldstart.model.alignment import place_map
from coldstart.model.axes import find_axes
from coldstart.model.noise import NoiseModel
from coldstart.model.particles import ImageSource, Particles
from coldstart.model.state import BoundAudit, IterationStats
from coldstart.model.symmetry import point_group
from coldstart.params import AbInitioParams

GRID_MARGIN = 3
GRID_STEP = 8
SYMMETRIC = 0.5
"""Correlation of a map with itself, under the operators of a point group, from which it shows that symmetry."""


@dataclass(frozen=True, slots=True)
class RunState:
    """What one iteration hands to the next.

    Attributes
    ----------
    visits, clear_visits : int
        Turns of particles so far, repeats counted: of all particles, and early on of the clear ones.
    classes : ClassWatch
        How the classes share the images.
    balance : ViewBalance or None
        From where the particles are seen; None where views are not evened out.
    recognition : Recognition
        Whether the images recognise the maps.
    """

    progress: Progress
    map: MapState
    noise: NoiseModel
    monitor: Monitor
    visits: int
    classes: ClassWatch
    clear_visits: int = 0
    balance: ViewBalance | None = None
    recognition: Recognition = NOTHING_KNOWN

    @property
    def images_seen(self) -> int:
        """Visits less those at which a particle was passed over."""
        return self.visits + self.clear_visits - (0 if self.balance is None else self.balance.passed_over)


@dataclass(frozen=True, slots=True)
class RunPoint:
    """All that a run needs to go on: with it, the iterations that follow are those of a run that was never left.

    Attributes
    ----------
    state : RunState
        After the last iteration of `history`.
    history : tuple of IterationStats
        Every iteration so far, at least one.
    peak_device_bytes : int
        Most memory in use on the device so far.
    """

    state: RunState
    history: tuple[IterationStats, ...]
    peak_device_bytes: int


def alone(worker: Worker) -> DeviceCrew:
    """The crew of a run on one device."""
    return DeviceCrew((worker,))


class RunParts:
    """The parts of one run, put together for its particles and parameters."""

    def __init__(
        self, particles: Particles, images: ImageSource, params: AbInitioParams, session: Session,
        preparer: ImagePreparer | None = None, make_crew: MakeCrew = alone,
    ) -> None:  # fmt: skip
        self.particles = particles
        self.params = params
        self.group = point_group(params.symmetry)
        count = min(particles.count, params.particles_to_use or particles.count)
        self.plan = plan_run(params, particles.box_px, particles.box_angstrom, self.group.order, count)
        clear = clear_particles(particles.ctf, count, self.plan.initial_radius, particles.box_angstrom, params.classes)
        self.sampler = Sampler(params.seed, count, clear)
        self.session = session
        self.worker = worker = Worker(particles, images, params, session, preparer)
        self.rings, self.preparer = worker.rings, worker.preparer
        self.loader, self.search, self.backprojector = worker.loader, worker.search, worker.backprojector
        self.auditor = Auditor(session, self.loader, self.search)
        self.team = Team(make_crew(worker))
        self._updaters: dict[tuple[int, bool], MapUpdater] = {}

    def updater(self, radius: float, *, symmetric: bool = False) -> MapUpdater:
        """The updater on the grid that serves a radius, of symmetric maps or not: maps grow with the resolution."""
        return self.updater_of(grid_side(radius), symmetric=symmetric)

    def updater_of(self, side: int, *, symmetric: bool) -> MapUpdater:
        """The updater of maps of `side` points."""
        if (side, symmetric) not in self._updaters:
            group = self.group if symmetric else point_group("C1")
            self._updaters[side, symmetric] = MapUpdater(self.params, side, group)
        return self._updaters[side, symmetric]

    def minibatch(self, state: RunState, now: Progress) -> tuple[NDArray[np.int64], RunState]:
        """The particles of an iteration, early on out of the clear ones, then out of all; the state with them drawn."""
        size = minibatch_size(self.plan, self.params, now, self.sampler.count, state.classes.growth)
        if not is_late(self.params, now):
            rows = self.sampler.draw_clear(state.clear_visits, size)
            return rows, replace(state, clear_visits=state.clear_visits + size)
        if state.balance is None:
            return self.sampler.draw(state.visits, size), replace(state, visits=state.visits + size)
        rows, visits, balance = state.balance.minibatch(self.sampler, state.visits, size, self.group)
        return rows, replace(state, visits=visits, balance=balance)

    @cached_property
    def outlook(self) -> Outlook:
        """What is still to come."""
        return Outlook(self.plan, self.params, self.sampler.count)

    @cached_property
    def symmetrizer(self) -> Symmetrizer:
        """Imposes the point group; without one it is never asked for, nor its kernel built."""
        return Symmetrizer(self.session, self.group)

    def has_settled(self, now: Progress) -> bool:
        """Whether the start has settled: from the middle of the initial phase on."""
        return now.iteration >= self.plan.initial_iterations // 2

    def noted(self, watch: ClassWatch, now: Progress, following: Progress) -> ClassWatch:
        """With a note where the march goes on though it has waited in vain."""
        if now.found or not following.found or now.waited < self.plan.waiting_iterations:
            return watch
        angstrom = self.particles.box_angstrom / self.plan.waiting_radius
        return watch.noted(
            f"The images did not recognise the map in {now.waited} iterations at {angstrom:.0f} Å: it may be wrong. "
            "Compare several starts, or try more or cleaner particles."
        )

    def is_symmetric(self, now: Progress) -> bool:
        """Whether the point group is imposed: not before the initial phase has found what its axes are."""
        return self.group.order > 1 and now.phase != "initial"

    def with_symmetry(self, state: RunState) -> RunState:
        """Each map turned into the frame of the point group and averaged over the group, to go on from there."""
        volumes, watch = [], state.classes
        for number, volume in enumerate(state.map.volume, 1):
            found = find_axes(volume, self.group, self.plan.initial_radius)
            volumes.append(place_map(volume, found).astype(np.float32))
            if found.score < SYMMETRIC:
                watch = watch.noted(
                    f"Map {number} showed little of the symmetry {self.group.name} when it was imposed (correlation "
                    f"with itself {found.score:.2f}). Compare with a run in C1."
                )
        updater = self.updater_of(state.map.side, symmetric=True)
        maps = updater.start(updater.symmetrized(np.stack(volumes), self.symmetrizer))
        return replace(state, map=maps, classes=watch)

    def on_device(self, volumes: NDArray[np.float32]) -> FourierMap:
        """Maps (K, side, side, side) on the run's own device, ready to be sliced."""
        return self.worker.on_device(volumes)

    def audit(self, rows: NDArray[np.int64], sight: Sight) -> BoundAudit:
        """What the search of these particles loses; it is searched again, on the run's own device."""
        volume = MapSlices(self.on_device(sight.volumes), sight.turn, ())  # the audit makes its own slices
        return self.auditor.audit(rows, sight.noise_variance, volume, sight.shifts, sight.stages)

    def grid(self, updater: MapUpdater, radius: float, *, symmetric: bool, residual: bool) -> Grid:
        """The grid that the M-step of an updater's maps takes."""
        padding = INSERTION_PADDING if symmetric else 1
        return Grid(radius, padding * updater.side, padding, residual)

    def gradient(
        self, step: Part, variance: NDArray[np.float64], updater: MapUpdater, radius: float, *, symmetric: bool
    ) -> Gradient:
        """What a minibatch says about the maps, from the sums of its shares."""
        if step.sums is None:
            raise ValueError("a step without sums has no gradient")
        power = mean_power(step.figures.image_power, step.figures.noise_left)
        symmetrizer = self.symmetrizer if symmetric else None
        images = len(step.figures.ess)
        return gradient_of(step.sums, power, images, variance, radius, updater.side, symmetrizer)


def prepare_images(
    particles: Particles, images: ImageSource, params: AbInitioParams, devices: int = 1
) -> ImagePreparer:
    """Images as runs of these parameters take them, whatever their classes, symmetry and seed; one a device."""
    radius = plan_run(params, particles.box_px, particles.box_angstrom).max_radius
    plane = ring_planes(finest_level(radius), int(radius))[-1]
    return ImagePreparer(particles, images, params, plane, devices)


def grid_side(radius: float) -> int:
    """Points along an edge of the map at a radius, a multiple of GRID_STEP, for which Fourier transforms are fast."""
    return -(-2 * (int(np.ceil(radius)) + GRID_MARGIN) // GRID_STEP) * GRID_STEP
