"""The pose search: branch and bound over classes and a nested grid of rotations and shifts.

The coarse grid is scored densely, on the low frequencies alone. Each stage then goes on with what survives: outwards to
further rings of the same cells, which are added to what the inner ones gave, or down to the 8 rotations x 4 shifts
inside each cell. A cell stands for all poses inside it: it is compared by its mean slice, and dropped when it is behind
the best one by more than what the mean may hide (bound.py), and what is dropped holds less than `omitted` of the
posterior mass. Where that would keep more than the stage's limit, a sample stands for all, in proportion to the
posterior, so that nothing is left out but by chance; a search for the best pose alone keeps the most probable instead.
Either is counted, and where the most probable cells hold no pose that explains the image, a search for the best pose
follows more of them (second_look.py).

The poses of all classes compete, so that those of a wrong class are dropped like any wrong pose; only while the classes
are blurred into each other is each followed apart. Owns kernels/cells.cl.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from coldstart.compute.session import DeviceArray, Session
from coldstart.engine.bound import PoseBound
from coldstart.engine.candidates import CandidateLists, Candidates, Rule, Survey, sample_offsets
from coldstart.engine.expectation import Blending, Found, Hypotheses, responsibilities
from coldstart.engine.grid_score import GridScorer
from coldstart.engine.images import Minibatch, MinibatchLoader, View
from coldstart.engine.sampling import Uniform
from coldstart.engine.second_look import unexplained, widened
from coldstart.engine.slices import FourierMap, Projector, SliceTable
from coldstart.engine.stage import Stage
from coldstart.model.pose_grid import ShiftGrid, rotation_grid
from coldstart.model.state import StageCount, add_stages

INDEPENDENT = Blending()
"""Every class by itself."""

CHILDREN = 32
"""Cells of the next level inside a cell: 8 rotations x 4 shifts."""


@dataclass(frozen=True, slots=True)
class MapSlices:
    """Maps made ready for a search.

    Attributes
    ----------
    volume : FourierMap
    turn : (3, 3) float64
        Rotation of the whole grid.
    tables : tuple of SliceTable
        Of the levels from 0 to the last one, or to the last but one where that is finer than the rings.
    """

    volume: FourierMap
    turn: NDArray[np.float64]
    tables: tuple[SliceTable, ...]


@dataclass(frozen=True, slots=True)
class _Grid:
    """The coarse grid of a minibatch, scored, and what else every look at it takes."""

    batch: Minibatch
    view: View
    log_sums: DeviceArray
    slices: MapSlices
    shifts: ShiftGrid
    groups: int
    rng: Uniform | None


@dataclass(frozen=True, slots=True)
class Findings:
    """What a search found, before the classes are weighed against each other.

    Attributes
    ----------
    found : Found
    view : View
        The images as the last stage saw them.
    ess_rotations : (B,) float64
    limited : (B,) bool
    stages : tuple of StageCount
    exhaustive_products : int
        As of `Hypotheses`.
    """

    found: Found
    view: View
    ess_rotations: NDArray[np.float64]
    limited: NDArray[np.bool_]
    stages: tuple[StageCount, ...]
    exhaustive_products: int

    def hypotheses(self, blending: Blending, lowered: float | None = None) -> Hypotheses:
        """The poses with their responsibilities, as `responsibilities` takes its arguments."""
        found, shares = self.found, responsibilities(self.found, blending, lowered)
        first = np.searchsorted(found.image, np.arange(found.images))
        return Hypotheses(
            level=found.level,
            classes=found.classes,
            image=found.image,
            rotation=found.rotation,
            shift=found.shift,
            within=shares.within,
            posterior=shares.posterior,
            class_posterior=shares.class_posterior,
            map_evidence=shares.map_evidence,
            log_evidence=logsumexp(shares.map_evidence, axis=1) - np.log(found.classes),
            ess=shares.ess,
            best_weight=np.maximum.reduceat(found.weight, first),
            ess_rotations=self.ess_rotations,
            limited=self.limited,
            view=self.view,
            stages=self.stages,
            exhaustive_products=self.exhaustive_products,
        )


class PoseSearch:
    """Finds the poses of a minibatch on a map."""

    def __init__(self, session: Session, loader: MinibatchLoader) -> None:
        tuning = session.tuning
        vectors = {"VW": tuning.vector_width, "MULADD": tuning.muladd}
        self.projector = Projector(session, loader.rings)
        self._session = session
        self._loader = loader
        self._rings = loader.rings
        self._lists = CandidateLists(session)
        self.bound = PoseBound(session, loader.rings)
        self._grid = GridScorer(session, level=0)
        self._cells = session.program("cells.cl", CHUNK=tuning.chunk, **vectors)

    @property
    def finest_level(self) -> int:
        """The last level on the rings."""
        return self._rings.finest

    def prepare(self, volume: FourierMap, turn: NDArray[np.float64], stages: tuple[Stage, ...]) -> MapSlices:
        """Slices of a map for the levels of a search: exact ones for the last, means over cells for the others."""
        last = stages[-1].level
        rings = [
            self._rings.table(level).plane.rings_within(max(s.radius for s in stages if s.level == level))
            for level in range(last + 1)
        ]
        finest = min(last, self._rings.finest)
        make = self.projector.cell_slices if last > finest else self.projector.slices
        tables = [make(volume, turn, finest, rings[finest])]
        for level in range(finest - 1, -1, -1):
            tables.insert(0, self.projector.mean_slices(tables[0], level, min(rings[level], tables[0].rings)))
        return MapSlices(volume, turn, tuple(tables))

    def run(
        self,
        batch: Minibatch,
        slices: MapSlices,
        shifts: ShiftGrid,
        stages: tuple[Stage, ...],
        rng: Uniform | None,
        blending: Blending = INDEPENDENT,
    ) -> Hypotheses:
        """Search all images of a whole minibatch in all classes, as `find` does, and weigh the classes."""
        return self.find(batch, slices, shifts, stages, rng, apart=blending.apart).hypotheses(blending)

    def find(
        self,
        batch: Minibatch,
        slices: MapSlices,
        shifts: ShiftGrid,
        stages: tuple[Stage, ...],
        rng: Uniform | None,
        *,
        apart: bool,
    ) -> Findings:
        """Search all images of a minibatch, or of a share of it, in all classes.

        Parameters
        ----------
        batch : Minibatch
        slices : MapSlices
            Prepared for these stages.
        shifts : ShiftGrid
        stages : tuple of Stage
            From level 0 on; a stage has the level of the one before and a larger radius, or the next level.
        rng : Uniform or None
            Draws the sample where a posterior is too broad to follow whole, once there is no sweep to come. None keeps
            the most probable poses alone, for a search that wants the best one.
        apart : bool
            Whether every class is followed by itself.
        """
        self.bound.weigh(batch)
        tally = _Tally(len(batch))
        groups = slices.volume.classes if apart else 1
        coarse = self._view(batch, stages[0], shifts, stages)
        log_sums = self.score_coarse(batch, coarse, slices.tables[0], stages[0].radius)
        grid = _Grid(batch, coarse, log_sums, slices, shifts, groups, rng)
        found, view = self._descend(grid, stages, tally)
        if stages[0].sigmas > 0.0:
            for again in unexplained(found, self.bound.slice_power(slices.tables[-1]), stages[0].sigmas):
                looked = _Tally(len(batch))
                wider, view = self._descend(grid, (widened(stages[0]), *stages[1:]), looked, again)
                found = found.replaced(wider, again)
                tally.add_look(looked, again)
        last = stages[-1]
        poses = slices.volume.classes * len(rotation_grid(last.level)) * view.phase.shape[0]
        exhaustive = len(batch) * poses * self._points(last.radius, last.level)
        return Findings(found, view, tally.ess_rotations, tally.limited, tuple(tally.stages), exhaustive)

    def score_coarse(self, batch: Minibatch, view: View, table: SliceTable, radius: float) -> DeviceArray:
        """Log weights of the coarse rotations summed over shifts, (B, K rotations) float32 on the device."""
        return self._grid.score(len(batch), view, table, radius).log_sum

    def score(self, found: Candidates, view: View, slices: MapSlices, inner: float, radius: float) -> None:
        """Add the rings between two radii to the values of the candidates."""
        plane, level = view.table.plane, found.level
        images, poses = (view.image, view.weight, view.phase), (found.pair_start, found.hyp_shift, found.value)
        pairs = self._order(found), found.pair_image
        if level > self._rings.finest:
            volume, grid = slices.volume, rotation_grid(level)
            rows = self.projector.device_rotation_rows(
                "pair rows", grid, found.pair_rotation, slices.turn, volume.padding
            )
            self._cells.launch(
                "score_poses", (found.pairs,), volume.data, view.table.kx, view.table.ky, *images, rows,
                *pairs, *poses, found.pairs, plane.count(inner), plane.count(radius), plane.stride,
                volume.side, volume.width,
            )  # fmt: skip
            return
        table = slices.tables[level]
        self._cells.launch(
            "score_cells", (found.pairs,), table.slice, *images, view.table.rings, *pairs,
            found.pair_rotation, *poses, found.pairs, plane.rings_within(inner), plane.rings_within(radius),
            plane.in_plane, plane.stride, table.slice.shape[2],
        )  # fmt: skip

    def _order(self, found: Candidates) -> DeviceArray:
        """Pairs as they are taken: on a CPU by rotation, so that a slice is found in its cache; a GPU does not wait."""
        session, order = self._session, np.arange(found.pairs, dtype=np.int32)
        if session.info.kind == "CPU":
            order = np.argsort(session.download(found.pair_rotation), kind="stable").astype(np.int32)
        return session.upload("pair order", order)

    def coarse_ess(
        self, batch: Minibatch, slices: MapSlices, shifts: ShiftGrid, stages: tuple[Stage, ...]
    ) -> NDArray[np.float64]:
        """Effective number of coarse rotations of each image and class, (B,) float64: mean over the classes."""
        self.bound.weigh(batch)
        view = self._view(batch, stages[0], shifts, stages)
        log_sums = self.score_coarse(batch, view, slices.tables[0], stages[0].radius)
        window = self.bound.window(view, slices.tables[0], 0.0)
        offset = self._session.upload("offset", sample_offsets(len(batch) * slices.volume.classes, None))
        survey = self._lists.survey_rotations(log_sums, Rule(1.0, 1), window, offset)
        return np.asarray(self._statistics(survey, len(batch))[..., 1].mean(axis=1))

    def _descend(
        self, grid: _Grid, stages: tuple[Stage, ...], tally: _Tally, wanted: NDArray[np.bool_] | None = None
    ) -> tuple[Found, View]:
        """From the scores of the coarse grid down to the last stage; of the wanted images alone, if these are given."""
        batch, slices, shifts = grid.batch, grid.slices, grid.shifts
        found = self._coarse(grid, stages, tally, wanted)
        inner = 0.0
        for number, (stage, following) in enumerate(zip_longest(stages, stages[1:]), 1):
            view = self._view(batch, stage, shifts, stages)
            self.score(found, view, slices, inner, stage.radius)
            window = self._window(view, slices, stage)
            survey = self._lists.survey(found, stage.rule, window, self._offset(grid, stages[number:]))
            statistics = self._statistics(survey, len(batch))
            products = found.hypotheses * (self._points(stage.radius, stage.level) - self._points(inner, stage.level))
            candidates, inner = found.hypotheses, stage.radius
            found, kept = self._follow(found, survey, following, shifts, slices.volume.classes)
            tally.add(stage, candidates, kept, products, statistics)
            if following is not None and (following.level > stage.level or following.sweep):
                inner = 0.0
        return self._downloaded(found, statistics, slices, view.phase.shape[0]), view

    def _coarse(
        self, grid: _Grid, stages: tuple[Stage, ...], tally: _Tally, wanted: NDArray[np.bool_] | None
    ) -> Candidates:
        """Every shift of the coarse rotations that survive."""
        first = stages[0]
        images, shifts = len(grid.batch), len(grid.shifts.coarse)
        window = self._window(grid.view, grid.slices, first)
        survey = self._lists.survey_rotations(grid.log_sums, first.rule, window, self._offset(grid, stages), wanted)
        found = self._lists.rotations(grid.log_sums, survey, shifts)
        poses = images * grid.slices.volume.classes * len(rotation_grid(0)) * shifts if wanted is None else 0
        statistics = self._statistics(survey, images)
        tally.ess_rotations = statistics[..., 1].mean(axis=1)
        tally.add(first, poses, found.hypotheses, poses * self._points(first.radius, 0), statistics)
        return found

    def _follow(
        self, found: Candidates, survey: Survey, following: Stage | None, shifts: ShiftGrid, classes: int
    ) -> tuple[Candidates, int]:
        """What the next stage looks at, and how many candidates survived this one."""
        if following is not None and following.level > found.level:
            children = self._lists.children(found, survey)
            return children, children.hypotheses // CHILDREN
        survivors = self._lists.survivors(found, survey)
        if following is not None and following.sweep:
            return self._lists.neighbours(survivors, shifts, classes), survivors.hypotheses
        return survivors, survivors.hypotheses

    def _offset(self, grid: _Grid, following: tuple[Stage, ...]) -> DeviceArray:
        """New ones for every survey: a list that is sampled twice from one offset would be sampled with a bias.

        A sweep looks around the best poses, and takes them all as of equal worth: before it, nothing is sampled.
        """
        rng = None if any(stage.sweep for stage in following) else grid.rng
        return self._session.upload("offset", sample_offsets(len(grid.batch) * grid.groups, rng))

    def _view(self, batch: Minibatch, stage: Stage, shifts: ShiftGrid, stages: tuple[Stage, ...]) -> View:
        return self._loader.view(batch, stage.level, shifts, of_cells=stage.level < stages[-1].level)

    def _window(self, view: View, slices: MapSlices, stage: Stage) -> DeviceArray:
        """The bound's window; what cells beyond the tables hide follows from the last table."""
        last = len(slices.tables) - 1
        table = slices.tables[min(stage.level, last)]
        return self.bound.window(view, table, stage.sigmas, max(stage.level - last, 0))

    def _points(self, radius: float, level: int) -> int:
        plane = self._rings.table(level).plane
        return int(np.searchsorted(plane.points, plane.count(radius)))

    def _statistics(self, survey: Survey, images: int) -> NDArray[np.float64]:
        """Of the rows of each image, (B, groups, 4) float64, as `Survey` has them."""
        return self._session.download(survey.statistics).astype(np.float64).reshape(images, -1, 4)

    def _downloaded(self, found: Candidates, statistics: NDArray[np.float64], slices: MapSlices, shifts: int) -> Found:
        download = self._session.download
        pair = np.repeat(np.arange(found.pairs), np.diff(download(found.pair_start)))
        return Found(
            level=found.level,
            classes=slices.volume.classes,
            groups=found.groups,
            poses=len(rotation_grid(found.level)) * shifts,
            image=download(found.pair_image)[pair].astype(np.int64),
            rotation=download(found.pair_rotation)[pair],
            shift=download(found.hyp_shift),
            weight=download(found.value).astype(np.float64),
            boost=download(found.boost).astype(np.float64),
            statistics=statistics.reshape(-1, 4),
        )


class _Tally:
    """What the stages of one search did."""

    def __init__(self, images: int) -> None:
        self.ess_rotations = np.ones(images)
        self.limited = np.zeros(images, np.bool_)
        self.stages: list[StageCount] = []

    def add(self, stage: Stage, candidates: int, kept: int, products: int, statistics: NDArray[np.float64]) -> None:
        """Count a stage, given the statistics (B, groups, 4) of its survey."""
        limited = np.asarray((statistics[..., 3] > 0).any(axis=1))
        self.limited = self.limited | limited
        self.stages.append(StageCount(stage.level, stage.radius, len(limited), candidates, kept, products))

    def add_look(self, looked: _Tally, again: NDArray[np.bool_]) -> None:
        """Count a second look, at these images (B,) bool, in the same stages."""
        self.limited = np.where(again, looked.limited, self.limited)
        once = tuple(replace(stage, images=0) for stage in looked.stages)
        self.stages = list(add_stages([tuple(self.stages), once]))
