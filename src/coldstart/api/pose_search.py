"""A pose search from Python: images, a map and a grid in; poses, posteriors and statistics out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from coldstart.api.maps import check_box_map
from coldstart.errors import ParameterError
from coldstart.model.particles import ImageSource, Particles
from coldstart.model.pose_grid import ShiftGrid
from coldstart.model.state import BoundAudit, PoseTable, StageCount
from coldstart.params import AbInitioParams

if TYPE_CHECKING:
    from coldstart.engine.posing import PosedBatch, Poser

OnBatch = Callable[[int, int], None]

FINEST_STEP_DEG = 0.25
"""Cells of finer grids than that of 0.234 degrees have numbers beyond 32 bits."""


@dataclass(frozen=True, slots=True)
class PoseSearchResult:
    """Poses of images on a map.

    Attributes
    ----------
    poses : PoseTable
        One row a particle, in ascending order: RELION angles in degrees and origins in Å, and of the posterior over
        the poses of the grid its log evidence in nats, its effective number of poses and its largest value.
    noise_variance : (rings,) float64
        Variance of a coefficient (of an image with background of variance 1), rings 1, 2, ... cycles a box.
    resolution_angstrom, angular_step_deg : float
        Finest detail used, and step of the finest grid of rotations.
    shifts : ShiftGrid
        The grid of shifts, in fractions of the box.
    stages : tuple of StageCount
        What each stage of the search evaluated and kept.
    evaluated_fraction : float
        Coefficient products of the search over those of an exhaustive one on its finest grid.
    limited_fraction : float
        Share of images for which a limit acted: the most probable poses alone were followed.
    audit : BoundAudit or None
        What the search lost, against the whole grid, for the share `params.verify_bound` of the images.
    device_name : str
    stopped_early : bool
        True when the caller asked to stop: `poses` are those found until then.
    """

    poses: PoseTable
    noise_variance: NDArray[np.float64]
    resolution_angstrom: float
    angular_step_deg: float
    shifts: ShiftGrid
    stages: tuple[StageCount, ...]
    evaluated_fraction: float
    limited_fraction: float
    audit: BoundAudit | None
    device_name: str
    stopped_early: bool


def search_poses(
    particles: Particles,
    images: ImageSource,
    volume: NDArray[np.floating],
    params: AbInitioParams | None = None,
    *,
    voxel_size_angstrom: float | None = None,
    rows: Sequence[int] | NDArray[np.integer] | None = None,
    resolution_angstrom: float | None = None,
    angular_step_deg: float | None = None,
    shifts: ShiftGrid | None = None,
    noise_variance: NDArray[np.floating] | None = None,
    on_batch: OnBatch | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> PoseSearchResult:
    """Find poses and classes of particle images on maps, by branch and bound over the whole grid of poses.

    Parameters
    ----------
    particles : Particles
        What is known of the images; poses that a table may hold are not used.
    images : ImageSource
        Where the pixels come from.
    volume : (n, n, n) or (K, n, n, n) float, [z, y, x]
        The map over the particles' box, n even, in the images' grey scale as a run's `volume.mrc` is: at the images'
        pixel size its projections are images of background variance 1. It may be sampled more coarsely or finely,
        its values kept. Several maps are classes, equally probable beforehand.
    params : AbInitioParams, optional
        Of these count the input's and the image window's, `noise_model`, `shift_extent`, `bound_sigmas`,
        `verify_bound`, `final_minibatch`, `seed` (which images are audited), `device` and `threads`, and where the
        arguments below leave it to them `max_resolution_angstrom` and `particles_to_use`.
    voxel_size_angstrom : float, optional
        Å a voxel of `volume`, to be checked: n voxels must span the particles' box.
    rows : sequence of int, optional
        Particles to pose; each is posed once, in ascending order. The first `particles_to_use`, or all, when None.
    resolution_angstrom : float, optional
        Finest detail to compare, in Å; no finer than two pixels and a margin allow.
    angular_step_deg : float, optional
        Step of the finest grid of rotations, in degrees: 15 halved until it is no larger. When None, it follows the
        resolution: one radian at most times the radius in cycles a box.
    shifts : ShiftGrid, optional
        Shifts to search, in fractions of the box; a disc of radius `params.shift_extent` when None.
    noise_variance : (rings,) float, optional
        Noise variance of coefficients of images whose background has variance 1, rings 1, 2, ... cycles a box, at
        least to the resolution; learnt from the images' background when None.
    on_batch : callable, optional
        Called after every minibatch with the number of particles posed, and of all.
    should_stop : callable, optional
        Asked after every minibatch; once it says True, the search ends with what it has.

    Returns
    -------
    PoseSearchResult

    Raises
    ------
    ParameterError
        If the map, the rows or the grid do not fit the particles.
    ParticleFileError
        If images cannot be read.
    DeviceError
        If no OpenCL device fits the request, or it fails or has too little memory.
    """
    from coldstart.compute.session import open_session
    from coldstart.engine.plan import LATE_MINIBATCH
    from coldstart.engine.posing import Poser, posing_stages
    from coldstart.engine.stage import shift_grid

    params = params or AbInitioParams()
    chosen = _chosen_rows(rows, particles, params)
    finest = params.max_resolution_angstrom if resolution_angstrom is None else resolution_angstrom
    radius = _radius(particles, finest)
    _check_step(angular_step_deg)
    volumes = volume if volume.ndim == 4 else volume[None]
    for each in volumes:
        check_box_map(each, voxel_size_angstrom, particles, "the map")
    _check_detail(volumes, particles, radius)
    grid = shifts or shift_grid(params, radius)
    levels = posing_stages(radius, angular_step_deg, params.bound_sigmas)
    with open_session(params.device, params.threads) as session:
        engine_maps = _engine_maps(volumes, particles.box_px, radius)
        poser = Poser(particles, images, engine_maps, params, session, grid, levels)
        variance = _noise(noise_variance, poser, chosen, int(radius))
        size = params.final_minibatch or LATE_MINIBATCH
        batches = _pose_all(poser, chosen, variance, size, on_batch, should_stop)
        posed = chosen[: sum(len(batch.table.particle) for batch in batches)]
        audit = poser.audit(posed, variance, params.verify_bound) if params.verify_bound > 0.0 else None
        return _result(batches, poser, variance, particles.box_angstrom / radius, grid, audit, session.info.label,
                       stopped=len(posed) < len(chosen))  # fmt: skip


def _pose_all(
    poser: Poser, rows: NDArray[np.int64], variance: NDArray[np.float64], size: int, on_batch: OnBatch | None,
    should_stop: Callable[[], bool] | None,
) -> list[PosedBatch]:  # fmt: skip
    batches, posed = [], 0
    for batch in poser.pose_all(rows, variance, size):
        batches.append(batch)
        posed += len(batch.table.particle)
        if on_batch is not None:
            on_batch(posed, len(rows))
        if should_stop is not None and should_stop():
            break
    return batches


def _result(
    batches: list[PosedBatch], poser: Poser, variance: NDArray[np.float64], resolution_angstrom: float,
    shifts: ShiftGrid, audit: BoundAudit | None, device_name: str, *, stopped: bool,
) -> PoseSearchResult:  # fmt: skip
    from coldstart.engine.poses import join_tables
    from coldstart.engine.posing import SearchTotals

    totals = SearchTotals.of([batch.found for batch in batches])
    return PoseSearchResult(
        poses=join_tables([batch.table for batch in batches]),
        noise_variance=variance,
        resolution_angstrom=resolution_angstrom,
        angular_step_deg=poser.angular_step_deg,
        shifts=shifts,
        stages=totals.stages,
        evaluated_fraction=totals.evaluated_fraction,
        limited_fraction=totals.limited_fraction,
        audit=audit,
        device_name=device_name,
        stopped_early=stopped,
    )


def _engine_maps(volumes: NDArray[np.floating], box_px: int, radius: float) -> NDArray[np.float32]:
    """The maps on the engine's grid and in its grey scale: their spectra over the box are the images' coefficients."""
    from coldstart.engine.parts import grid_side
    from coldstart.engine.update import resize_maps

    n = volumes.shape[1]
    values_to_engine = (box_px / n) ** 3 / box_px
    return resize_maps(np.asarray(volumes, dtype=np.float32), grid_side(radius)) * np.float32(values_to_engine)


def _radius(particles: Particles, resolution_angstrom: float) -> float:
    """Cycles a box, kept inside the image's Nyquist radius."""
    from coldstart.engine.plan import NYQUIST_MARGIN

    if resolution_angstrom <= 0:
        raise ParameterError(f"the resolution is {resolution_angstrom:g} Å: give a positive number of Å")
    radius = min(particles.box_angstrom / resolution_angstrom, particles.box_px / 2 - NYQUIST_MARGIN)
    if radius < 1:
        raise ParameterError(
            f"a resolution of {resolution_angstrom:g} Å is coarser than the box of {particles.box_angstrom:g} Å: "
            "give a finer one"
        )
    return radius


