"""Frozen records that pass between engine, io, cli, report and plugin."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from coldstart.model.half_report import HalfReport
from coldstart.model.orientation_report import OrientationReport
from coldstart.model.symmetry_report import SymmetryReport

MIN_CONFIDENCE = 0.6
"""A particle whose most probable class has less of its posterior is of low confidence."""

SAME_MAP = 0.75
"""Correlation from which the maps of two classes may be of one structure."""

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
        Share of images whose posterior was too broad to follow whole, and was sampled, in an iteration; 0 for the
        posing pass, of which `limited_fraction` tells.
    seconds : float
        Wall seconds of this iteration.
    limited_fraction : float
        Share of images for which the search's limit acted: a sample stands for all, or, in the first stages of the
        posing pass, the most probable poses.
    evaluated_fraction : float
        Coefficient products of the search over those of an exhaustive one on its finest grid.
    stages : tuple of StageCount
        What each stage of the search evaluated and kept.
    audit : BoundAudit or None
        What the search lost on some of the images, where that was looked at.
    class_shares : tuple of float
        Share of the minibatch's posterior in each class.
    class_similarity : float
        Share of every image that goes to all classes alike.
    class_ess : float
        Effective number of classes of an image, 1 / sum of squared class posteriors, mean over the minibatch.
    waiting : bool
        Whether the resolution rises no further until the images recognise the map.
    visits_ahead : float
        Images to be seen until the end, if the run takes the course of most; posing a particle counts as several. While
        particles are posed, those that are still to be.
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
    class_shares: tuple[float, ...] = ()
    class_similarity: float = 0.0
    class_ess: float = 1.0
    waiting: bool = False
    visits_ahead: float = 0.0

    @property
    def is_posing_on(self) -> bool:
        """Whether the posing pass goes on: `minibatch` is how many particles it has posed so far."""
        return self.phase == "posing" and self.visits_ahead > 0.0


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
    notes : tuple of str
        What there is to say of the run so far.
    """

    stats: IterationStats
    volumes: NDArray[np.float32]
    voxel_size_angstrom: float
    notes: tuple[str, ...] = ()


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
    class_posterior : (M, K) float64
        Posterior of each class, of sum 1.
    log_likelihood : (M,) float64
        Log evidence of the maps over that of an image of noise alone, in nats.
    ess, max_posterior : (M,) float64
        Effective number of poses, and posterior of the best one.
    used : (M,) bool
        Whether the run drew the particle; the others were posed on its maps, and are not in them.
    """

    particle: NDArray[np.int64]
    euler_deg: NDArray[np.float64]
    origin_angstrom: NDArray[np.float64]
    class_posterior: NDArray[np.float64]
    log_likelihood: NDArray[np.float64]
    ess: NDArray[np.float64]
    max_posterior: NDArray[np.float64]
    used: NDArray[np.bool_]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.class_posterior.shape[1])

    @property
    def class_index(self) -> NDArray[np.int64]:
        """(M,) int64: the most probable class, 0-based."""
        return np.asarray(self.class_posterior.argmax(axis=1))

    @property
    def class_margin(self) -> NDArray[np.float64]:
        """(M,) float64: posterior of the most probable class less that of the second; 1 where there is one class."""
        if self.classes == 1:
            return np.ones(len(self.particle))
        second, first = np.sort(self.class_posterior, axis=1)[:, -2:].T
        return np.asarray(first - second)

    @property
    def label(self) -> NDArray[np.str_]:
        """(M,) str: "used", "unused" where the run did not draw the particle, or "low confidence".

        Low confidence: noise alone explains the image better than the maps do, or no class is MIN_CONFIDENCE probable.
        """
        doubtful = (self.log_likelihood < 0.0) | (self.class_posterior.max(axis=1, initial=0.0) < MIN_CONFIDENCE)
        return np.where(doubtful, "low confidence", np.where(self.used, "used", "unused"))

    def rows(self, chosen: NDArray[np.generic]) -> "PoseTable":
        """Some of the rows, by mask or index."""
        return PoseTable(*(getattr(self, name)[chosen] for name in PoseTable.__dataclass_fields__))


@dataclass(frozen=True, slots=True)
class ClassReport:
    """What the run says of one class.

    Attributes
    ----------
    share : float
        Share of the posed particles whose most probable class it is.
    resolution_angstrom : float
        Where the correlation of the map's halves falls below 0.5; both halves were posed on one map, so it flatters.
    half_correlation : (shells,) float64
        Fourier shell correlation of the map's halves, at 0, 1, ... cycles a box.
    flatness : float
        Least over middle mean squared extent of the map's mass (model/shape.py): near 1 a ball or a rod, small a disc.
    is_noise : bool
        True where the halves do not even agree at the initial resolution.
    halves : HalfReport or None
        How far two maps of half the particles each agree; None where they were not made.
    symmetry : SymmetryReport or None
        What the map shows of symmetry; None where some was imposed, or the map is noise.
    orientation : OrientationReport or None
        How evenly the map is known in all directions; None where it is noise.
    """

    share: float
    resolution_angstrom: float
    half_correlation: NDArray[np.float64]
    flatness: float
    is_noise: bool
    halves: HalfReport | None = None
    symmetry: SymmetryReport | None = None
    orientation: OrientationReport | None = None


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
    resolution_angstrom : float
        Finest detail that was used.
    device_name : str
    peak_device_bytes : int
    stopped_early : bool
        True when the caller asked to stop before the end.
    converged : bool
        True when the final iterations ended because the map no longer changed.
    classes : tuple of ClassReport
    similarity : (K, K) float64
        Correlation of the classes' maps, each pair aligned with each other in the better of both hands.
    symmetry : str
        Point group imposed on the maps.
    notes : tuple of str
        What the user should know of how the run went.
    half_volumes : (K, 2, side, side, side) float32 or None
        Maps of half the particles each, over the same box on the engine's grid and in its grey scale, whose values are
        those of `volumes` over the side of the input's box; not windowed.
    """

    volumes: NDArray[np.float32]
    pixel_size_angstrom: float
    poses: PoseTable
    iterations: tuple[IterationStats, ...]
    resolution_angstrom: float
    device_name: str
    peak_device_bytes: int
    stopped_early: bool = False
    converged: bool = False
    classes: tuple[ClassReport, ...] = ()
    similarity: NDArray[np.float64] = field(default_factory=lambda: np.ones((1, 1)))
    symmetry: str = "C1"
    notes: tuple[str, ...] = field(default=())
    half_volumes: NDArray[np.float32] | None = None
