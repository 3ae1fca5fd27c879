"""Everything that changes with the iteration, as pure functions of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coldstart.engine.recognition import NOTHING_KNOWN, Recognition
from coldstart.engine.rings import FINEST_LEVEL
from coldstart.engine.stage import Stage
from coldstart.model.pose_grid import COARSE_STEP_DEG, ShiftGrid
from coldstart.model.state import Phase
from coldstart.params import AbInitioParams

NYQUIST_MARGIN = 1
COARSE_RADIUS = 8.0
"""The coarse grid of shifts follows this radius."""

DENSE_RADIUS = 10.0
"""Radius up to which the coarse grid is scored: finer detail waits for the finer stages."""

CELL_RADIUS = 6.0
"""Times 2 to the level, the radius up to which the cells of a level above the last are compared."""


@dataclass(frozen=True, slots=True)
class Thoroughness:
    """How much of an image's posterior a search follows.

    Attributes
    ----------
    omitted : float
        Mass that a stage may drop before it is refined.
    omitted_last : float
        Mass that the M-step may do without.
    limits : tuple of int
        Most hypotheses that an image keeps at each level; the last entry goes for all further ones.
    step_radians : float
        The last level is the first whose angular step d has d R <= step_radians at radius R. At 2 the edge of a
        particle of half the box moves by half a period of the finest wave in a step.
    bounded : bool
        Whether cells are kept that the bound does not rule out, however little mass they seem to hold, and the poses
        around the best ones are looked at too.
    """

    omitted: float
    omitted_last: float
    limits: tuple[int, ...]
    step_radians: float = 2.1
    bounded: bool = False

    def limit(self, level: int) -> int:
        """Most hypotheses that an image keeps at a level."""
        return self.limits[min(level, len(self.limits) - 1)]


LEARNING = Thoroughness(omitted=1e-3, omitted_last=0.03, limits=(16,))
DENSE = Thoroughness(omitted=1e-2, omitted_last=0.03, limits=(64,))
POSING = Thoroughness(omitted=1e-6, omitted_last=0.01, limits=(128, 48, 16), step_radians=1.0, bounded=True)
SWEEPS = 2
"""How often the poses around the best ones are looked at: the best one may be two steps from what is left of it."""

SEED_OMITTED = 1e-3
"""Mass that may be left out of the poses around which a sweep looks: it is for the best ones."""


SHIFT_PERIODS = 1 / 3

MARCH_FROM, MARCH_FULL, FASTEST_MARCH = 0.5, 0.9, 3.0
"""Half-map correlations at the edge of the band from which the march quickens, and at which it is this much faster."""

STEP_IMAGES = 90
"""Images a class for which `fourier_radius_step` is: larger minibatches teach the map more, and take larger steps."""

ROUNDING = 1e-9
"""Of a radius that is a sum of steps."""

WAITING_RADIUS = 1.4
"""Times the initial radius: there the march waits, since with finer detail an image says more of its pose."""

EARLY_MINIBATCH, LARGE_EARLY_MINIBATCH = 90, 300
"""Early minibatches where they are chosen automatically; large ones for small boxes and high symmetry."""

LATE_MINIBATCH = 1000
"""Late ones: an iteration has to make the slices of all views, which takes as long as some hundred images do."""

SMALL_BOX_ANGSTROM = 220.0

WAITING_LEARNING_RATE = 0.3
"""While the march waits a map is to remember few images, some 500 of them: what is wrong in it is then not for long."""

LATE_LEARNING_RATE, RATE_IMAGES = 0.1, 300
"""The least rate before the final phase, and the images a class for which rates are: those of larger minibatches are
higher, so that a map remembers as many images."""

LEARNING_RATE_POWER = 0.6


@dataclass(frozen=True, slots=True)
class Plan:
    """The radii of a run and the most iterations that it may take.

    Attributes
    ----------
    initial_radius, max_radius : float
        Fourier radii, cycles a box.
    initial_iterations, marching_iterations, final_iterations : int
        At most.
    initial_minibatch, final_minibatch : int
        Images in an iteration, early and late.
    symmetry_order : int
        Operators of the point group.
    waiting_iterations : int
        Iterations, at most, for which the march waits for the map.
    classes : int
    """

    initial_radius: float
    max_radius: float
    initial_iterations: int
    marching_iterations: int
    final_iterations: int
    initial_minibatch: int
    final_minibatch: int
    symmetry_order: int = 1
    waiting_iterations: int = 0
    classes: int = 1

    @property
    def iterations(self) -> int:
        """All of them, at most."""
        return self.initial_iterations + self.marching_iterations + self.waiting_iterations + self.final_iterations

    def iterations_from(self, now: Progress) -> int:
        """All of them, at most, should the march wait no longer than it has."""
        return self.iterations - self.waiting_iterations + now.waited

    @property
    def waiting_radius(self) -> float:
        """Fourier radius at which the march waits."""
        return WAITING_RADIUS * self.initial_radius

    def weight(self, images: float, *, late: bool) -> float:
        """How much more a minibatch teaches each class than so many images a class would, but no less than they do."""
        size = self.final_minibatch if late else self.initial_minibatch
        return max(size / (images * self.classes), 1.0)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands.

    Attributes
    ----------
    iteration : int
        0-based.
    phase : {"initial", "marching", "final"}
    phase_start : int
        First iteration of the phase.
    radius : float
        Fourier radius of this iteration.
    waited : int
        Iterations for which the march has waited.
    found : bool
        Whether it waits no longer: the images recognise the map, or it has waited for as long as it may.
    """

    iteration: int
    phase: Phase
    phase_start: int
    radius: float
    waited: int = 0
    found: bool = True

    @property
    def waits(self) -> bool:
        """Whether the march waits in this iteration."""
        return self.waited > 0 and not self.found


