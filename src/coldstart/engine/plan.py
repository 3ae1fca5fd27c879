"""What is settled before a run begins: radii, the sizes of minibatches, the most iterations of each phase."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from coldstart.params import AbInitioParams

NYQUIST_MARGIN = 1
"""Rings that are left out below Nyquist's."""

STEP_IMAGES = 90
"""Images a class for which `fourier_radius_step` is: larger minibatches teach the map more, and take larger steps."""

ROUNDING = 1e-9
"""Of a radius that is a sum of steps."""

WAITING_RADIUS = 1.4
"""Times the initial radius: there the march waits, since with finer detail an image says more of its pose."""

EARLY_MINIBATCH, LATE_MINIBATCH = 90, 1000
"""Minibatches of one class where they are chosen automatically. Late ones are large because an iteration has to make
the slices of all views, which takes as long as some hundred images do."""


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

    def iterations_if_waited(self, waited: int) -> int:
        """All of them, at most, should the march wait for so many."""
        return self.iterations - self.waiting_iterations + waited

    @property
    def waiting_radius(self) -> float:
        """Fourier radius at which the march waits."""
        return WAITING_RADIUS * self.initial_radius

    def weight(self, images: float, *, late: bool) -> float:
        """How much more a minibatch teaches each class than so many images a class would, but no less than they do."""
        size = self.final_minibatch if late else self.initial_minibatch
        return max(size / (images * self.classes), 1.0)


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
    early, late = (size * (params.classes + 1) // 2 for size in (EARLY_MINIBATCH, LATE_MINIBATCH))
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


def late_from(params: AbInitioParams) -> int:
    """The first iteration that may have a late minibatch, those that waited not counted."""
    return max(params.minibatch_switch_iteration, _blurred_until(params))
