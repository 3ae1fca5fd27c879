"""Rotations: RELION's matrices and Euler angles, CryoSPARC's rotation vectors, and distances.

The matrix is RELION's `A(rot, tilt, psi)`: it takes map coordinates (x, y, z) to image coordinates, so its third
row is the viewing direction in the map's frame, and the image's Fourier coefficient at (kx, ky) is the map's at
`A.T @ (kx, ky, 0)`. CryoSPARC's pose is the rotation vector of the inverse rotation, `A.T`.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

Matrices = NDArray[np.float64]

# Below this sine of the tilt, rot and psi turn about the same axis and only their sum is defined. RELION's own
# limit, 2e-6, is chosen for float32 and would cost a round trip more than 1e-6.
_POLE_SINE = 5e-7


def euler_to_matrix(euler_deg: ArrayLike) -> Matrices:
    """RELION's rotation matrices of Euler angles.

    Parameters
    ----------
    euler_deg : (N, 3) float
        rot, tilt, psi in degrees.

    Returns
    -------
    (N, 3, 3) float64
        Rows are the image's x, y and viewing axes in the map's frame (x, y, z).
    """
    angles = np.deg2rad(np.asarray(euler_deg, dtype=np.float64).reshape(-1, 3))
    ca, cb, cg = np.cos(angles).T
    sa, sb, sg = np.sin(angles).T
    rows = [
        [cg * cb * ca - sg * sa, cg * cb * sa + sg * ca, -cg * sb],
        [-sg * cb * ca - cg * sa, -sg * cb * sa + cg * ca, sg * sb],
        [sb * ca, sb * sa, cb],
    ]
    return np.ascontiguousarray(np.moveaxis(np.array(rows), 2, 0))


def matrix_to_euler(matrices: ArrayLike) -> NDArray[np.float64]:
    """RELION's Euler angles of rotation matrices; at tilt 0 and 180, rot is 0.

    Parameters
    ----------
    matrices : (N, 3, 3) float
        Map frame to image frame, as `euler_to_matrix` gives them.

    Returns
    -------
    (N, 3) float64
        rot, tilt, psi in degrees; tilt in [0, 180], rot and psi in [-180, 180].
    """
    a = np.asarray(matrices, dtype=np.float64).reshape(-1, 3, 3)
    sine = np.hypot(a[:, 0, 2], a[:, 1, 2])
    pole = sine < _POLE_SINE
    up = a[:, 2, 2] > 0
    rot = np.where(pole, 0.0, np.arctan2(a[:, 2, 1], a[:, 2, 0]))
    tilt = np.where(pole, np.where(up, 0.0, np.pi), np.arctan2(sine, a[:, 2, 2]))
    psi_at_pole = np.where(up, np.arctan2(-a[:, 1, 0], a[:, 0, 0]), np.arctan2(a[:, 1, 0], -a[:, 0, 0]))
    psi = np.where(pole, psi_at_pole, np.arctan2(a[:, 1, 2], -a[:, 0, 2]))
    return np.asarray(np.rad2deg(np.stack([rot, tilt, psi], axis=1)), dtype=np.float64)


def matrix_to_rotvec(matrices: ArrayLike) -> NDArray[np.float64]:
    """CryoSPARC's poses of rotation matrices.

    Parameters
    ----------
    matrices : (N, 3, 3) float
        Map frame to image frame.

    Returns
    -------
    (N, 3) float64
        Axis times angle in radians: `Rotation.from_rotvec(pose) == Rotation.from_euler("ZYZ", [rot, tilt, psi])`.
    """
    a = np.asarray(matrices, dtype=np.float64).reshape(-1, 3, 3)
    return np.asarray(Rotation.from_matrix(a.swapaxes(1, 2)).as_rotvec(), dtype=np.float64)


def rotvec_to_matrix(rotvec: ArrayLike) -> Matrices:
    """Rotation matrices (N, 3, 3), map frame to image frame, of CryoSPARC poses (N, 3) in radians."""
    poses = np.asarray(rotvec, dtype=np.float64).reshape(-1, 3)
    return np.ascontiguousarray(Rotation.from_rotvec(poses).as_matrix().swapaxes(1, 2))


def geodesic_distance_deg(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Angle of the rotation between two sets of matrices.

    Parameters
    ----------
    a, b : (..., 3, 3) float
        Rotation matrices; the leading axes broadcast.

    Returns
    -------
    (...,) float64
        Degrees, in [0, 180].
    """
    difference = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    # |a - b| = 2 sqrt(2) sin(angle / 2); unlike the trace, it keeps small angles exact.
    half_sine = np.sqrt(np.sum(difference**2, axis=(-2, -1)) / 8.0)
    return np.asarray(np.rad2deg(2.0 * np.arcsin(np.minimum(half_sine, 1.0))))


def random_rotations(rng: np.random.Generator, n: int) -> Matrices:
    """Rotation matrices (n, 3, 3) float64, uniform over all rotations."""
    quaternions = rng.standard_normal((n, 4))
    return np.asarray(Rotation.from_quat(quaternions).as_matrix(), dtype=np.float64).reshape(n, 3, 3)


def frames_about(axes: ArrayLike) -> Matrices:
    """Rotations that bring axes onto z.

    Parameters
    ----------
    axes : (N, 3) float
        Unit vectors x, y, z.

    Returns
    -------
    (N, 3, 3) float64
        Rows are right-handed frames whose third is the axis; where the first points is of no account.
    """
    z = np.asarray(axes, dtype=np.float64).reshape(-1, 3)
    aside = np.where(np.abs(z[:, :1]) < 0.6, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    x = np.cross(aside, z)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return np.stack([x, np.cross(z, x), z], axis=1)
