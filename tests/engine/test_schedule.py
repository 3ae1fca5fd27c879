from dataclasses import replace

import numpy as np
import pytest

from coldstart.engine.plan import plan_run
from coldstart.engine.recognition import NOTHING_KNOWN
from coldstart.engine.schedule import (
    FASTEST_MARCH,
    MARCH_FROM,
    MARCH_FULL,
    WAITING_LEARNING_RATE,
    Progress,
    class_similarity,
    first_progress,
    learning_rate,
    minibatch_size,
    next_progress,
)
from coldstart.params import AbInitioParams

BOX_PX = 256
NOTHING_AGREES, ALL_AGREES = np.zeros((1, 200)), np.ones((1, 200))


def progress(plan, params, half_correlation=NOTHING_AGREES):
    """Every iteration of a run that does not end before its time."""
    now = first_progress(plan)
    while not (now.phase == "final" and now.iteration - now.phase_start >= plan.final_iterations):
        yield now
        now = next_progress(now, plan, params, half_correlation)


@pytest.mark.parametrize(
    ("box_angstrom", "initial_radius", "max_radius", "marching", "total", "visits_thousands"),
    [
        (200, 5.7, 16.7, 117, 417, 144),
        (250, 7.1, 20.8, 123, 423, 150),
        (300, 8.6, 25.0, 129, 429, 156),
        (400, 11.4, 33.3, 142, 442, 169),
        (600, 17.1, 50.0, 166, 466, 193),
    ],
)
def test_iterations_and_image_visits_of_the_defaults(
    box_angstrom, initial_radius, max_radius, marching, total, visits_thousands
):
    """(box / 12 - box / 35) / 0.04 iterations of 90 images in between, from 300 on in batches of 1000; no waiting."""
    params = AbInitioParams(waiting_iterations=0)
    plan = plan_run(params, BOX_PX, box_angstrom)
    assert plan.initial_radius == pytest.approx(initial_radius, abs=0.05)
    assert plan.max_radius == pytest.approx(max_radius, abs=0.05)
    assert plan.marching_iterations == marching
    assert plan.iterations == total
    run = list(progress(plan, params))
    assert len(run) == total
    visits = sum(minibatch_size(plan, params, now, 10**6) for now in run)
    assert round(visits / 1000) == visits_thousands


@pytest.mark.parametrize("step", [0.04, 0.1, 1.0])
def test_the_radius_rises_from_the_first_to_the_last(step):
    params = AbInitioParams(
        initial_iterations=10, final_iterations=7, fourier_radius_step=step, waiting_iterations=0, final_minibatch=90
    )
    plan = plan_run(params, BOX_PX, 240.0)
    run = list(progress(plan, params))
    assert [now.iteration for now in run] == list(range(plan.iterations))
    radius = np.array([now.radius for now in run])
    assert (radius[:10] == plan.initial_radius).all()
    assert (np.diff(radius) >= 0).all()
    assert np.diff(radius).max() <= step + 1e-9
    assert (radius[-7:] == plan.max_radius).all()
    phases = [now.phase for now in run]
    assert phases == ["initial"] * 10 + ["marching"] * plan.marching_iterations + ["final"] * 7
    starts = {"initial": 0, "marching": 10, "final": plan.iterations - 7}
    assert all(now.phase_start == starts[now.phase] for now in run)


@pytest.mark.parametrize("classes", [1, 2])
@pytest.mark.parametrize(("size", "times"), [(45, 1.0), (90, 1.0), (180, 2.0), (900, 10.0)])
def test_the_radius_follows_the_images_that_a_class_has_had(size, times, classes):
    params = AbInitioParams(classes=classes, final_minibatch=classes * size)
    plan, now = plan_run(params, BOX_PX, 300.0), Progress(400, "marching", 200, 15.0)
    assert next_progress(now, plan, params, NOTHING_AGREES).radius == pytest.approx(15.0 + 0.04 * times)