def plan_run(
    params: AbInitioParams, box_px: int, box_angstrom: float, symmetry_order: int = 1, particles: int | None = None
) -> Plan:
    """Radii from resolutions, kept inside the image's Nyquist radius, and the sizes of minibatches.

    Sizes that are left to the program are half as many more for each further class. None is larger than `particles`,
    where these are known.
    """
    highest = box_px / 2 - NYQUIST_MARGIN
    max_radius = min(box_angstrom / params.max_resolution_angstrom, highest)
    initial_radius = min(box_angstrom / params.initial_resolution_angstrom, max_radius)
    waits = WAITING_RADIUS * initial_radius < max_radius and params.waiting_iterations > 0
    large = box_angstrom < SMALL_BOX_ANGSTROM or symmetry_order > 4
    early, late = (
        size * (params.classes + 1) // 2
        for size in (LARGE_EARLY_MINIBATCH if large else EARLY_MINIBATCH, LATE_MINIBATCH)
    )
    early, late = params.initial_minibatch or early, params.final_minibatch or late
    plan = Plan(
        initial_radius, max_radius, params.initial_iterations, 0, params.final_iterations,
        min(early, particles or early), min(late, particles or late), symmetry_order,
        params.waiting_iterations if waits else 0, params.classes,
    )  # fmt: skip
    return replace(plan, marching_iterations=_marching_iterations(plan, params))


def _marching_iterations(plan: Plan, params: AbInitioParams) -> int:
    """At most: steps are the smallest, first those of early minibatches, the last of which ends the wait."""
    early, late = (radius_step(plan, params, late=late) for late in (False, True))
    waits = plan.waiting_iterations > 0
    here = plan.waiting_radius if waits else plan.initial_radius
    waiting = _steps(here - plan.initial_radius, early)
    switch = late_from(params) - params.initial_iterations
    before = min(_steps(plan.max_radius - here, early), max(switch + 1 - waiting, int(waits)))
    after = _steps(plan.max_radius - here - before * early, late)
    blurred = max(_blurred_until(params) - params.initial_iterations, 0)
    return max(waiting + before + after, blurred)


def _steps(distance: float, step: float) -> int:
    return max(int(np.ceil((distance - ROUNDING) / step)), 0)


def _blurred_until(params: AbInitioParams) -> int:
    """The iteration at which images no longer go to all classes alike, 0 where they never did."""
    return params.class_similarity_end if params.classes > 1 and params.class_similarity > 0.0 else 0


def radius_step(plan: Plan, params: AbInitioParams, *, late: bool) -> float:
    """Smallest increase of the radius in an iteration, cycles a box: it follows the images that a class has had."""
    return params.fourier_radius_step * plan.weight(STEP_IMAGES, late=late)


def first_progress(plan: Plan) -> Progress:
    """The first iteration."""
    return Progress(0, "initial", 0, plan.initial_radius, found=plan.waiting_iterations == 0)


def next_progress(
    now: Progress, plan: Plan, params: AbInitioParams, half_correlation: NDArray[np.float64],
    recognition: Recognition = NOTHING_KNOWN,
) -> Progress:  # fmt: skip
    """The iteration after this one, given the correlation of the halves of each map by shell, (K, shells).

    Until the images recognise the map the radius rises no further than to where the march waits.

    While the halves of a map agree at the edge of the band, the radius marches faster than its smallest step. Halves in
    which every image counts under all operators of a point group are judged as those without symmetry would agree (the
    Spearman-Brown formula). The final phase waits until the classes are no longer blurred into each other.
    """
    iteration = now.iteration + 1
    if now.phase == "initial" and iteration < plan.initial_iterations:
        return replace(now, iteration=iteration)
    start = now.phase_start if now.phase == "marching" else iteration
    marching = replace(now, iteration=iteration, phase="marching", phase_start=start)
    if now.radius >= plan.max_radius:
        if class_similarity(params, marching) > 0.0:
            return marching
        start = now.phase_start if now.phase == "final" else iteration
        return replace(now, iteration=iteration, phase="final", phase_start=start, radius=plan.max_radius)
    if not now.found and now.radius >= plan.waiting_radius:
        if not recognition.has_come and now.waited < plan.waiting_iterations:
            return replace(marching, waited=now.waited + 1)
        marching = replace(marching, found=True)
    band = half_correlation[:, max(int(now.radius) - 2, 1) : int(now.radius) + 1]
    edge = max(float(band.mean(axis=1).max()), 0.0) if band.size else 0.0  # empty where it was not looked at yet
    edge = edge / (plan.symmetry_order - (plan.symmetry_order - 1) * edge)
    speed = 1.0 + (FASTEST_MARCH - 1.0) * np.clip((edge - MARCH_FROM) / (MARCH_FULL - MARCH_FROM), 0.0, 1.0)
    end = plan.max_radius if marching.found else plan.waiting_radius
    radius = now.radius + float(speed) * radius_step(plan, params, late=is_late(params, now))
    return replace(marching, radius=radius if radius < end - ROUNDING else end)


