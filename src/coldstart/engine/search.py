"""The pose search: a dense coarse grid, then nested refinement around what is significant.

Stage 0 scores every image against every rotation and shift of the coarse grid, on the low frequencies alone. Each
later stage splits the cells that hold the posterior mass into 8 rotations x 4 shifts and scores these at a higher
radius. Cells are dropped when the others hold all but `omitted` of the mass. Where that would leave more than the
stage's limit, a sample stands for all, in proportion to the posterior, so that nothing is left out but by chance.
Owns kernels/score.cl, cells.cl, grid.cl and posterior.cl.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldstart.compute.session import DeviceArray, Session
from coldstart.engine.images import Minibatch, MinibatchLoader
from coldstart.model.fourier import HalfPlane
from coldstart.model.pose_grid import Cells, RotationGrid, ShiftGrid, rotation_grid

CUT = -1.0
"""Offset that cuts a broad posterior instead of sampling it (kernels/posterior.cl)."""


@dataclass(frozen=True, slots=True)
class FourierMap:
    """A padded half spectrum on the device, ready to be sliced.

    Attributes
    ----------
    data : DeviceArray (side, side, width) complex64
    padding : int
        Points of the spectrum for each cycle a box.
    """

    data: DeviceArray
    padding: int

    @property
    def side(self) -> int:
        """Points along z and y."""
        return self.data.shape[0]

    @property
    def width(self) -> int:
        """Points along x."""
        return self.data.shape[2]


@dataclass(frozen=True, slots=True)
class Stage:
    """One level of the search.

    Attributes
    ----------
    level : int
        Of the rotation and shift grids.
    radius : float
        Coefficients used, in cycles a box.
    omitted : float
        Posterior mass of an image that may be dropped at the end of the stage.
    limit : int
        Most hypotheses of an image that are kept; a posterior that needs more is sampled.
    """

    level: int
    radius: float
    omitted: float
    limit: int


@dataclass(frozen=True, slots=True)
class Hypotheses:
    """Poses that hold the posterior mass, image by image.

    Attributes
    ----------
    level : int
    image : (H,) int32
        Ascending, index in the minibatch.
    rotation, shift : (H,) int32
        Cells of the level.
    posterior : (H,) float32
        Share of the image's mass, of sum 1 over its hypotheses.
    log_evidence, ess : (B,) float64
        Log of the summed weights of the last stage, and the effective number of hypotheses.
    ess_rotations : (B,) float64
        Effective number of rotations of the coarse stage.
    limited : (B,) bool
        Whether a limit acted on an image in some stage: a sample stands for its poses, or the most probable ones do.
    phase : DeviceArray
        Phases of the level's shifts.
    """

    level: int
    image: NDArray[np.int32]
    rotation: Cells
    shift: Cells
    posterior: NDArray[np.float32]
    log_evidence: NDArray[np.float64]
    ess: NDArray[np.float64]
    ess_rotations: NDArray[np.float64]
    limited: NDArray[np.bool_]
    phase: DeviceArray


class PoseSearch:
    """Finds the poses of a minibatch on a map."""

    def __init__(self, session: Session, loader: MinibatchLoader, half_plane: HalfPlane) -> None:
        tuning = session.tuning
        vectors = {"VW": tuning.vector_width, "MULADD": tuning.muladd}
        self._session = session
        self._loader = loader
        self._plane = half_plane
        self._tuning = tuning
        self._grid_program = session.program("grid.cl", MULADD=tuning.muladd)
        self._score = session.program("score.cl", TM=tuning.score_rows, TN=tuning.score_columns, **vectors)
        self._cells = session.program("cells.cl", CHUNK=tuning.chunk, **vectors)
        self._posterior = session.program("posterior.cl", MULADD=tuning.muladd)

    def run(
        self,
        batch: Minibatch,
        volume: FourierMap,
        turn: NDArray[np.float64],
        shifts: ShiftGrid,
        stages: tuple[Stage, ...],
        rng: np.random.Generator | None,
    ) -> Hypotheses:
        """Search all images of a minibatch.

        Parameters
        ----------
        turn : (3, 3) float64
            Rotation of the whole grid.
        stages : tuple of Stage
            Coarse first; level 0, 1, ... without gaps.
        rng : numpy.random.Generator or None
            Draws the sample where a posterior is too broad to follow whole. None keeps the most probable poses alone,
            for a search that wants the best one.
        """
        log_sums = self.score_coarse(batch, volume, turn, shifts, stages[0].radius)
        starts: NDArray[np.integer] = np.arange(len(batch) + 1) * len(rotation_grid(0))
        coarse = self._keep(log_sums, starts, stages[0], rng)
        limited = coarse.limited
        cells = _all_shifts(coarse, len(shifts.coarse))
        for stage in stages:
            phase = self._loader.phase_table(f"phase {stage.level}", shifts.points(stage.level))
            weights = self._score_cells(batch, volume, turn, stage, phase, cells)
            starts = cells.pair_start[np.searchsorted(cells.pair_image, np.arange(len(batch) + 1))]
            kept = self._keep(weights, starts, stage, rng)
            limited = limited | kept.limited
            if stage is not stages[-1]:
                cells = _split(rotation_grid(stage.level), cells, kept)
        pair = cells.pair_of(kept.index)
        image = cells.pair_image[pair]
        mass = self._session.download(weights)[kept.index] * np.exp(kept.boost)
        return Hypotheses(
            level=stages[-1].level,
            image=image,
            rotation=cells.pair_rotation[pair],
            shift=cells.hyp_shift[kept.index],
            posterior=(mass / np.bincount(image, mass)[image]).astype(np.float32),
            log_evidence=kept.log_evidence,
            ess=kept.ess,
            ess_rotations=coarse.ess,
            limited=limited,
            phase=phase,
        )

    def score_coarse(
        self, batch: Minibatch, volume: FourierMap, turn: NDArray[np.float64], shifts: ShiftGrid, radius: float
    ) -> DeviceArray:
        """Log weights of the coarse rotations summed over shifts, (B, rotations) float32 on the device."""
        session, tuning, count = self._session, self._tuning, self._plane.count(radius)
        grid, points, stride = rotation_grid(0), len(shifts.coarse), self._plane.stride
        blocks, remainder = divmod(len(grid), tuning.score_columns)
        if remainder:
            raise ValueError(f"{len(grid)} coarse rotations do not divide into tiles of {tuning.score_columns}")
        tiles = -(-points // tuning.score_rows)
        phase = self._loader.phase_table("phase 0", shifts.points(0))
        rows = self.rotation_rows("coarse rows", grid, np.arange(len(grid), dtype=np.int32), turn, volume.padding)
        left = session.array("left", (len(batch), tiles, 2 * count, tuning.score_rows), np.float32)
        right = session.array("right", (blocks, 2 * count, tuning.score_columns), np.float32)
        power = session.array("power", (blocks, count, tuning.score_columns), np.float32)
        log_sum = session.array("log weights", (len(batch), len(grid)), np.float32)
        score = self._score
        score.launch("pack_images", (count, tiles, len(batch)), batch.image, phase, left, count, points, stride)
        score.launch(
            "pack_slices", (blocks,), volume.data, self._loader.kx, self._loader.ky, rows, right, power, count,
            volume.side, volume.width,
        )  # fmt: skip
        score.launch(
            "score_grid", (blocks, len(batch)), left, right, power, batch.weight, log_sum, count, points, stride
        )
        return log_sum

    def coarse_ess(
        self, batch: Minibatch, volume: FourierMap, turn: NDArray[np.float64], shifts: ShiftGrid, radius: float
    ) -> NDArray[np.float64]:
        """Effective number of coarse rotations of each image, (B,) float64."""
        log_sums = self.score_coarse(batch, volume, turn, shifts, radius)
        start = self._session.upload("row start", np.arange(len(batch) + 1, dtype=np.int32) * len(rotation_grid(0)))
        offset = self._session.upload("offset", np.zeros(len(batch), np.float32))
        statistics, _ = self._normalize(log_sums, start, offset, Stage(0, radius, 1.0, 1))
        return self._session.download(statistics)[:, 1].astype(np.float64)

    def rotation_rows(
        self, name: str, grid: RotationGrid, cells: Cells, turn: NDArray[np.float64], scale: float
    ) -> DeviceArray:
        """First two rows of the matrices of cells, times `scale`: (n, 8) float32 on the device."""
        session = self._session
        direction = session.upload(f"directions {grid.level}", grid.direction_table)
        in_plane = session.upload(f"in-plane {grid.level}", grid.psi_table)
        turned = session.upload("turn", (scale * turn).astype(np.float32))
        wanted = session.upload(f"{name} cells", cells)
        rows = session.array(name, (len(cells), 8), np.float32)
        self._grid_program.launch(
            "rotation_rows", (len(cells),), direction, in_plane, turned, wanted, rows, grid.in_plane, len(cells)
        )
        return rows

    def _score_cells(
        self, batch: Minibatch, volume: FourierMap, turn: NDArray[np.float64], stage: Stage, phase: DeviceArray,
        cells: _Cells,
    ) -> DeviceArray:  # fmt: skip
        session, pairs = self._session, len(cells.pair_image)
        rows = self.rotation_rows("pair rows", rotation_grid(stage.level), cells.pair_rotation, turn, volume.padding)
        weights = session.array("log weights", cells.hyp_shift.shape, np.float32)
        self._cells.launch(
            "score_cells", (pairs,), volume.data, self._loader.kx, self._loader.ky, batch.image, batch.weight,
            phase, rows, session.upload("pair image", cells.pair_image),
            session.upload("pair start", cells.pair_start), session.upload("hyp shift", cells.hyp_shift),
            session.upload("hyp boost", cells.hyp_boost), weights, pairs, self._plane.count(stage.radius),
            self._plane.stride, volume.side, volume.width,
        )  # fmt: skip
        return weights

    def _keep(
        self, weights: DeviceArray, row_start: NDArray[np.integer], stage: Stage, rng: np.random.Generator | None
    ) -> _Kept:
        """Normalise each image's weights in place, and choose the entries that stand for it."""
        session, rows = self._session, len(row_start) - 1
        start = session.upload("row start", row_start.astype(np.int32))
        offsets = np.full(rows, CUT) if rng is None else rng.random(rows)
        offset = session.upload("offset", offsets.astype(np.float32))
        statistics, counts = self._normalize(weights, start, offset, stage)
        kept_start = np.concatenate([[0], np.cumsum(session.download(counts))]).astype(np.int32)
        kept = session.array("kept", (int(kept_start[-1]),), np.int32)
        boost = session.array("boost", kept.shape, np.float32)
        self._posterior.launch(
            "compact_rows", (rows,), start, offset, weights, statistics, session.upload("kept start", kept_start[:-1]),
            kept, boost, rows,
        )  # fmt: skip
        log_evidence, ess, _, limited = session.download(statistics).T.astype(np.float64)
        return _Kept(session.download(kept), session.download(boost), log_evidence, ess, limited > 0)

    def _normalize(
        self, weights: DeviceArray, start: DeviceArray, offset: DeviceArray, stage: Stage
    ) -> tuple[DeviceArray, DeviceArray]:
        rows = start.shape[0] - 1
        statistics = self._session.array("statistics", (rows, 4), np.float32)
        counts = self._session.array("kept count", (rows,), np.int32)
        self._posterior.launch(
            "normalize_rows", (rows,), start, offset, weights, statistics, counts, rows, stage.omitted, stage.limit
        )
        return statistics, counts


