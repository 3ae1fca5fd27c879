import pytest

from coldstart.engine.plan import plan_run
from coldstart.engine.schedule import first_progress
from coldstart.params import AbInitioParams

BOX_PX = 256


def test_radii_stay_inside_the_images():
    plan = plan_run(AbInitioParams(max_resolution_angstrom=1.0, initial_resolution_angstrom=2.0), 64, 64 * 3.0)
    assert plan.max_radius < 32
    assert plan.initial_radius == plan.max_radius
    assert plan.marching_iterations == 0


def test_there_is_no_waiting_where_the_march_ends_before():
    params = AbInitioParams(initial_resolution_angstrom=35.0, max_resolution_angstrom=26.0)
    plan = plan_run(params, BOX_PX, 300.0)
    assert plan.waiting_iterations == 0
    assert first_progress(plan).found


@pytest.mark.parametrize(("classes", "early", "late"), [(1, 90, 1000), (2, 135, 1500), (3, 180, 2000), (4, 225, 2500)])
def test_sizes_that_are_left_to_the_run_follow_the_classes_each_by_itself(classes, early, late):
    of_classes = AbInitioParams(classes=classes)
    for given, sizes in (
        ({}, (early, late)),
        ({"final_minibatch": 77}, (early, 77)),
        ({"initial_minibatch": 11}, (11, late)),
    ):
        plan = plan_run(of_classes.model_copy(update=given), BOX_PX, 300.0)
        assert (plan.initial_minibatch, plan.final_minibatch) == sizes