def _chosen_rows(
    rows: Sequence[int] | NDArray[np.integer] | None, particles: Particles, params: AbInitioParams
) -> NDArray[np.int64]:
    if rows is None:
        return np.arange(min(particles.count, params.particles_to_use or particles.count))
    chosen = np.unique(np.asarray(rows))
    if chosen.size == 0:
        raise ParameterError("no particles to pose: give at least one row")
    if chosen.dtype.kind not in "iu":
        raise ParameterError(f"rows are numbers of particles, not {chosen.dtype}: give integers")
    if chosen[0] < 0 or chosen[-1] >= particles.count:
        wrong = chosen[0] if chosen[0] < 0 else chosen[-1]
        raise ParameterError(f"row {wrong} is not one of {particles.name}: rows are 0 to {particles.count - 1}")
    return chosen.astype(np.int64)


def _check_step(angular_step_deg: float | None) -> None:
    if angular_step_deg is not None and not angular_step_deg >= FINEST_STEP_DEG:
        raise ParameterError(
            f"an angular step of {angular_step_deg:g} degrees is finer than grids go: give {FINEST_STEP_DEG:g} or more"
        )


def _check_detail(volumes: NDArray[np.floating], particles: Particles, radius: float) -> None:
    n, box = volumes.shape[1], particles.box_angstrom
    if n / 2 - 1 < radius:
        raise ParameterError(
            f"a map of {n} voxels over {box:g} Å holds detail to {box / (n / 2 - 1):.1f} Å, not {box / radius:.1f} Å: "
            "give a coarser resolution or a finer map"
        )


def _noise(
    given: NDArray[np.floating] | None, poser: Poser, rows: NDArray[np.int64], rings: int
) -> NDArray[np.float64]:
    if given is None:
        return poser.background_noise(rows)
    variance = np.asarray(given, dtype=np.float64)
    if variance.ndim != 1 or len(variance) < rings or not (variance > 0).all():
        raise ParameterError(
            f"the noise variance has shape {variance.shape}: give one positive value for each of {rings} rings"
        )
    return variance[:rings]
