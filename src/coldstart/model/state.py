"""Frozen records that pass between engine, io, cli, report and plugin."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Phase = Literal["initial", "marching", "final", "posing"]


@dataclass(frozen=True, slots=True)
class StageCount:
    """What one stage of a pose search did to a minibatch.

    Attributes
    ----------
    level : int
        Of the pose grid.
    radius : float
        Rings used, in cycles a box.
    images : int
    candidates, kept : int
        Poses that were scored and that survived, of all images.
    products : int
        Products of a coefficient of an image and one of a slice.
    """

    level: int
    radius: float
    images: int
    candidates: int
    kept: int
    products: int


def add_stages(counts: Iterable[tuple[StageCount, ...]]) -> tuple[StageCount, ...]:
    """The counts of several minibatches that were searched in the same stages, added up."""
    added = ("images", "candidates", "kept", "products")
    return tuple(
        replace(stages[0], **{name: sum(getattr(stage, name) for stage in stages) for name in added})
        for stages in zip(*counts, strict=True)
    )


@dataclass(frozen=True, slots=True)
class BoundAudit:
    """What pruned searches lost against searches of the whole grid.

    Attributes
    ----------
    images : int
        How many were searched both ways.
    best_pose_kept : float
        Share of them whose best pose of all was among those that the pruned search evaluated to the end.
    mass_lost_mean, mass_lost_max : float
        Posterior mass of the poses that it did not: mean over the images, and largest.
    """

    images: int
    best_pose_kept: float
    mass_lost_mean: float
    mass_lost_max: float

    @classmethod
    def of(cls, kept: NDArray[np.bool_], lost: NDArray[np.float64]) -> "BoundAudit":
        """Of single images: whether the best pose was kept, and the mass lost."""
        return cls(len(kept), float(kept.mean()), float(lost.mean()), float(lost.max()))


@dataclass(frozen=True, slots=True)
class IterationStats:
    """The figures of one iteration, as `log.jsonl` holds them.

    Attributes
    ----------
    iteration, iterations : int
        1-based number of this iteration, and how many there will be at most.
    phase : {"initial", "marching", "final", "posing"}
        At the initial resolution; resolution rising; at the maximum; posing all used particles on the final map.
    resolution_angstrom, fourier_radius : float
        The finest detail used, in Å and in cycles a box.
    minibatch : int
        Images in this iteration.
    learning_rate : float
        Weight of this minibatch.
    noise_scale : float
        Mean noise variance over the background's: above 1 while inflated.
    ess_rotations, ess_poses : float
        Effective number of coarse rotations and of finest poses an image, 1 / sum of squared posteriors, mean over the
        minibatch.
    ess_fraction : float
        `ess_rotations` over the number of rotations of the coarse grid.
    angular_step_deg : float
        Finest angular step searched.
    log_likelihood : float
        Mean log evidence an image, up to a constant.
    map_change : float
        Relative change of the map, |V - V_previous| / |V|.
    image_visits : int
        Images seen since the start, repeats counted.
    sampled_fraction : float
        Share of images whose posterior was too broad to follow whole, and was sampled.
    seconds : float
        Wall seconds of this iteration.
    limited_fraction : float
        Share of images for which the search's limit acted: a sample, or in the posing pass the most probable poses,
        stand for all.
    evaluated_fraction : float
        Coefficient products of the search over those of an exhaustive one on its finest grid.
    stages : tuple of StageCount
        What each stage of the search evaluated and kept.
    audit : BoundAudit or None
        What the search lost on some of the images, where that was looked at.
    """

    iteration: int
    iterations: int
    phase: Phase
    resolution_angstrom: float
    fourier_radius: float
    minibatch: int
    learning_rate: float
    noise_scale: float
    ess_rotations: float
    ess_poses: float
    ess_fraction: float
    angular_step_deg: float
    log_likelihood: float
    map_change: float
    image_visits: int
    sampled_fraction: float
    seconds: float
    limited_fraction: float = 0.0
    evaluated_fraction: float = 0.0
    stages: tuple[StageCount, ...] = ()
    audit: BoundAudit | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The maps after an iteration.

    Attributes
    ----------
    stats : IterationStats
    volumes : (K, n, n, n) float32, [z, y, x]
        The maps on the engine's grid, which just holds the maximum resolution.
    voxel_size_angstrom : float
        Å a voxel of `volumes`.
    """

    stats: IterationStats
    volumes: NDArray[np.float32]
    voxel_size_angstrom: float


@dataclass(frozen=True, slots=True)
class PoseTable:
    """The poses of the particles that were posed, one row each.

    Attributes
    ----------
    particle : (M,) int64
        Row in `Particles`, ascending.
    euler_deg : (M, 3) float64
        RELION rot, tilt, psi in degrees.
    origin_angstrom : (M, 2) float64
        RELION rlnOriginXAngst, rlnOriginYAngst: moving the image by +origin centres it.
    class_index : (M,) int64
        0-based class.
    log_likelihood, ess, max_posterior : (M,) float64
        Log evidence up to a constant, effective number of poses, and posterior of the best one.
    """

    particle: NDArray[np.int64]
    euler_deg: NDArray[np.float64]
    origin_angstrom: NDArray[np.float64]
    class_index: NDArray[np.int64]
    log_likelihood: NDArray[np.float64]
    ess: NDArray[np.float64]
    max_posterior: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run gives: the maps in the input's box, the poses, and the figures of the way there.

    Attributes
    ----------
    volumes : (K, box, box, box) float32, [z, y, x]
        Maps at the input's box and pixel size.
    pixel_size_angstrom : float
    poses : PoseTable
        Every particle that was used.
    iterations : tuple of IterationStats
    resolution_angstrom : (K,) tuple of float
        Finest detail that each map holds.
    device_name : str
    peak_device_bytes : int
    stopped_early : bool
        True when the caller asked to stop before the end.
    converged : bool
        True when the final iterations ended because the map no longer changed.
    """

    volumes: NDArray[np.float32]
    pixel_size_angstrom: float
    poses: PoseTable
    iterations: tuple[IterationStats, ...]
    resolution_angstrom: tuple[float, ...]
    device_name: str
    peak_device_bytes: int
    stopped_early: bool = False
    converged: bool = False
    notes: tuple[str, ...] = field(default=())
