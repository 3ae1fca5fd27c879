"""The pose search: a dense coarse grid, then nested refinement around what is significant.

Stage 0 scores every image against every rotation and shift of the coarse grid, on the low frequencies alone. Each
later stage splits the cells that hold the posterior mass into 8 rotations x 4 shifts and scores these at a higher
radius. A cell is dropped only when the kept ones hold all but `omitted` of the mass, or when an image meets the stage's
limit, which is counted.
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

ROUNDING = 1e-5
"""Of a sum of posteriors in float32."""


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
        Most hypotheses of an image that are kept.
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
        Share of the image's mass over all hypotheses of the last stage.
    log_evidence, ess : (B,) float64
        Log of the summed weights of the last stage, and the effective number of hypotheses.
    ess_rotations : (B,) float64
        Effective number of rotations of the coarse stage.
    capped : (B,) bool
        Whether a limit acted on an image.
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
    capped: NDArray[np.bool_]
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
    ) -> Hypotheses:
        """Search all images of a minibatch.

        Parameters
        ----------
        turn : (3, 3) float64
            Rotation of the whole grid.
        stages : tuple of Stage
            Coarse first; level 0, 1, ... without gaps.
        """
        coarse = stages[0]
        log_sums = self.score_coarse(batch, volume, turn, shifts, coarse.radius)
        kept, statistics, capped = self._keep(log_sums, _coarse_starts(len(batch)), coarse)
        ess_rotations = statistics[:, 1].astype(np.float64)
        points = len(shifts.coarse)
        pair_image, pair_rotation = (np.asarray(v, np.int32) for v in np.divmod(kept, len(rotation_grid(0))))
        pair_start = np.arange(len(kept) + 1, dtype=np.int32) * points
        hyp_shift = np.tile(np.arange(points, dtype=np.int32), len(kept))
        for stage in stages:
            phase = self._loader.phase_table(f"phase {stage.level}", shifts.points(stage.level))
            weights = self._score_cells(
                batch, volume, turn, stage, phase, pair_image, pair_rotation, pair_start, hyp_shift
            )
            image_start = pair_start[np.searchsorted(pair_image, np.arange(len(batch) + 1))]
            kept, statistics, stage_capped = self._keep(weights, image_start, stage)
            capped |= stage_capped
            if stage is not stages[-1]:
                pair_image, pair_rotation, pair_start, hyp_shift = _split(
                    rotation_grid(stage.level), kept, pair_image, pair_rotation, pair_start, hyp_shift
                )
        posterior = self._session.download(weights)[kept]
        pair = np.searchsorted(pair_start, kept, side="right") - 1
        return Hypotheses(
            stages[-1].level, pair_image[pair], pair_rotation[pair], hyp_shift[kept], posterior,
            statistics[:, 0].astype(np.float64), statistics[:, 1].astype(np.float64), ess_rotations, capped, phase,
        )  # fmt: skip

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
        _, statistics, _ = self._keep(log_sums, _coarse_starts(len(batch)), Stage(0, radius, 1.0, 1))
        return statistics[:, 1].astype(np.float64)

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
        pair_image: NDArray[np.int32], pair_rotation: Cells, pair_start: NDArray[np.int32], hyp_shift: Cells,
    ) -> DeviceArray:  # fmt: skip
        session = self._session
        rows = self.rotation_rows("pair rows", rotation_grid(stage.level), pair_rotation, turn, volume.padding)
        weights = session.array("log weights", (len(hyp_shift),), np.float32)
        self._cells.launch(
            "score_cells", (len(pair_image),), volume.data, self._loader.kx, self._loader.ky, batch.image, batch.weight,
            phase, rows, session.upload("pair image", pair_image), session.upload("pair start", pair_start),
            session.upload("hyp shift", hyp_shift), weights, len(pair_image), self._plane.count(stage.radius),
            self._plane.stride, volume.side, volume.width,
        )  # fmt: skip
        return weights

    def _keep(
        self, weights: DeviceArray, row_start: NDArray[np.integer], stage: Stage
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.bool_]]:
        """Normalise each image's weights in place; the indices that hold its mass, its statistics, whether capped."""
        session, rows = self._session, len(row_start) - 1
        start = session.upload("row start", row_start.astype(np.int32))
        statistics = session.array("statistics", (rows, 4), np.float32)
        counts = session.array("kept count", (rows,), np.int32)
        self._posterior.launch(
            "normalize_rows", (rows,), start, weights, statistics, counts, rows, stage.omitted, stage.limit
        )
        kept_count = session.download(counts)
        kept_start = np.concatenate([[0], np.cumsum(kept_count)]).astype(np.int32)
        kept = session.array("kept", (int(kept_start[-1]),), np.int32)
        self._posterior.launch(
            "compact_rows",
            (rows,),
            start,
            weights,
            statistics,
            session.upload("kept start", kept_start[:-1]),
            kept,
            rows,
        )
        figures = session.download(statistics)
        return session.download(kept).astype(np.int64), figures, figures[:, 3] < 1.0 - stage.omitted - ROUNDING


def _coarse_starts(images: int) -> NDArray[np.int64]:
    return np.arange(images + 1) * len(rotation_grid(0))


def _split(
    grid: RotationGrid, kept: NDArray[np.int64], pair_image: NDArray[np.int32], pair_rotation: Cells,
    pair_start: NDArray[np.int32], hyp_shift: Cells,
) -> tuple[NDArray[np.int32], Cells, NDArray[np.int32], Cells]:  # fmt: skip
    """Children of the kept hypotheses: each kept pair gives 8 pairs, each with 4 children of the pair's kept shifts."""
    pair, shift_count = np.unique(np.searchsorted(pair_start, kept, side="right") - 1, return_counts=True)
    child_rotation = grid.children(pair_rotation[pair]).ravel()
    child_image = np.repeat(pair_image[pair], 8)
    child_shift = ShiftGrid.children(hyp_shift[kept]).ravel()  # still grouped by pair
    block = 4 * np.repeat(shift_count, 8)
    child_start = np.concatenate([[0], np.cumsum(block)])
    block_first = np.repeat(4 * np.concatenate([[0], np.cumsum(shift_count)[:-1]]), 8)
    within = np.arange(child_start[-1]) - np.repeat(child_start[:-1], block)
    return (
        child_image,
        child_rotation,
        child_start.astype(np.int32),
        child_shift[np.repeat(block_first, block) + within],
    )
