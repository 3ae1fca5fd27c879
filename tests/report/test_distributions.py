import numpy as np
import pytest

from coldstart.model.so3 import matrix_to_euler, random_rotations
from coldstart.report.distributions import direction_density


def test_uniform_directions_have_density_one() -> None:
    euler = matrix_to_euler(random_rotations(np.random.default_rng(1), 60_000))
    density = direction_density(euler)
    assert density.shape == (18, 36)
    assert density.mean() == pytest.approx(1.0)
    # 93 particles a cell on average, so the counting noise is about 0.1.
    assert density.std() == pytest.approx(0.10, abs=0.02)


def test_one_direction_fills_the_cell_of_its_rot_and_tilt() -> None:
    euler = np.tile([100.0, 10.0, 33.0], (200, 1))
    density = direction_density(euler)
    rows, columns = density.shape
    # Tilt 10 is by the north pole: the last row. Rot 100 lies at (100 + 180) / 360 of the width.
    assert np.argwhere(density > 0).tolist() == [[rows - 1, int(280 / 360 * columns)]]
    assert density.max() == density.size


def test_rot_is_taken_modulo_a_turn() -> None:
    euler = np.array([[10.0, 90.0, 0.0], [370.0, 90.0, 0.0], [-350.0, 90.0, 0.0]])
    assert np.count_nonzero(direction_density(euler)) == 1
