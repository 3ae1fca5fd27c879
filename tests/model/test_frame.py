"""Poses that follow their map into another frame show the same images."""

import numpy as np

from coldstart.model.frame import poses_in_frame
from coldstart.model.so3 import euler_to_matrix, random_rotations


def test_points_of_the_map_stay_where_they_are_in_the_images(rng):
    points, euler = rng.uniform(-50, 50, (30, 3)), rng.uniform(0, 180, (12, 3))
    origin, shift = rng.normal(size=(12, 2)) * 5.0, np.array([4.0, -7.0, 2.5])
    turn = random_rotations(rng, 1)[0]
    before = (euler_to_matrix(euler) @ points.T)[:, :2] - origin[..., None]
    angles, moved = poses_in_frame(euler, origin, turn, shift)
    after = (euler_to_matrix(angles) @ (points @ turn.T + shift).T)[:, :2] - moved[..., None]
    np.testing.assert_allclose(after, before, atol=1e-9)
