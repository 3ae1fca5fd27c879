"""Viewing directions: where they point in the map's frame, and how densely they lie."""

from dataclasses import dataclass
from functools import lru_cache

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

_VIEW_NSIDE = 8
VIEW_CELLS = 12 * _VIEW_NSIDE**2
# A density is smoothed over caps of this radius, and beside so many even views.
_VIEW_CAP_DEG = 12.0
_EVEN_VIEWS = 200.0


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


@dataclass(frozen=True, slots=True)
class ViewDensity:
    """How densely views lie, a view and its opposite counted as one.

    Attributes
    ----------
    density : (VIEW_CELLS,) float64
        Over that of even views, in cells of HEALPix of 7.3 degrees, whose centres are `view_centres`.
    """

    density: NDArray[np.float64]

    @classmethod
    def of(cls, directions: NDArray[np.float64]) -> "ViewDensity":
        """Of views (M, 3), at least one, cell by cell."""
        counts = sum(np.bincount(_view_cells(sign * directions), minlength=VIEW_CELLS) for sign in (1.0, -1.0))
        return cls(np.asarray(0.5 * counts * VIEW_CELLS / len(directions)))

    def smoothed(self, count: int) -> "ViewDensity":
        """The mean over caps; of few views (`count`) beside even ones, so that chance is not taken for density."""
        return ViewDensity(np.asarray(_caps() @ (self.density * count + _EVEN_VIEWS) / (count + _EVEN_VIEWS)))

    def at(self, directions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Around directions (M, 3), as (M,) float64."""
        return np.asarray(self.density[_view_cells(directions)])


@lru_cache(maxsize=1)
def view_centres() -> NDArray[np.float64]:
    """(VIEW_CELLS, 3) float64: the centres of the cells in which views are counted."""
    return np.asarray(np.stack(healpix.pix2vec(_VIEW_NSIDE, np.arange(VIEW_CELLS)), axis=1), dtype=np.float64)


@lru_cache(maxsize=1)
def _caps() -> NDArray[np.float64]:
    """(VIEW_CELLS, VIEW_CELLS) float64: row i averages over the cells in the cap around cell i."""
    inside = view_centres() @ view_centres().T > np.cos(np.deg2rad(_VIEW_CAP_DEG))
    return np.asarray(inside / inside.sum(axis=1, keepdims=True))


def _view_cells(directions: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.asarray(healpix.vec2pix(_VIEW_NSIDE, *directions.T), dtype=np.int64)


def _cap_cosine(count: int) -> float:
    """Cosine of the radius of a cap that holds enough of this many uniform directions."""
    narrow, wide = np.cos(np.deg2rad(_CAP_DEG))
    return float(np.clip(1.0 - 2.0 * _PARTICLES_A_CAP / count, wide, narrow))
