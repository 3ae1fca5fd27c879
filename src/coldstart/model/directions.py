"""Viewing directions: where they point in the map's frame, and how densely they lie."""

import healpix
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from coldstart.model.so3 import euler_to_matrix

# Cells of 3.7 degrees; caps are several times as wide.
_NSIDE = 16
# Enough in a cap that counting noise stays near a quarter.
_PARTICLES_A_CAP = 15
_CAP_DEG = (8.0, 40.0)


def viewing_directions(euler_deg: ArrayLike) -> NDArray[np.float64]:
    """Unit vectors (M, 3), x, y, z in the map's frame, of RELION's rot, tilt, psi (M, 3) in degrees."""
    return euler_to_matrix(euler_deg)[:, 2]


def direction_density(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """How densely directions lie around each of them.

    Parameters
    ----------
    directions : (M, 3) float
        Unit vectors.

    Returns
    -------
    (M,) float64
        Count in a cap around the direction over that of a uniform distribution: 1 where they lie evenly.
    """
    count = len(directions)
    if not count:
        return np.zeros(0)
    cap = _cap_cosine(count)
    x, y, z = healpix.pix2vec(_NSIDE, np.arange(12 * _NSIDE**2))
    centres = np.stack([x, y, z], axis=1)
    tree = cKDTree(directions)
    chord = np.sqrt(2.0 * (1.0 - cap))
    inside = tree.query_ball_point(centres, chord, return_length=True)
    density = np.asarray(inside) / (count * 0.5 * (1.0 - cap))
    own = healpix.vec2pix(_NSIDE, *directions.T)
    return np.asarray(density[own], dtype=np.float64)


def _cap_cosine(count: int) -> float:
    """Cosine of the radius of a cap that holds enough of this many uniform directions."""
    narrow, wide = np.cos(np.deg2rad(_CAP_DEG))
    return float(np.clip(1.0 - 2.0 * _PARTICLES_A_CAP / count, wide, narrow))
