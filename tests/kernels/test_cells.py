from dataclasses import replace

import numpy as np
import pytest

from coldstart.engine import reference
from coldstart.engine.selftest.inputs import chosen_pairs
from coldstart.model.pose_grid import rotation_grid

IN_PLANE = 24

# Twice the sum of 96 products of order 1, found in float32 from the same slices.
ENERGY = 3e-5
# As that, with slices that are exact to 1e-5 (test_slices.py).
POSE_ENERGY = 1e-4


@pytest.fixture
def pairs(case, rng):
    return chosen_pairs(case, rng)


def cells_of(case, pairs, first_ring=0, last_ring=7):
    return case.table, case.image, case.weight, case.phase, case.rings, *pairs, first_ring, last_ring, IN_PLANE


def poses_of(case, pairs, count, rows=None):
    image, _, start, shift, log_weight = pairs
    rows = case.rows[np.arange(len(image)) % len(case.rows)] if rows is None else rows
    return (
        case.volumes, case.kx, case.ky, case.image, case.weight, case.phase, rows, image, start, shift, log_weight, 0,
        count,
    )  # fmt: skip


@pytest.mark.parametrize("rings", [(0, 1), (2, 6), (6, 7)])
def test_energies_of_some_rings(kernels, case, pairs, rings):
    given = cells_of(case, pairs, *rings)
    found = kernels.score_cells(*given)
    np.testing.assert_allclose(found, reference.score_cells(*given), atol=ENERGY)
    assert np.array_equal(found, kernels.score_cells(*given))


@pytest.mark.parametrize("rings", [1, 4])
def test_energies_of_poses_up_to_some_ring(kernels, case, pairs, rings):
    given = poses_of(case, pairs, int(case.plane.ring_start[rings]))
    found = kernels.score_poses(*given)
    np.testing.assert_allclose(found, reference.score_poses(*given), atol=POSE_ENERGY)
    assert np.array_equal(found, kernels.score_poses(*given))


def test_the_order_in_which_pairs_are_taken_changes_nothing(kernels, case, pairs, rng):
    order = rng.permutation(len(pairs[0])).astype(np.int32)
    cells, poses = cells_of(case, pairs), poses_of(case, pairs, case.plane.stride)
    assert np.array_equal(kernels.score_cells(*cells, order=order), kernels.score_cells(*cells))
    assert np.array_equal(kernels.score_poses(*poses, order=order), kernels.score_poses(*poses))


def test_poses_are_scored_on_the_map_of_their_class(kernels, case, pairs):
    """As on that map alone."""
    image, _, start, *_ = pairs
    whole = kernels.score_poses(*poses_of(case, pairs, case.plane.stride))
    classes = case.rows[np.arange(len(image)) % len(case.rows), 3]
    of_class = np.repeat(classes, np.diff(start))
    for number, volume in enumerate(case.volumes):
        alone = replace(case, volumes=volume[None], rows=case.rows * np.array([1, 1, 1, 0, 1, 1, 1, 1], np.float32))
        found = kernels.score_poses(*poses_of(alone, pairs, case.plane.stride))
        assert np.array_equal(found[of_class == number], whole[of_class == number])
        assert (found != whole)[of_class != number].mean() > 0.9


def test_inner_and_outer_rings_add_up(kernels, case, pairs):
    *lists, log_weight = pairs
    inner = kernels.score_cells(*cells_of(case, (*lists, log_weight), 0, 4))
    both = kernels.score_cells(*cells_of(case, (*lists, inner), 4, 7))
    np.testing.assert_allclose(both, kernels.score_cells(*cells_of(case, pairs)), atol=ENERGY)


def test_a_slice_turned_by_points_is_the_slice_at_that_rotation(kernels, case, pairs):
    """All in-plane angles of the grid come from one slice a direction."""
    grid = rotation_grid(0)
    image, _, start, shift, log_weight = pairs
    for first in range(0, 16 * IN_PLANE, 23):
        rotation = (np.arange(first, first + 23) % (16 * IN_PLANE)).astype(np.int32)
        cell = case.cells[rotation // IN_PLANE] + rotation % IN_PLANE
        rows = kernels.rotation_rows(grid.direction_table, grid.psi_table, case.turn, cell.astype(np.int32))
        turned = image, rotation, start, shift, log_weight
        np.testing.assert_allclose(
            kernels.score_cells(*cells_of(case, turned)),
            kernels.score_poses(*poses_of(case, turned, case.plane.stride, rows)),
            atol=POSE_ENERGY,
        )


def test_turned_slices_are_those_at_the_rotations_of_the_grid(case):
    grid = rotation_grid(0)
    direction, angle = np.divmod(np.arange(16 * IN_PLANE), IN_PLANE)
    rows = reference.rotation_rows(grid.direction_table, grid.psi_table, case.turn, case.cells[direction] + angle)
    sampled = reference.slices(case.volumes, case.kx, case.ky, rows, case.plane.stride)
    turned = reference.turned_slices(case.table, case.rings, direction, angle, IN_PLANE)
    # The grid's cosines and sines, and the frequencies, are float32.
    np.testing.assert_allclose(turned[:, case.plane.points], sampled[:, case.plane.points], atol=2e-5)


def test_pads_and_other_rings_do_not_matter(kernels, case, pairs):
    """Pads of images and weights are zero, whatever a phase or a slice has there."""
    first, last = case.rings[2, 0], case.rings[5, 0]
    other = np.r_[0:first, last : case.plane.stride]
    image, weight = (case.poisoned(values, other) for values in (case.image, case.weight))
    phase = case.poisoned(case.phase, np.union1d(other, case.pads))
    table = case.poisoned(case.table, np.r_[0 : case.rings[2, 2], case.rings[5, 2] : case.table.shape[2]])
    clean = kernels.score_cells(*cells_of(case, pairs, 2, 5))
    assert np.array_equal(clean, kernels.score_cells(table, image, weight, phase, case.rings, *pairs, 2, 5, IN_PLANE))


def test_points_beyond_count_do_not_matter_to_poses(kernels, case, pairs):
    count = int(case.rings[5, 0])
    clean = kernels.score_poses(*poses_of(case, pairs, count))
    volumes, kx, ky, image, weight, phase, *tail = poses_of(case, pairs, count)
    poisoned = (case.poisoned(values, slice(count, None)) for values in (kx, ky, image, weight, phase))
    assert np.array_equal(clean, kernels.score_poses(volumes, *poisoned, *tail))
