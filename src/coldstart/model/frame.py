"""Poses in another frame of the map: what becomes of them where the map is turned and moved.

A map turned and then shifted is V'(x) = V(R^T (x - s)). The image that V shows under A at origin o is the one that V'
shows under A R^T, whose centre lies elsewhere in the image: at o + A R^T s, of which the image has x and y.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coldstart.model.so3 import euler_to_matrix, matrix_to_euler


def poses_in_frame(
    euler_deg: ArrayLike, origin_angstrom: ArrayLike, rotation: NDArray[np.float64], shift_angstrom: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The poses that go with a map that was rotated and then shifted.

    Parameters
    ----------
    euler_deg : (M, 3) float
        RELION rot, tilt, psi in degrees.
    origin_angstrom : (M, 2) float
        RELION rlnOriginXAngst, rlnOriginYAngst.
    rotation : (3, 3) float64
        Of the map, on coordinates (x, y, z).
    shift_angstrom : (3,) float
        Of the rotated map, x, y, z.

    Returns
    -------
    (M, 3), (M, 2) float64
        Angles and origins.
    """
    matrices = euler_to_matrix(euler_deg) @ rotation.T
    moved = matrices @ np.asarray(shift_angstrom, dtype=np.float64)
    return matrix_to_euler(matrices), np.asarray(origin_angstrom, dtype=np.float64) + moved[:, :2]
