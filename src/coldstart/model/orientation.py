"""How evenly a map is known in all directions: from where its particles are seen, and how its halves agree.

A view samples the central section of the map's transform at right angles to it. A direction k of the transform is
therefore sampled by the views on the great circle across k,

    S(k) = < [ |k . d| < s ] > / s,

the share of views d whose section passes within s of k, over that of even views. Where views are missing all along such
a circle, the map is smeared along k.
"""

import healpix
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from coldstart.model.directions import ViewDensity, view_centres
from coldstart.model.fourier import radius_grid
from coldstart.model.orientation_report import MISSING_SAMPLING, Evenness, OrientationReport

FloatArray = NDArray[np.float64]

CONE_DEG = 20.0
"""Half the opening of the cones in which the correlation is taken."""

_AXES_NSIDE = 8  # directions of the transform 7.3 degrees apart
_VIEWS_NSIDE = 16  # cells in which views are counted, 3.7 degrees apart
_CONES_NSIDE = 4
_REACH_DEG = 5.0
_THRESHOLD = 0.143
# Coefficients in a cone's part of a shell from which its correlation says something.
_FEWEST = 10

# The point spread function, on a grid of so many points: its transform is the sampling times a Gaussian.
_SPREAD_SIDE = 64
_SPREAD_RADIUS = 5.0
_SPREAD_LEVEL = np.exp(-2.0)


