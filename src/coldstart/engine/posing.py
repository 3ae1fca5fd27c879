"""Posing particles on a given map: what a pose search needs, put together for one map, one noise and one grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from coldstart.compute.session import Session
from coldstart.engine.audit import Auditor
from coldstart.engine.expectation import Hypotheses
from coldstart.engine.images import ImagePreparer, Minibatch, MinibatchLoader
from coldstart.engine.poses import pose_table
from coldstart.engine.rings import Rings
from coldstart.engine.sampling import Sampler
from coldstart.engine.search import MapSlices, PoseSearch
from coldstart.engine.share import Figures
from coldstart.engine.slices import FourierMap
from coldstart.engine.stage import POSING, Stage, stages
from coldstart.engine.start import NOISE_SAMPLE
from coldstart.engine.update import PADDING, MapUpdater
from coldstart.model.particles import ImageSource, Particles
from coldstart.model.pose_grid import COARSE_STEP_DEG, ShiftGrid, rotation_grid
from coldstart.model.state import BoundAudit, IterationStats, PoseTable, StageCount, add_stages
from coldstart.model.symmetry import point_group
from coldstart.params import AbInitioParams


@dataclass(frozen=True, slots=True)
class PosedBatch:
    """Poses of a minibatch, and what finding them took.

    Attributes
    ----------
    table : PoseTable
    batch : Minibatch
    found : Hypotheses
    """

    table: PoseTable
    batch: Minibatch
    found: Hypotheses


@dataclass(frozen=True, slots=True)
class PosedRun:
    """The outcome of a run's last pass.

    Attributes
    ----------
    table : PoseTable
    volumes : (K, side, side, side) float32
        The maps of these poses.
    half_correlation : (K, side // 2) float64
        Fourier shell correlation of the maps of every other minibatch.
    stats : IterationStats
    half_volumes : (K, 2, side, side, side) float32
        The maps of every other minibatch, with all that is around the particle.
    """

    table: PoseTable
    volumes: NDArray[np.float32]
    half_correlation: NDArray[np.float64]
    stats: IterationStats
    half_volumes: NDArray[np.float32]


def pose_in_minibatches(
    rows: NDArray[np.int64], minibatch: int, variance: NDArray[np.float64], preparer: ImagePreparer,
    loader: MinibatchLoader, search: PoseSearch, slices: MapSlices, shifts: ShiftGrid, levels: tuple[Stage, ...],
    box_angstrom: float,
) -> Iterator[PosedBatch]:  # fmt: skip
    """Pose these particles on a map, minibatch by minibatch; the next one is read ahead."""
    parts = np.array_split(rows, -(-len(rows) // minibatch))
    for part, following in zip_longest(parts, parts[1:]):
        batch = loader.load(part, variance)
        if following is not None:
            preparer.prepare_ahead(following)
        found = search.run(batch, slices, shifts, levels, None)
        yield PosedBatch(pose_table(part, found, slices.turn, shifts, box_angstrom), batch, found)


@dataclass(frozen=True, slots=True)
class SearchTotals:
    """What the searches of several minibatches took.

    Attributes
    ----------
    stages : tuple of StageCount
    evaluated_fraction : float
        Coefficient products over those of searches of the whole grid.
    limited_fraction : float
        Share of images for which a limit acted.
    """

    stages: tuple[StageCount, ...]
    evaluated_fraction: float
    limited_fraction: float

    @classmethod
    def of(cls, searches: Sequence[Hypotheses | Figures]) -> SearchTotals:
        """Of searches in the same stages."""
        counts = add_stages(found.stages for found in searches)
        exhaustive = sum(found.exhaustive_products for found in searches)
        limited = np.concatenate([found.limited for found in searches])
        return cls(counts, sum(count.products for count in counts) / exhaustive, float(limited.mean()))


def posing_stages(radius: float, angular_step_deg: float | None, sigmas: float) -> tuple[Stage, ...]:
    """Stages of a careful search.

    Parameters
    ----------
    radius : float
        Cycles a box.
    angular_step_deg : float or None
        The last level is the first one whose step is no larger; that which the radius asks for when None.
    sigmas : float
        Of the bound.
    """
    if angular_step_deg is None:
        return stages(radius, POSING, sigmas)
    level = max(int(np.ceil(np.log2(COARSE_STEP_DEG / angular_step_deg) - 1e-9)), 0)
    last_step = np.deg2rad(COARSE_STEP_DEG / (1 << level))
    return stages(radius, replace(POSING, step_radians=last_step * radius * (1 + 1e-9)), sigmas)


class Poser:
    """Poses particles on maps, minibatch by minibatch."""

    def __init__(
        self, particles: Particles, images: ImageSource, volumes: NDArray[np.float32], params: AbInitioParams,
        session: Session, shifts: ShiftGrid, levels: tuple[Stage, ...],
    ) -> None:  # fmt: skip
        """Put the parts together.

        Parameters
        ----------
        volumes : (K, side, side, side) float32
            In the engine's grey scale: their slices are the images' coefficients. Wide enough for the rings.
        """
        rings = Rings(session, levels[-1].level, int(max(stage.radius for stage in levels)))
        self.levels = levels
        self._sampler = Sampler(params.seed, particles.count)
        self._particles = particles
        self._shifts = shifts
        self._turn = np.eye(3)
        self._preparer = ImagePreparer(particles, images, params, rings.plane)
        self._loader = MinibatchLoader(session, particles, self._preparer, rings)
        self._search = PoseSearch(session, self._loader)
        self._auditor = Auditor(session, self._loader, self._search)
        sliceable = MapUpdater(params, volumes.shape[1], point_group("C1")).sliceable(volumes)
        self._volume = FourierMap.upload(session, sliceable, PADDING)

    @property
    def angular_step_deg(self) -> float:
        """Angular step of the last level."""
        return rotation_grid(self.levels[-1].level).step_deg

    def background_noise(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Noise variance of coefficients from the background of these images, or of some of them, (rings,) float64."""
        sample = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), NOISE_SAMPLE)).astype(np.int64))]
        return self._preparer.noise_variance(sample)

    def pose_all(self, rows: NDArray[np.int64], variance: NDArray[np.float64], minibatch: int) -> Iterator[PosedBatch]:
        """Pose these particles, minibatch by minibatch; the next one is read ahead."""
        slices = self._search.prepare(self._volume, self._turn, self.levels)
        return pose_in_minibatches(
            rows, minibatch, variance, self._preparer, self._loader, self._search, slices, self._shifts, self.levels,
            self._particles.box_angstrom,
        )  # fmt: skip

    def audit(self, rows: NDArray[np.int64], variance: NDArray[np.float64], share: float) -> BoundAudit:
        """Search the whole grid for a share of these particles too."""
        audited = self._sampler.audited(0, rows, share)
        volume = MapSlices(self._volume, self._turn, ())  # the audit makes its own slices
        return self._auditor.audit(audited, variance, volume, self._shifts, self.levels)
