"""The shape of a map's mass, which tells a particle from a reconstruction that has collapsed into a disc."""

import numpy as np
from numpy.typing import NDArray

FLAT_RATIO = 0.3
"""A map of less `flatness` is a disc rather than a particle."""

_THRESHOLD_FRACTION = 0.1


def flatness(volume: NDArray[np.floating]) -> float:
    """How much thinner a map is in its thinnest direction than across it.

    Density above a tenth of the highest counts as mass. The three eigenvalues of the mass's covariance matrix are the
    mean squared extents along its principal axes. A disc has two large ones and a small one, a rod a large one and two
    small ones: the least is therefore set against the middle one, not the largest, so that an elongated particle is
    not called flat. For a disc of even density that is 4/3 (thickness / diameter)².

    Parameters
    ----------
    volume : (n, n, n) float, [z, y, x]

    Returns
    -------
    float
        Least over middle eigenvalue, in [0, 1]: 1 for a ball or a rod, near 0 for a disc. 1 where the map has no
        positive density, or all of it on one line.
    """
    least, middle, _ = _mean_squared_extents(volume)
    return float(min(least / middle, 1.0)) if middle > 0.0 else 1.0


def centre_of_mass(volume: NDArray[np.floating]) -> NDArray[np.float64]:
    """Centre of the mass, (3,) float64 x, y, z in voxels from voxel n // 2; 0 where there is no mass."""
    mass = np.maximum(volume - _THRESHOLD_FRACTION * max(float(volume.max()), 0.0), 0.0).astype(np.float64)
    axis = np.arange(volume.shape[0]) - volume.shape[0] // 2
    moment = np.array([mass.sum(axis=others) @ axis for others in ((0, 1), (0, 2), (1, 2))])
    return np.asarray(moment / max(float(mass.sum()), 1e-30))


def diameter_voxels(volume: NDArray[np.floating]) -> float:
    """Diameter of the ball whose mean squared extent is that of a map's mass."""
    return float(2.0 * np.sqrt(5.0 / 3.0 * _mean_squared_extents(volume).sum()))


def _mean_squared_extents(volume: NDArray[np.floating]) -> NDArray[np.float64]:
    """Eigenvalues (3,) of the covariance matrix of the mass, ascending, in voxels²; 0 where there is no mass."""
    highest = float(volume.max())
    at = np.nonzero(volume > _THRESHOLD_FRACTION * highest) if highest > 0.0 else ()
    if not at:
        return np.zeros(3)
    covariance = np.cov(np.array(at, dtype=np.float64), aweights=volume[at].astype(np.float64), ddof=0)
    # Rounding may leave a little less than nothing, or a little more, across a plane or a line.
    extents = np.linalg.eigvalsh(covariance)
    return np.where(extents < 1e-9 * max(float(extents[-1]), 1.0), 0.0, extents)