@pytest.mark.parametrize("waiting", [0, 30])
@pytest.mark.parametrize("switch", [10, 25, 60, 1000])
@pytest.mark.parametrize("classes", [1, 2])
def test_no_run_is_longer_than_its_plan_says(classes, switch, waiting):
    params = AbInitioParams(
        classes=classes, initial_iterations=10, final_iterations=5, minibatch_switch_iteration=switch,
        waiting_iterations=waiting, class_similarity_start=30, class_similarity_end=45, fourier_radius_step=0.2,
    )  # fmt: skip
    plan = plan_run(params, BOX_PX, 300.0)
    run = list(progress(plan, params, np.zeros((classes, 200))))
    assert len(run) == plan.iterations
    assert len(list(progress(plan, params, np.ones((classes, 200))))) <= plan.iterations


def test_the_march_quickens_where_the_halves_agree():
    params = AbInitioParams(initial_iterations=5, final_iterations=5, waiting_iterations=0)
    plan = plan_run(params, BOX_PX, 300.0)
    lengths = [len(list(progress(plan, params, np.full((1, 200), value)))) for value in (0.0, 0.7, 1.0)]
    assert lengths[0] == plan.iterations
    assert lengths[0] > lengths[1] > lengths[2]


@pytest.mark.parametrize(
    ("correlation", "speed"),
    [
        (-0.2, 1.0),
        (MARCH_FROM, 1.0),
        (0.5 * (MARCH_FROM + MARCH_FULL), 0.5 * (1.0 + FASTEST_MARCH)),
        (MARCH_FULL, FASTEST_MARCH),
        (1.0, FASTEST_MARCH),
    ],
)
def test_the_speed_of_the_march_grows_with_the_correlation(correlation, speed):
    params = AbInitioParams(fourier_radius_step=0.05, final_minibatch=90)
    plan = plan_run(params, BOX_PX, 300.0)
    now = Progress(250, "marching", 200, 15.3)
    after = next_progress(now, plan, params, np.full((1, 200), correlation))
    assert after == Progress(251, "marching", 200, pytest.approx(15.3 + 0.05 * speed))


def test_the_march_ends_at_the_last_radius_at_any_speed():
    params = AbInitioParams()
    plan = plan_run(params, BOX_PX, 300.0)
    last = next_progress(Progress(300, "marching", 200, plan.max_radius - 0.01), plan, params, ALL_AGREES)
    assert (last.phase, last.radius) == ("marching", plan.max_radius)
    final = next_progress(last, plan, params, ALL_AGREES)
    assert final == Progress(302, "final", 302, plan.max_radius)
    assert next_progress(final, plan, params, NOTHING_AGREES) == Progress(303, "final", 302, plan.max_radius)


def test_the_march_waits_for_the_map_and_no_longer_than_it_may():
    params = AbInitioParams(initial_iterations=10, waiting_iterations=25, minibatch_switch_iteration=20)
    plan = plan_run(params, BOX_PX, 300.0)
    assert plan.final_minibatch == 1000
    run = list(progress(plan, params))
    assert len(run) == plan.iterations
    resting = [now for now in run if now.radius == plan.waiting_radius]
    assert [now.waited for now in resting] == list(range(26))
    after = run[run.index(resting[-1]) + 1]
    assert after.found
    assert after.radius == pytest.approx(plan.waiting_radius + params.fourier_radius_step)
    steps = np.diff([now.radius for now in run if now.found and now.phase == "marching"])
    np.testing.assert_allclose(steps[:-1], params.fourier_radius_step * 1000 / 90)
    assert {minibatch_size(plan, params, now, 10**6) for now in run if not now.found} == {plan.initial_minibatch}
    assert minibatch_size(plan, params, after, 10**6) == plan.final_minibatch
    assert class_similarity(SIMILAR, at(75, waited=30)) == class_similarity(SIMILAR, at(45)) > 0.0


