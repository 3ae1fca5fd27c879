import pytest

from coldstart.engine.plan import SMALL_BOX_ANGSTROM, plan_run
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


@pytest.mark.parametrize(
    ("box_angstrom", "order", "early", "late"),
    [(300.0, 1, 90, 1000), (300.0, 4, 90, 1000), (300.0, 8, 300, 1000), (SMALL_BOX_ANGSTROM - 1, 1, 300, 1000),
     (SMALL_BOX_ANGSTROM, 1, 90, 1000)],
)  # fmt: skip
def test_early_minibatches_of_small_boxes_and_high_symmetry_are_larger(box_angstrom, order, early, late):
    """Where the sizes are left to the run: 0 asks for that, of each by itself."""
    plan = plan_run(AbInitioParams(initial_minibatch=0), BOX_PX, box_angstrom, order)
    assert (plan.initial_minibatch, plan.final_minibatch) == (early, late)
    plan = plan_run(AbInitioParams(initial_minibatch=0, final_minibatch=77), BOX_PX, box_angstrom, order)
    assert (plan.initial_minibatch, plan.final_minibatch) == (early, 77)
    plan = plan_run(AbInitioParams(initial_minibatch=11, final_minibatch=0), BOX_PX, box_angstrom, order)
    assert (plan.initial_minibatch, plan.final_minibatch) == (11, late)