@dataclass(frozen=True, slots=True)
class _Cells:
    """The hypotheses of a stage: pairs of image and rotation, each with its run of shifts.

    Attributes
    ----------
    pair_image, pair_rotation : (P,) int32
        Image, ascending, and rotation cell of each pair.
    pair_start : (P + 1,) int32
        First hypothesis of each pair.
    hyp_shift, hyp_boost : (H,) int32, float32
        Shift cell, and log of the mass that a hypothesis stands for over its own.
    """

    pair_image: NDArray[np.int32]
    pair_rotation: Cells
    pair_start: NDArray[np.int32]
    hyp_shift: Cells
    hyp_boost: NDArray[np.float32]

    def pair_of(self, hypothesis: NDArray[np.integer]) -> NDArray[np.int64]:
        """The pair that a hypothesis belongs to."""
        return np.searchsorted(self.pair_start, hypothesis, side="right") - 1


@dataclass(frozen=True, slots=True)
class _Kept:
    """The entries that stand for each image's posterior: index and boost (K,), and figures of the images (B,)."""

    index: NDArray[np.int32]
    boost: NDArray[np.float32]
    log_evidence: NDArray[np.float64]
    ess: NDArray[np.float64]
    limited: NDArray[np.bool_]


def _all_shifts(coarse: _Kept, shifts: int) -> _Cells:
    """Every shift of the coarse grid for the rotations that were kept."""
    image, rotation = np.divmod(coarse.index, np.int32(len(rotation_grid(0))))
    start = np.arange(len(image) + 1, dtype=np.int32) * shifts
    return _Cells(
        image, rotation, start, np.tile(np.arange(shifts, dtype=np.int32), len(image)), np.repeat(coarse.boost, shifts)
    )


def _split(grid: RotationGrid, cells: _Cells, kept: _Kept) -> _Cells:
    """Children of the kept hypotheses: each kept pair gives 8 pairs, each with 4 children of the pair's kept shifts."""
    pair, shift_count = np.unique(cells.pair_of(kept.index), return_counts=True)
    block = 4 * np.repeat(shift_count, 8)
    start = np.concatenate([[0], np.cumsum(block)])
    first = np.repeat(4 * (np.cumsum(shift_count) - shift_count), 8)
    source = np.arange(start[-1]) - np.repeat(start[:-1] - first, block)  # into the children of the kept, pair by pair
    child_shift = ShiftGrid.children(cells.hyp_shift[kept.index]).ravel()
    child_boost = np.repeat(cells.hyp_boost[kept.index] + kept.boost, 4)
    return _Cells(
        np.repeat(cells.pair_image[pair], 8),
        grid.children(cells.pair_rotation[pair]).ravel(),
        start.astype(np.int32),
        child_shift[source],
        child_boost[source],
    )