def test_the_march_does_not_wait_for_a_map_that_the_images_recognise():
    params = AbInitioParams(initial_iterations=10)
    plan = plan_run(params, BOX_PX, 300.0)
    now, known = Progress(90, "marching", 10, plan.waiting_radius, waited=40, found=False), NOTHING_KNOWN
    for evidence in [9.5] * 40:
        known = known.after(evidence, counts=True)
    for halves in (NOTHING_AGREES, ALL_AGREES):
        assert next_progress(now, plan, params, halves, known) == replace(now, iteration=91, waited=41)
    for evidence in [15.0] * 20:
        known = known.after(evidence, counts=True)
    for waited in (0, 40):
        after = next_progress(replace(now, waited=waited), plan, params, NOTHING_AGREES, known)
        assert (after.found, after.waited, after.radius > plan.waiting_radius) == (True, waited, True)


def test_halves_that_agree_do_not_shorten_the_initial_phase():
    params = AbInitioParams(initial_iterations=12, waiting_iterations=0)
    plan = plan_run(params, BOX_PX, 300.0)
    run = list(progress(plan, params, ALL_AGREES))
    assert all(now == Progress(i, "initial", 0, plan.initial_radius) for i, now in enumerate(run[:12]))
    assert run[12].phase == "marching"
    assert run[12].phase_start == 12


def test_only_the_edge_of_the_band_counts_for_the_march():
    params = AbInitioParams(initial_iterations=1)
    plan = plan_run(params, BOX_PX, 300.0)
    now = Progress(50, "marching", 1, 15.0)
    shell = np.arange(200)[None]
    low, beyond = np.where(shell < 12, 1.0, 0.0), np.where(shell > 15, 1.0, 0.0)
    for agreement in (low, beyond):
        assert next_progress(now, plan, params, agreement).radius == pytest.approx(15.04)
    assert next_progress(now, plan, params, ALL_AGREES).radius > 15.1


def test_minibatches():
    params = AbInitioParams(initial_minibatch=50, final_minibatch=200, minibatch_switch_iteration=30)
    plan = plan_run(params, BOX_PX, 300.0)
    assert minibatch_size(plan, params, Progress(29, "marching", 10, 9.0), 10**6) == 50
    assert minibatch_size(plan, params, Progress(30, "marching", 10, 9.0), 10**6) == 200
    assert minibatch_size(plan, params, Progress(12, "final", 11, 9.0), 10**6) == 200
    assert minibatch_size(plan, params, Progress(99, "final", 11, 9.0), 120) == 120


def test_minibatches_of_several_classes_are_larger_where_the_program_chooses():
    """By half for each further class, and by what small classes ask for."""
    now, late = Progress(10, "initial", 0, 9.0), Progress(900, "final", 800, 9.0)
    params = AbInitioParams(classes=3, initial_minibatch=0, final_minibatch=120)
    plan = plan_run(params, BOX_PX, 300.0)
    assert (plan.initial_minibatch, plan.final_minibatch) == (180, 120)
    assert [minibatch_size(plan, params, now, 10**6, growth) for growth in (1.0, 1.5, 2.0)] == [180, 270, 360]
    assert [minibatch_size(plan, params, late, 10**6, growth) for growth in (1.0, 1.5, 2.0)] == [120] * 3
    assert minibatch_size(plan, params, now, 200, 2.0) == 200
    assert plan_run(AbInitioParams(classes=3), BOX_PX, 300.0).final_minibatch == 2000


def test_minibatches_are_no_larger_than_the_stack():
    """And all that follows their size, steps of the radius and looks at the drift, is that of what there is."""
    small = plan_run(AbInitioParams(), BOX_PX, 300.0, particles=180)
    assert (small.initial_minibatch, small.final_minibatch) == (90, 180)
    assert plan_run(AbInitioParams(), BOX_PX, 300.0, particles=20).final_minibatch == 20
    now = Progress(400, "marching", 200, 15.0)
    assert next_progress(now, small, AbInitioParams(), NOTHING_AGREES).radius == pytest.approx(15.08)