def class_similarity(params: AbInitioParams, now: Progress) -> float:
    """Share of every image that goes to all classes alike: constant, then falling to 0; 0 with one class.

    Iterations for which the march waited do not count.
    """
    iteration = now.iteration - now.waited
    start, end = params.class_similarity_start, params.class_similarity_end
    if params.classes == 1 or iteration >= end:
        return 0.0
    return params.class_similarity * min(1.0, (end - iteration) / max(end - start, 1))


def is_late(params: AbInitioParams, now: Progress) -> bool:
    """Whether minibatches are those of the later iterations: of their size, and drawn from all particles.

    They are not before the march has passed where it waits, nor as long as classes are blurred into each other.
    """
    return now.phase == "final" or (now.found and now.iteration - now.waited >= late_from(params))


def late_from(params: AbInitioParams) -> int:
    """The first iteration that may have a late minibatch, those that waited not counted."""
    return max(params.minibatch_switch_iteration, _blurred_until(params))


def minibatch_size(plan: Plan, params: AbInitioParams, now: Progress, particles: int, growth: float = 1.0) -> int:
    """Images in an iteration; sizes that are left to the program grow for the sake of small classes."""
    late = is_late(params, now)
    given = params.final_minibatch if late else params.initial_minibatch
    size = plan.final_minibatch if late else plan.initial_minibatch
    return min(size if given else int(growth * size), particles)


def learning_rate(plan: Plan, params: AbInitioParams, now: Progress) -> float:
    """Weight of a minibatch: constant, then falling as a power, in the final phase as one over its iterations.

    It is high again while the march waits. That of a larger minibatch is what several small ones weigh together.
    """
    if now.iteration < params.learning_rate_duration:
        return params.learning_rate
    if now.waits:
        return min(WAITING_LEARNING_RATE, params.learning_rate)
    fall = float((max(params.learning_rate_duration, 1) / (now.iteration + 1)) ** LEARNING_RATE_POWER)
    rate = max(params.learning_rate * fall, min(LATE_LEARNING_RATE, params.learning_rate))
    if is_late(params, now):
        rate = 1.0 - (1.0 - rate) ** plan.weight(RATE_IMAGES, late=True)
    if now.phase != "final":
        return rate
    return 1.0 / (1.0 / rate + 0.5 * (now.iteration - now.phase_start))


def shift_grid(params: AbInitioParams, radius: float) -> ShiftGrid:
    """The shifts that go with the stages of a radius: a coarse step is SHIFT_PERIODS of the finest coarse wave."""
    return ShiftGrid(params.shift_extent, SHIFT_PERIODS / min(radius, COARSE_RADIUS))


def finest_level(radius: float, step_radians: float = LEARNING.step_radians) -> int:
    """The first level whose step follows a radius."""
    level = 0
    while np.deg2rad(COARSE_STEP_DEG / (1 << level)) * radius > step_radians:
        level += 1
    return level


def stages(radius: float, care: Thoroughness, sigmas: float = 0.0) -> tuple[Stage, ...]:
    """Steps of the search at a radius: the angular step follows the resolution.

    Parameters
    ----------
    sigmas : float
        Of the bound, for a search that keeps to it.
    """
    finest = finest_level(radius, care.step_radians)
    reach = [min(radius, DENSE_RADIUS), *(min(radius, CELL_RADIUS * 2**level) for level in range(1, finest))]
    steps = [
        Stage(level, r, care.omitted, care.limit(level), sigmas if care.bounded and level <= FINEST_LEVEL else 0.0)
        for level, r in enumerate(reach[:finest])
    ]
    swept = min(finest - 1, FINEST_LEVEL)
    if care.bounded and swept > 0:
        seeds = replace(steps[swept], omitted=SEED_OMITTED)
        steps[swept : swept + 1] = [seeds, *SWEEPS * [replace(steps[swept], sweep=True)]]
    return (*steps, Stage(finest, radius, care.omitted_last, care.limit(finest)))
