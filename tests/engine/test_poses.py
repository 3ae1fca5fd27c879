import numpy as np
import pytest

from coldstart.engine.expectation import Hypotheses
from coldstart.engine.poses import NEIGHBOURHOOD_STEPS, join_tables, pose_table
from coldstart.model.pose_grid import ShiftGrid, rotation_grid
from coldstart.model.so3 import euler_to_matrix, geodesic_distance_deg, random_rotations

LEVEL = 2
GRID = rotation_grid(LEVEL)
SHIFTS = ShiftGrid(0.1, 1 / 30)
BOX_ANGSTROM = 240.0
CELL = 700 * GRID.in_plane + 40  # far from the ends of its direction's in-plane angles


def found(image, rotation, posterior, shift=None, class_posterior=None):
    """Of one class, unless the posteriors of several are given: their cells are counted through.

    Posteriors are those among the poses of a class.
    """
    images = int(np.max(image)) + 1
    shift = np.zeros(len(image)) if shift is None else shift
    class_posterior = np.ones((images, 1)) if class_posterior is None else np.array(class_posterior)
    return Hypotheses(
        level=LEVEL,
        classes=class_posterior.shape[1],
        image=np.array(image),
        rotation=np.array(rotation, np.int32),
        shift=np.array(shift, np.int32),
        within=np.array(posterior, np.float32),
        posterior=0.5 * np.array(posterior, np.float32),
        class_posterior=class_posterior,
        map_evidence=np.zeros(class_posterior.shape),
        log_evidence=np.arange(images) - 5.0,
        ess=np.arange(images) + 1.0,
        best_weight=np.zeros(images),
        ess_rotations=np.ones(images),
        limited=np.zeros(images, bool),
        view=None,
        stages=(),
        exhaustive_products=1,
    )


def table_of(hypotheses, turn=None, rows=None):
    rows = np.arange(len(hypotheses.ess)) if rows is None else rows
    return pose_table(rows, hypotheses, np.eye(3) if turn is None else turn, SHIFTS, BOX_ANGSTROM)


def angles_to(table, cells, turn=None):
    """Distances in degrees of the poses of a table from grid cells."""
    cells = np.array(cells, np.int32)
    return geodesic_distance_deg(
        euler_to_matrix(table.euler_deg), GRID.matrices(cells, np.eye(3) if turn is None else turn)
    )


def test_one_hypothesis_is_the_pose(rng):
    turn = random_rotations(rng, 1)[0]
    cells = rng.integers(0, len(GRID), 30)
    table = table_of(found(np.arange(30), cells, np.ones(30)), turn)
    np.testing.assert_allclose(angles_to(table, cells, turn), 0, atol=1e-5)
    assert (table.max_posterior == 0.5).all()
    assert not table.class_index.any()


@pytest.mark.parametrize("share", [0.5, 0.25, 0.9])
def test_the_mean_of_two_neighbours_lies_between_them(rng, share):
    turn = random_rotations(rng, 1)[0]
    table = table_of(found([0, 0], [CELL, CELL + 1], [share, 1 - share]), turn)
    assert angles_to(table, [CELL], turn)[0] == pytest.approx((1 - share) * GRID.step_deg, abs=1e-3)
    assert angles_to(table, [CELL + 1], turn)[0] == pytest.approx(share * GRID.step_deg, abs=1e-3)


def test_the_mean_of_neighbouring_directions_lies_between_them():
    children = rotation_grid(LEVEL - 1).children(np.array([1000], np.int32))[0][::2]  # the same in-plane angle
    table = table_of(found([0] * 4, children, [0.25] * 4))
    spread = geodesic_distance_deg(
        *(GRID.matrices(np.array(c, np.int32), np.eye(3)) for c in (children, np.roll(children, 1)))
    )
    assert (angles_to(table, children) < 0.8 * spread.max()).all()


@pytest.mark.parametrize("steps", [1, 2, 3, 40])
def test_what_is_further_than_the_neighbourhood_is_another_pose(steps):
    table = table_of(found([0, 0], [CELL, CELL + steps], [0.6, 0.4]))
    moved = angles_to(table, [CELL])[0] / GRID.step_deg
    assert moved == pytest.approx(0.4 * steps if steps <= NEIGHBOURHOOD_STEPS else 0.0, abs=1e-4)


def test_shifts_of_other_poses_do_not_count_either():
    table = table_of(found([0, 0, 0], [CELL, CELL + 1, CELL + 50], [0.4, 0.3, 0.3], [5, 5, 90]))
    expected = -SHIFTS.points(LEVEL)[5] * BOX_ANGSTROM
    np.testing.assert_allclose(table.origin_angstrom[0], expected, atol=1e-9)


def test_origins_are_angstrom_against_the_shift():
    """A particle found 0.05 of a box of 240 Å along +x has the origin -12 Å: moving the image by it centres it."""
    points = SHIFTS.points(LEVEL)
    right = int(np.argmin(np.hypot(*(points - [0.05, 0.0]).T)))
    two = [right, int(np.argmin(np.hypot(*(points - [-0.03, 0.06]).T)))]
    table = table_of(found([0, 1, 1], [CELL] * 3, [1.0, 0.5, 0.5], [right, *two]))
    np.testing.assert_allclose(table.origin_angstrom[0], [-12.0, 0.0], atol=0.5 * BOX_ANGSTROM * SHIFTS.step)
    assert table.origin_angstrom[0, 0] == pytest.approx(-240 * points[right, 0])
    np.testing.assert_allclose(table.origin_angstrom[1], -240 * points[two].mean(axis=0))


