"""What is still to come in a run: exactly so on the course that is expected, and never more as another one goes on."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from coldstart.engine.outlook import POSING_VISITS, Outlook
from coldstart.engine.plan import Plan, plan_run
from coldstart.engine.schedule import Progress, first_progress, minibatch_size, next_progress
from coldstart.params import AbInitioParams

PARTICLES = 5000


def made(**changes: object) -> tuple[AbInitioParams, Plan, Outlook]:
    params = AbInitioParams(**changes)
    plan = plan_run(params, 64, 256.0, particles=PARTICLES)
    return params, plan, Outlook(plan, params, PARTICLES)


def course(plan: Plan, params: AbInitioParams, agreement: float, final_iterations: int) -> Iterator[Progress]:
    """The iterations of a run whose map is found at once and whose halves agree so well on every shell."""
    now = replace(first_progress(plan), found=True)
    while now.phase != "final" or now.iteration - now.phase_start < final_iterations:
        yield now
        now = next_progress(now, plan, params, np.full((1, 40), agreement))


@pytest.mark.parametrize(
    "changes", [{}, {"classes": 3}, {"all_particles": True}, {"waiting_iterations": 0}, {"final_iterations": 5}]
)
def test_on_the_course_of_most_it_is_what_comes(changes: dict[str, object]) -> None:
    params, plan, outlook = made(**changes)
    final_iterations = min(plan.final_iterations, 18 if params.classes == 1 else 3 * 9)
    points = list(course(plan, params, 1.0, final_iterations))
    sizes = [minibatch_size(plan, params, now, PARTICLES) for now in points]
    posing = POSING_VISITS * outlook.posed(sum(sizes))
    assert outlook.posed(sum(sizes)) == PARTICLES
    for number, now in enumerate(points):
        seen = sum(sizes[:number])
        assert outlook.visits_ahead(now, seen) == sum(sizes[number:]) + posing, now
    assert outlook.visits_ahead(None, sum(sizes)) == posing


def test_a_slower_march_has_never_more_ahead_as_it_goes_on() -> None:
    params, plan, outlook = made()
    ahead = [outlook.visits_ahead(now, 10 * PARTICLES) for now in course(plan, params, 0.0, 40)]
    assert (np.diff(ahead) <= 0).all()
    assert ahead[-1] < 0.5 * ahead[0]


def test_waiting_brings_the_end_no_nearer() -> None:
    _, plan, outlook = made()
    waiting = Progress(260, "marching", 200, plan.waiting_radius, waited=10, found=False)
    later = replace(waiting, iteration=860, waited=610)
    assert outlook.visits_ahead(later, 0) == outlook.visits_ahead(waiting, 0)


def test_of_one_class_only_what_was_seen_is_posed() -> None:
    _, plan, outlook = made(initial_iterations=2, final_iterations=1, initial_minibatch=10, final_minibatch=10)
    visits = outlook.visits_ahead(first_progress(plan), 0) / (1.0 + POSING_VISITS)
    assert outlook.posed(int(visits)) == round(visits) < PARTICLES
