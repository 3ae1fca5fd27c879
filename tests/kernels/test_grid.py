import numpy as np

from coldstart.model.pose_grid import rotation_grid
from coldstart.model.so3 import random_rotations


def test_a_cell_of_another_class_has_the_same_rotation(kernels, rng):
    grid = rotation_grid(0)
    cells = rng.integers(0, len(grid), 37).astype(np.int32)
    turn = random_rotations(rng, 1)[0].astype(np.float32)
    first, third = (
        kernels.rotation_rows(grid.direction_table, grid.psi_table, turn, cells + k * np.int32(len(grid)))
        for k in (0, 2)
    )
    assert np.array_equal(np.delete(first, 3, axis=1), np.delete(third, 3, axis=1))
    assert (first[:, 3] == 0).all()
    assert (third[:, 3] == 2).all()


def test_rows_are_those_of_the_grids_matrices(kernels, rng):
    grid, turn = rotation_grid(0), random_rotations(rng, 1)[0]
    cells = rng.integers(0, len(grid), 37).astype(np.int32)
    rows = kernels.rotation_rows(grid.direction_table, grid.psi_table, turn.astype(np.float32), cells)
    matrices = grid.matrices(cells, turn)
    np.testing.assert_allclose(rows[:, 0:3], matrices[:, 0], atol=1e-6)
    np.testing.assert_allclose(rows[:, 4:7], matrices[:, 1], atol=1e-6)