def orientation_report(
    directions: FloatArray, halves: NDArray[np.floating], radius: float, chances: FloatArray | None = None
) -> OrientationReport:
    """What views and halves say of a map.

    Parameters
    ----------
    directions : (M, 3) float64
        Views, unit vectors x, y, z in the map's frame, at least one; with those that a symmetry makes equivalent.
    halves : (2, n, n, n) float, [z, y, x]
        Half maps, masked.
    radius : float
        Finest detail in them, in cycles a box.
    chances : (M,) float64, optional
        How probable it is that a view whose turn it is is drawn, where views are balanced.
    """
    axes = half_sphere(_AXES_NSIDE)
    sampling = fourier_sampling(directions, axes)
    views = ViewDensity.of(directions).smoothed(len(directions))
    main = int(views.density.argmax())
    cones = half_sphere(_CONES_NSIDE)
    curves = conical_correlation(halves, cones, min(int(radius), halves.shape[1] // 2 - 1))
    areas, crossings = _areas(curves)
    worst, best = int(areas.argmin()), int(areas.argmax())
    return OrientationReport(
        views=_evenness(sampling, efficiency(directions)),
        least_axis=_middle_of_missing(axes, sampling),
        main_view=view_centres()[main],
        main_density=float(views.density[main]),
        cone_ratio=float(areas[worst] / max(areas[best], 1e-12)),
        worst_axis=cones[worst],
        worst_radius=float(crossings[worst]),
        best_radius=float(crossings[best]),
        drawn=None
        if chances is None
        else _evenness(fourier_sampling(directions, axes, chances), efficiency(directions, chances)),
    )


def _evenness(sampling: FloatArray, efficiency_od: float) -> Evenness:
    """From how often the directions of a half sphere are sampled."""
    return Evenness(
        efficiency=efficiency_od,
        compensation=float(1.0 / np.mean(1.0 / sampling)) if sampling.min() > 0.0 else 0.0,
        filled=float(np.mean(sampling >= MISSING_SAMPLING)),
        least_sampling=float(sampling.min()),
    )


def _middle_of_missing(axes: FloatArray, sampling: FloatArray) -> FloatArray:
    """The axis, (3,), that lies closest to all that are sampled little, counted by what they lack."""
    lack = np.maximum(max(MISSING_SAMPLING, 1.2 * float(sampling.min())) - sampling, 0.0)
    return np.asarray(np.linalg.eigh((axes.T * lack) @ axes)[1][:, -1])


def fourier_sampling(directions: FloatArray, axes: FloatArray, weights: FloatArray | None = None) -> FloatArray:
    """How often directions of the transform are sampled, over how often even views would.

    Parameters
    ----------
    directions : (M, 3) float64
        Views, at least one.
    axes : (A, 3) float64
        Unit vectors.
    weights : (M,) float64, optional
        Of the views, alike by default.

    Returns
    -------
    (A,) float64
    """
    cells, centres = 12 * _VIEWS_NSIDE**2, _sphere(_VIEWS_NSIDE)
    shares = np.bincount(healpix.vec2pix(_VIEWS_NSIDE, *directions.T), weights, cells)
    near = np.abs(axes @ centres.T) < np.sin(np.deg2rad(_REACH_DEG))
    return np.asarray((near @ shares) / shares.sum() / near.mean(axis=1))


def efficiency(directions: FloatArray, weights: FloatArray | None = None) -> float:
    """E_od (Naydenova and Russo 2017): 1 - 2 sigma / mean of the radius at which the point spread function has fallen.

    The point spread function is the transform of the sampling times a Gaussian, and its radius that at which it has
    fallen to exp(-2) of its height; never below 0.
    """
    side, centre = _SPREAD_SIDE, _SPREAD_SIDE // 2
    k = np.arange(side) - centre
    z, y, x = np.meshgrid(k, k, np.arange(centre + 1), indexing="ij")
    points = np.stack([x, y, z], axis=-1).reshape(-1, 3).astype(np.float64)
    length = np.linalg.norm(points, axis=1)
    near = (length > 0.0) & (length < 4.0 * _SPREAD_RADIUS)
    cell = healpix.vec2pix(_AXES_NSIDE, *(points[near] / length[near, None]).T)
    transfer = np.zeros(len(points))
    transfer[near] = fourier_sampling(directions, _sphere(_AXES_NSIDE), weights)[cell]
    transfer[length == 0.0] = 1.0
    transfer *= np.exp(-0.5 * (length / _SPREAD_RADIUS) ** 2)
    spectrum = np.fft.ifftshift(transfer.reshape(side, side, -1), axes=(0, 1))
    spread = np.fft.fftshift(np.fft.irfftn(spectrum, s=(side,) * 3, axes=(0, 1, 2)))
    steps = np.arange(0.0, centre - 1.0, 0.25)
    rays = half_sphere(_AXES_NSIDE)[:, None, ::-1] * steps[:, None] + centre
    along = map_coordinates(spread / spread.max(), rays.reshape(-1, 3).T, order=1).reshape(len(rays), -1)
    radii = steps[np.argmax(along < _SPREAD_LEVEL, axis=1)]
    return max(float(1.0 - 2.0 * radii.std() / radii.mean()), 0.0)


def conical_correlation(halves: NDArray[np.floating], axes: FloatArray, radius: int) -> FloatArray:
    """Fourier shell correlation inside cones.

    Parameters
    ----------
    halves : (2, n, n, n) float, [z, y, x]
    axes : (A, 3) float64
        Unit vectors along the cones, which open CONE_DEG to all sides, and to both ends.
    radius : int
        Last shell, in cycles a box; below n // 2.

    Returns
    -------
    (A, radius + 1) float64
        At 0, 1, ... cycles a box; 1 where a cone has too little of a shell to tell.
    """
    n = halves.shape[1]
    shell = np.rint(radius_grid(n)).astype(np.int64)
    inside = (shell >= 1) & (shell <= radius)
    k = np.arange(n) - n // 2
    z, y, x = np.meshgrid(k, k, np.arange(n // 2 + 1), indexing="ij")
    points = np.stack([x[inside], y[inside], z[inside]], axis=1).astype(np.float64)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    one, other = (np.fft.fftshift(np.fft.rfftn(np.fft.ifftshift(half)), axes=(0, 1))[inside] for half in halves)
    of_shell = shell[inside]
    order = np.argsort(of_shell, kind="stable")
    starts = np.searchsorted(of_shell[order], np.arange(1, radius + 1))
    points, widest = points[order], np.cos(np.deg2rad(CONE_DEG))
    members = np.stack([np.abs(points @ axis) >= widest for axis in axes])

    def sums(values: FloatArray) -> FloatArray:  # cone by cone: all of them at once would take much memory
        ordered = values[order]
        return np.stack([np.add.reduceat(np.where(member, ordered, 0.0), starts) for member in members])

    cross, norm = sums((one * other.conj()).real), np.sqrt(sums(np.abs(one) ** 2) * sums(np.abs(other) ** 2))
    enough = (sums(np.ones(len(points))) >= _FEWEST) & (norm > 0.0)
    curves = np.ones((len(axes), radius + 1))
    curves[:, 1:] = np.divide(cross, norm, out=np.ones_like(cross), where=enough)
    return curves


def _areas(curves: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Area under each curve up to where it falls below the threshold, and where that is, in cycles a box."""
    below = curves[:, 1:] < _THRESHOLD
    last = np.where(below.any(axis=1), below.argmax(axis=1), below.shape[1])  # shells before the first that is below
    counted = np.arange(1, curves.shape[1]) <= last[:, None]
    return np.asarray((curves[:, 1:] * counted).sum(axis=1)), last.astype(np.float64)


def half_sphere(nside: int) -> FloatArray:
    """Directions on HEALPix centres (A, 3) float64, one of each pair of opposite ones."""
    points = _sphere(nside)
    return points[points[:, 2] > -1e-9]


def _sphere(nside: int) -> FloatArray:
    return np.asarray(np.stack(healpix.pix2vec(nside, np.arange(12 * nside**2)), axis=1), dtype=np.float64)