def test_minibatches_stay_small_until_classes_are_told_apart():
    params = AbInitioParams(
        classes=2, minibatch_switch_iteration=20, class_similarity_start=30, class_similarity_end=45
    )
    plan = plan_run(params, BOX_PX, 300.0)
    sizes = [minibatch_size(plan, params, Progress(i, "marching", 10, 9.0), 10**6) for i in (25, 44, 45)]
    assert sizes == [135, 135, 1500]
    waited = [minibatch_size(plan, params, Progress(i, "marching", 10, 9.0, 8), 10**6) for i in (45, 52, 53)]
    assert waited == [135, 135, 1500]
    alike = params.model_copy(update={"class_similarity": 0.0})
    assert minibatch_size(plan, alike, Progress(25, "marching", 10, 9.0), 10**6) == 1500


def at(iteration, waited=0):
    return Progress(iteration, "marching", 0, 9.0, waited)


SIMILAR = AbInitioParams(classes=3, class_similarity=0.2, class_similarity_start=40, class_similarity_end=60)


def test_the_similarity_of_the_classes_is_annealed_to_nothing():
    similarity = np.array([class_similarity(SIMILAR, at(iteration)) for iteration in range(80)])
    assert (similarity[:41] == 0.2).all()
    np.testing.assert_allclose(similarity[40:60], 0.2 * np.arange(20, 0, -1) / 20)
    assert not similarity[60:].any()


def test_one_class_is_not_similar_to_others_and_an_anneal_may_be_a_step():
    assert class_similarity(SIMILAR.model_copy(update={"classes": 1}), at(0)) == 0.0
    step = SIMILAR.model_copy(update={"class_similarity_end": 40})
    assert [class_similarity(step, at(iteration)) for iteration in (0, 39, 40, 41)] == [0.2, 0.2, 0.0, 0.0]
    assert class_similarity(SIMILAR.model_copy(update={"class_similarity": 0.0}), at(0)) == 0.0


def test_the_final_phase_waits_for_the_classes_to_be_told_apart():
    """At the last radius the march stands still while the classes are blurred, and the final phase has its length."""
    params = AbInitioParams(
        classes=3, class_similarity_start=40, class_similarity_end=60, initial_iterations=10, final_iterations=15,
        fourier_radius_step=5.0, waiting_iterations=0,
    )  # fmt: skip
    plan = plan_run(params, BOX_PX, 300.0)
    run = list(progress(plan, params, np.zeros((3, 200))))
    waiting = [now for now in run if now.phase == "marching" and now.radius == plan.max_radius]
    assert len(waiting) > 20
    assert len(run) == plan.iterations
    assert all(now.phase_start == 10 for now in waiting)
    final = [now for now in run if now.phase == "final"]
    assert [now.iteration for now in final] == list(range(60, 75))
    assert all(now.phase_start == 60 for now in final)
    alone = list(progress(plan, params.model_copy(update={"classes": 1})))
    assert next(now.iteration for now in alone if now.phase == "final") < 20


def test_the_march_follows_the_class_whose_halves_agree_best():
    params = AbInitioParams(classes=3, fourier_radius_step=0.05, final_minibatch=270)
    plan = plan_run(params, BOX_PX, 300.0)
    now = Progress(250, "marching", 200, 15.3)
    agreement = np.repeat([[0.0], [MARCH_FULL], [0.2]], 200, axis=1)
    assert next_progress(now, plan, params, agreement).radius == pytest.approx(15.3 + 0.05 * FASTEST_MARCH)
    assert next_progress(now, plan, params, agreement[[0, 2]]).radius == pytest.approx(15.35)
    assert next_progress(now, plan, params, -agreement).radius == pytest.approx(15.35)


