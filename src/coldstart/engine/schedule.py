"""Everything that changes with the iteration, as pure functions of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coldstart.engine.plan import ROUNDING, Plan, late_from, radius_step
from coldstart.engine.recognition import NOTHING_KNOWN, Recognition
from coldstart.model.state import Phase
from coldstart.params import AbInitioParams

MARCH_FROM, MARCH_FULL, FASTEST_MARCH = 0.5, 0.9, 3.0
"""Half-map correlations at the edge of the band from which the march quickens, and at which it is this much faster."""

WAITING_LEARNING_RATE = 0.3
"""While the march waits a map is to remember few images, some 500 of them: what is wrong in it is then not for long."""

LATE_LEARNING_RATE, RATE_IMAGES = 0.1, 300
"""The least rate before the final phase, and the images a class for which rates are: those of larger minibatches are
higher, so that a map remembers as many images."""

LEARNING_RATE_POWER = 0.6


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
