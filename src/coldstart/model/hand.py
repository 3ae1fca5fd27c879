"""The other hand of a map, and the poses that go with it.

Mirrored by M, the map is V'(x) = V(M x). A projection does not say which end of the view is near, so the image that V
shows under A is the one that V' shows under diag(1, 1, -1) A M. Images stay as they are, and so do shifts.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coldstart.model.so3 import euler_to_matrix, matrix_to_euler

Scalar = TypeVar("Scalar", bound=np.generic)

_VIEW_AXIS = 2


def mirror_matrix(axis: int) -> NDArray[np.float64]:
    """The mirror (3, 3) on (x, y, z) that turns a coordinate axis around; 0 is x, 1 is y, 2 is z."""
    diagonal = np.ones(3)
    diagonal[axis] = -1.0
    return np.diag(diagonal)


def flip_map(volume: NDArray[Scalar], axis: int) -> NDArray[Scalar]:
    """The map mirrored through its centre voxel n // 2.

    Parameters
    ----------
    volume : (n, n, n), [z, y, x]
    axis : int
        The coordinate that changes its sign: 0 is x, 1 is y, 2 is z.

    Returns
    -------
    (n, n, n), of the same dtype
        In an even box the first plane, which has no counterpart, stays where it is.
    """
    along = volume.ndim - 1 - axis
    return np.roll(np.flip(volume, along), 1 - volume.shape[along] % 2, axis=along)


def flip_matrices(matrices: ArrayLike, axis: int) -> NDArray[np.float64]:
    """Rotation matrices (M, 3, 3) under which the map mirrored along an axis shows what the map shows under these."""
    poses = np.asarray(matrices, dtype=np.float64).reshape(-1, 3, 3)
    return np.asarray(mirror_matrix(_VIEW_AXIS) @ poses @ mirror_matrix(axis))


def flip_poses(euler_deg: ArrayLike, axis: int) -> NDArray[np.float64]:
    """The poses that belong to the mirrored map.

    Parameters
    ----------
    euler_deg : (M, 3) float
        RELION rot, tilt, psi in degrees.
    axis : int
        Along which the map was mirrored, as in `flip_map`.

    Returns
    -------
    (M, 3) float64
        RELION rot, tilt, psi in degrees. Origins are those of the first hand.
    """
    return matrix_to_euler(flip_matrices(euler_to_matrix(euler_deg), axis))