def test_each_image_has_its_own_pose_and_figures(rng):
    image = np.repeat(np.arange(6), [1, 4, 2, 3, 1, 5])
    cells = rng.integers(0, len(GRID), len(image))
    posterior = rng.random(len(image)).astype(np.float32)
    best = [np.flatnonzero(image == i)[np.argmax(posterior[image == i])] for i in range(6)]
    rows = np.array([3, 8, 9, 20, 21, 50])
    hypotheses = found(image, cells, posterior)
    table = table_of(hypotheses, rows=rows)
    np.testing.assert_array_equal(table.particle, rows)
    np.testing.assert_allclose(table.max_posterior, 0.5 * posterior[best])
    assert (angles_to(table, cells[best]) <= NEIGHBOURHOOD_STEPS * GRID.step_deg).all()
    np.testing.assert_array_equal(table.ess, hypotheses.ess)


def test_the_log_likelihood_is_that_of_the_maps_over_noise_alone():
    hypotheses = found([0, 1, 2], [CELL] * 3, [1.0] * 3)
    np.testing.assert_array_equal(table_of(hypotheses).log_likelihood, hypotheses.log_evidence)


def test_whether_the_run_drew_the_particles_is_told():
    hypotheses = found([0, 1], [CELL] * 2, [1.0] * 2)
    assert table_of(hypotheses).used.all()
    assert not pose_table(np.arange(2), hypotheses, np.eye(3), SHIFTS, BOX_ANGSTROM, used=False).used.any()


OTHER = CELL + len(GRID)
"""The same cell in the second class."""


def test_the_pose_is_that_of_the_most_probable_class():
    """Even where the best single pose is another class's."""
    own = [OTHER + 40, OTHER + 41]
    class_posterior = [[0.45, 0.55]]
    table = table_of(found([0] * 3, [CELL, *own], [1.0, 0.6, 0.4], class_posterior=class_posterior))
    assert table.class_index[0] == 1
    np.testing.assert_array_equal(table.class_posterior, class_posterior)
    assert angles_to(table, [CELL + 40])[0] == pytest.approx(0.4 * GRID.step_deg, abs=1e-3)
    assert table.max_posterior[0] == pytest.approx(0.3)


def test_an_image_of_noise_has_the_best_pose_of_the_class_that_has_one():
    """Its class is that of noise all the same."""
    table = table_of(found([0, 1], [CELL, OTHER], [1.0, 1.0], class_posterior=[[0.1, 0.9], [0.2, 0.8]]))
    np.testing.assert_array_equal(table.class_index, [1, 1])
    np.testing.assert_allclose(angles_to(table, [CELL, CELL]), 0, atol=1e-5)


def test_the_same_pose_of_another_class_is_another_pose():
    """Neither its rotation nor its shift is averaged in, however near they are."""
    class_posterior = [[0.6, 0.4]]
    both = table_of(found([0, 0], [CELL, OTHER + 1], [0.6, 0.4], [5, 90], class_posterior))
    alone = table_of(found([0], [CELL], [1.0], [5]))
    np.testing.assert_allclose(both.euler_deg, alone.euler_deg, atol=1e-9)
    np.testing.assert_allclose(both.origin_angstrom, alone.origin_angstrom, atol=1e-9)


def test_images_of_several_classes_have_their_own_poses(rng):
    of_class, cells = rng.integers(0, 3, 30), rng.integers(0, len(GRID), 30)
    turn = random_rotations(rng, 1)[0]
    posterior = np.eye(3)[of_class]
    table = table_of(found(np.arange(30), of_class * len(GRID) + cells, np.ones(30), None, posterior), turn)
    np.testing.assert_array_equal(table.class_index, of_class)
    np.testing.assert_allclose(angles_to(table, cells, turn), 0, atol=1e-5)


def test_tables_are_joined_by_particle():
    one = table_of(found([0, 1], [CELL, OTHER], [1.0, 1.0], None, [[0.7, 0.3], [0.1, 0.9]]), rows=np.array([4, 7]))
    two = pose_table(
        np.array([1, 5]), found([0, 1], [9, CELL], [1.0, 1.0], None, [[0.8, 0.2], [0.6, 0.4]]), np.eye(3), SHIFTS,
        BOX_ANGSTROM, used=False,
    )  # fmt: skip
    joined = join_tables([one, two])
    np.testing.assert_array_equal(joined.particle, [1, 4, 5, 7])
    np.testing.assert_array_equal(joined.euler_deg, np.concatenate([one.euler_deg, two.euler_deg])[[2, 0, 3, 1]])
    np.testing.assert_array_equal(joined.class_posterior[:, 0], [0.8, 0.7, 0.6, 0.1])
    np.testing.assert_array_equal(joined.used, [False, True, False, True])
    assert joined.origin_angstrom.shape == (4, 2)