@pytest.mark.parametrize("order", [2, 24])
@pytest.mark.parametrize("correlation", [0.0, 0.3, MARCH_FROM, 0.7, 0.85, 1.0])
def test_symmetric_halves_march_as_those_without_symmetry_would(order, correlation):
    """Halves in which every image counts `order` times have so many times the signal over the noise."""
    signal_to_noise = correlation / (1 - correlation) if correlation < 1 else 1e9
    counted = order * signal_to_noise / (1 + order * signal_to_noise)
    now, radii = Progress(250, "marching", 200, 15.3), []
    for operators, agreement in ((1, correlation), (order, counted)):
        plan = plan_run(AbInitioParams(), BOX_PX, 300.0, operators)
        radii.append(next_progress(now, plan, AbInitioParams(), np.full((1, 200), agreement)).radius)
    assert radii[0] == pytest.approx(radii[1])


def test_the_class_whose_halves_agree_best_sets_the_pace():
    params, now = AbInitioParams(classes=2), Progress(250, "marching", 200, 15.3)
    plan, halves = plan_run(params, BOX_PX, 300.0), np.stack([np.full(200, 0.2), np.full(200, 0.8)])
    both, best = (next_progress(now, plan, params, curves).radius for curves in (halves, halves[1:]))
    assert both == best > next_progress(now, plan, params, halves[:1]).radius


def test_learning_rate_is_constant_then_falls():
    params = AbInitioParams(learning_rate=0.3, learning_rate_duration=40, waiting_iterations=0, final_minibatch=300)
    plan = plan_run(params, BOX_PX, 250.0)
    rates = np.array([learning_rate(plan, params, now) for now in progress(plan, params)])
    assert (rates[:40] == 0.3).all()
    assert (np.diff(rates[39:]) <= 0).all()
    assert (rates > 0).all()
    marching_end = plan.initial_iterations + plan.marching_iterations
    assert rates[-1] < 0.2 * rates[marching_end - 1]


def test_a_large_minibatch_weighs_as_several_small_ones_do():
    """Of what was learnt before, four times as many images leave as much as four minibatches in a row do."""
    now, rates = Progress(400, "marching", 200, 15.0), []
    for size in (100, 300, 1200):
        params = AbInitioParams(final_minibatch=size)
        rates.append(learning_rate(plan_run(params, BOX_PX, 300.0), params, now))
    assert rates[0] == rates[1] == pytest.approx(0.4 * (100 / 401) ** 0.6)
    assert 1.0 - rates[2] == pytest.approx((1.0 - rates[1]) ** 4)
    of_three = AbInitioParams(classes=3, final_minibatch=900)
    assert learning_rate(plan_run(of_three, BOX_PX, 300.0), of_three, now) == pytest.approx(rates[1])


@pytest.mark.parametrize(("given", "waiting"), [(0.4, WAITING_LEARNING_RATE), (0.05, 0.05)])
def test_the_learning_rate_is_high_again_while_the_march_waits_and_only_then(given, waiting):
    params = AbInitioParams(initial_iterations=10, learning_rate=given, learning_rate_duration=10, final_minibatch=300)
    plan = plan_run(params, BOX_PX, 300.0)
    run = list(progress(plan, params))
    rates = [learning_rate(plan, params, now) for now in run]
    rested = [rate for rate, now in zip(rates, run, strict=True) if now.radius == plan.waiting_radius]
    assert rested[1:] == pytest.approx([waiting] * params.waiting_iterations)
    never = [learning_rate(plan, params, replace(now, waited=0, found=True)) for now in run]
    moving = [not now.waits for now in run]
    np.testing.assert_allclose(np.array(rates)[moving], np.array(never)[moving], rtol=1e-12)


def test_the_march_goes_on_where_the_halves_were_not_looked_at_yet():
    """Steps may lead beyond the grid on which the halves were compared last."""
    params = AbInitioParams(fourier_radius_step=2.0, final_minibatch=90)
    now = Progress(300, "marching", 200, 20.0)
    assert next_progress(now, plan_run(params, BOX_PX, 400.0), params, np.ones((1, 12))).radius == 22.0
