import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from coldstart.model.so3 import (
    euler_to_matrix,
    geodesic_distance_deg,
    matrix_to_euler,
    matrix_to_rotvec,
    random_rotations,
    rotvec_to_matrix,
)

angle = st.floats(-180, 180)
euler = st.tuples(angle, st.floats(0, 180), angle)


def relion_matrix(rot, tilt, psi):
    """RELION's matrix as a product of passive rotations about z, y and z."""

    def about_z(degrees):
        c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        return np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])

    def about_y(degrees):
        c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        return np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])

    return about_z(psi) @ about_y(tilt) @ about_z(rot)


@given(euler)
def test_matrix_is_relions(angles):
    matrix = euler_to_matrix([angles])[0]
    np.testing.assert_allclose(matrix, relion_matrix(*angles), atol=1e-12)
    np.testing.assert_allclose(matrix, Rotation.from_euler("ZYZ", angles, degrees=True).as_matrix().T, atol=1e-12)


@given(euler)
def test_euler_round_trip(angles):
    matrix = euler_to_matrix([angles])
    back = matrix_to_euler(matrix)
    np.testing.assert_allclose(euler_to_matrix(back), matrix, atol=1e-6)
    if 0.01 < angles[1] < 179.99:
        difference = (back[0] - angles + 180) % 360 - 180
        np.testing.assert_allclose(difference, 0, atol=1e-6)


@given(euler)
def test_rotation_vector_round_trip(angles):
    matrix = euler_to_matrix([angles])
    rotvec = matrix_to_rotvec(matrix)
    np.testing.assert_allclose(rotvec_to_matrix(rotvec), matrix, atol=1e-6)
    expected = Rotation.from_euler("ZYZ", angles, degrees=True).as_matrix()
    np.testing.assert_allclose(Rotation.from_rotvec(rotvec[0]).as_matrix(), expected, atol=1e-12)


@pytest.mark.parametrize(("tilt", "psi"), [(0.0, 70.0), (180.0, -10.0)])
def test_rot_is_zero_at_the_poles(tilt, psi):
    # Only psi + rot counts at tilt 0, and psi - rot at tilt 180.
    back = matrix_to_euler(euler_to_matrix([[30.0, tilt, 40.0 if tilt == 0 else 20.0]]))[0]
    np.testing.assert_allclose(back, [0.0, tilt, psi], atol=1e-9)


def test_third_row_is_the_viewing_direction():
    matrix = euler_to_matrix([[90.0, 90.0, 12.0]])[0]
    np.testing.assert_allclose(matrix[2], [0, 1, 0], atol=1e-12)


def test_geodesic_distance_is_the_angle_between():
    start = euler_to_matrix([[10, 20, 30]])
    for degrees in (0.0, 1e-6, 0.5, 90.0, 180.0):
        turn = Rotation.from_rotvec(np.deg2rad(degrees) * np.array([0.6, 0.0, 0.8])).as_matrix()
        np.testing.assert_allclose(geodesic_distance_deg(turn @ start, start), [degrees], rtol=1e-7, atol=1e-12)


def test_geodesic_distance_broadcasts():
    a, b = random_rotations(np.random.default_rng(0), 5), random_rotations(np.random.default_rng(1), 3)
    table = geodesic_distance_deg(a[:, None], b[None])
    assert table.shape == (5, 3)
    assert table[2, 1] == pytest.approx(float(geodesic_distance_deg(a[2], b[1])))


def test_random_rotations_are_uniform_and_repeatable():
    rotations = random_rotations(np.random.default_rng(7), 20_000)
    np.testing.assert_array_equal(rotations, random_rotations(np.random.default_rng(7), 20_000))
    np.testing.assert_allclose(rotations.mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose(np.linalg.det(rotations[:100]), 1)
    # The angle of a uniform rotation has the density (1 - cos) / pi, of mean pi / 2 + 2 / pi.
    angles = geodesic_distance_deg(rotations, np.eye(3))
    assert angles.mean() == pytest.approx(np.rad2deg(np.pi / 2 + 2 / np.pi), abs=1.0)
