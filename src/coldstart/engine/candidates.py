"""Candidate poses on the device: surveyed, pruned, compacted and split from stage to stage.

An image has one row of candidates, in which the poses of all classes compete, or one row a class, so that none is lost
to another: as many rows as the lists have `groups`. The cells of all classes are counted through: rotation r of class k
is k n + r, of n rotations.

Owns kernels/posterior.cl and candidates.cl. The host learns how many there are, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldstart.compute.session import DeviceArray, Session
from coldstart.engine.sampling import Uniform
from coldstart.model.pose_grid import ShiftGrid, rotation_grid


@dataclass(frozen=True, slots=True)
class Rule:
    """What a stage keeps.

    Attributes
    ----------
    omitted : float
        Posterior mass of a row that may be dropped.
    limit : int
        Most entries of a row that are kept; beyond it the posterior is sampled or cut.
    """

    omitted: float
    limit: int


@dataclass(frozen=True, slots=True)
class Survey:
    """The posterior of each row over its candidates, and where it is cut or sampled.

    Attributes
    ----------
    offset : DeviceArray (rows,) float32
        Start of the systematic sample, negative to cut.
    statistics : DeviceArray (rows, 4) float32
        Log evidence, effective number, threshold on the log weight, 1 where the limit acted.
    """

    offset: DeviceArray
    statistics: DeviceArray


@dataclass(frozen=True, slots=True)
class Candidates:
    """Pairs of image and rotation, each with its run of shifts.

    Attributes
    ----------
    level : int
        Of the cells.
    groups : int
        Rows of an image.
    pair_first : DeviceArray (rows + 1,) int32
        First pair of each row.
    pair_image, pair_rotation : DeviceArray (P,) int32
        Image, ascending, and rotation cell.
    pair_start : DeviceArray (P + 1,) int32
        First hypothesis of each pair.
    hyp_shift : DeviceArray (H,) int32
        Shift cell.
    value, boost : DeviceArray (H,) float32
        -E of the rings so far, and log of the mass that a hypothesis stands for over its own.
    """

    level: int
    groups: int
    pair_first: DeviceArray
    pair_image: DeviceArray
    pair_rotation: DeviceArray
    pair_start: DeviceArray
    hyp_shift: DeviceArray
    value: DeviceArray
    boost: DeviceArray

    @property
    def pairs(self) -> int:
        """Number of pairs."""
        return self.pair_image.shape[0]

    @property
    def hypotheses(self) -> int:
        """Number of hypotheses."""
        return self.hyp_shift.shape[0]


class CandidateLists:
    """Makes and prunes the candidates of a minibatch. Two sets of buffers take turns."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._posterior = session.program("posterior.cl", MULADD=session.tuning.muladd)
        self._program = session.program("candidates.cl", MULADD=session.tuning.muladd)
        self._turn = 0

    def survey_rotations(
        self, log_sum: DeviceArray, rule: Rule, window: DeviceArray, offset: DeviceArray,
        wanted: NDArray[np.bool_] | None = None,
    ) -> Survey:  # fmt: skip
        """Posteriors over the coarse rotations, of log weights (B, K rotations); as many rows as offsets.

        Nothing is kept of images that are not wanted, (B,) bool.
        """
        rows, images = offset.shape[0], log_sum.shape[0]
        rotations = images * log_sum.shape[1] // rows
        starts = self._session.upload("row start", np.arange(rows + 1, dtype=np.int32) * rotations)
        limits = np.full(rows, rule.limit)
        if wanted is not None:
            limits[~np.repeat(wanted, rows // images)] = 0
        return self._survey(starts, log_sum, None, rule.omitted, limits, window, offset)

    def survey(self, found: Candidates, rule: Rule, window: DeviceArray, offset: DeviceArray) -> Survey:
        """Posteriors over the candidates."""
        rows = found.pair_first.shape[0] - 1
        starts = self._session.array("row start", (rows + 1,), np.int32)
        self._program.launch("row_starts", (rows + 1,), found.pair_first, found.pair_start, starts, rows + 1)
        return self._survey(starts, found.value, found.boost, rule.omitted, np.full(rows, rule.limit), window, offset)

    def rotations(self, log_sum: DeviceArray, survey: Survey, shifts: int) -> Candidates:
        """Every coarse shift of the rotations that survive."""
        rows = survey.offset.shape[0]
        groups, rotations = rows // log_sum.shape[0], log_sum.shape[0] * log_sum.shape[1] // rows
        counts = self._session.array("counts", (rows, 2), np.int32)
        head = (log_sum, survey.statistics, survey.offset)
        self._program.launch("count_rotations", (rows,), *head, counts, rows, rotations, shifts)
        starts, new = self._allocate(0, groups, counts)
        self._program.launch("write_rotations", (rows,), *head, starts, *_fields(new), rows, groups, rotations, shifts)
        return new

    def survivors(self, found: Candidates, survey: Survey) -> Candidates:
        """The hypotheses that survive, with their values."""
        rows, starts, new = self._count(found, survey, found.level, pairs_each=1, hyps_each=1)
        self._program.launch(
            "write_survivors", (rows,), *_head(found), survey.statistics, survey.offset, starts, *_fields(new), rows,
            found.groups,
        )  # fmt: skip
        return new

    def children(self, found: Candidates, survey: Survey) -> Candidates:
        """The cells of the next level inside the hypotheses that survive."""
        rows, starts, new = self._count(found, survey, found.level + 1, pairs_each=8, hyps_each=32)
        self._program.launch(
            "write_children", (rows,), *_head(found), survey.statistics, survey.offset, starts, *_fields(new),
            rows, found.groups, rotation_grid(found.level).in_plane,
        )  # fmt: skip
        return new

    def neighbours(self, found: Candidates, shifts: ShiftGrid, classes: int) -> Candidates:
        """All hypotheses of a list that was not sampled, and the poses around each of them on the grid, each once."""
        download, grid = self._session.download, rotation_grid(found.level)
        points = len(shifts.points(found.level))
        pair = np.repeat(np.arange(found.pairs), np.diff(download(found.pair_start)))
        of_class, rotation = np.divmod(download(found.pair_rotation).astype(np.int64), len(grid))
        own = (download(found.pair_image) * classes + of_class)[:, None]
        around = own * len(grid) + grid.neighbours(rotation.astype(np.int32))  # (pairs, 27)
        pairs, which = np.unique(around, return_inverse=True)
        near = shifts.neighbours(found.level, download(found.hyp_shift))  # (hypotheses, 9)
        wanted, row = np.zeros(len(pairs) * points, np.bool_), points * which.reshape(around.shape)
        for shift in near.T:  # one after the other: all at once would take nine times the memory
            inside = shift >= 0
            wanted[row[pair[inside]] + shift[inside, None]] = True
        shift_of = np.flatnonzero(wanted) % points
        first = np.concatenate([[0], np.cumsum(np.count_nonzero(wanted.reshape(-1, points), axis=1))])
        pair_image, pair_rotation = np.divmod(pairs, classes * len(grid))
        pair_row = pairs // (classes * len(grid) // found.groups)
        rows = found.pair_first.shape[0] - 1
        name, upload = self._next_names(), self._session.upload
        return Candidates(
            found.level,
            found.groups,
            upload(name("first"), np.searchsorted(pair_row, np.arange(rows + 1)).astype(np.int32)),
            upload(name("image"), pair_image.astype(np.int32)),
            upload(name("rotation"), pair_rotation.astype(np.int32)),
            upload(name("start"), first.astype(np.int32)),
            upload(name("shift"), shift_of.astype(np.int32)),
            upload(name("value"), np.zeros(len(shift_of), np.float32)),
            upload(name("boost"), np.zeros(len(shift_of), np.float32)),
        )

    def _survey(
        self, starts: DeviceArray, value: DeviceArray, boost: DeviceArray | None, omitted: float,
        limits: NDArray[np.integer], window: DeviceArray, offset: DeviceArray,
    ) -> Survey:  # fmt: skip
        rows = starts.shape[0] - 1
        statistics = self._session.array("statistics", (rows, 4), np.float32)
        self._posterior.launch(
            "survey_rows", (rows,), starts, offset, window, value, value if boost is None else boost,
            self._session.upload("limits", limits.astype(np.int32)), statistics, rows, rows // window.shape[0],
            int(boost is not None), omitted,
        )  # fmt: skip
        return Survey(offset, statistics)

    def _count(
        self, found: Candidates, survey: Survey, level: int, *, pairs_each: int, hyps_each: int
    ) -> tuple[int, DeviceArray, Candidates]:
        rows = found.pair_first.shape[0] - 1
        counts = self._session.array("counts", (rows, 2), np.int32)
        self._program.launch(
            "count_cells", (rows,), found.pair_first, found.pair_start, found.value, found.boost, survey.statistics,
            survey.offset, counts, rows, pairs_each, hyps_each,
        )  # fmt: skip
        return rows, *self._allocate(level, found.groups, counts)

    def _next_names(self) -> Callable[[str], str]:
        """Names of the buffers that are not in use."""
        self._turn = 1 - self._turn
        return f"candidates {self._turn} ".__add__

    def _allocate(self, level: int, groups: int, counts: DeviceArray) -> tuple[DeviceArray, Candidates]:
        """Prefix sums of the counts, and room for what they count."""
        session, rows = self._session, counts.shape[0]
        name = self._next_names()
        starts = session.array("starts", (rows + 1, 2), np.int32)
        pair_first = session.array(name("first"), (rows + 1,), np.int32)
        self._program.launch("prefix_sums", (1,), counts, starts, pair_first, rows)
        pairs, hyps = (int(n) for n in session.download(starts)[-1])
        return starts, Candidates(
            level,
            groups,
            pair_first,
            session.array(name("image"), (pairs,), np.int32),
            session.array(name("rotation"), (pairs,), np.int32),
            session.array(name("start"), (pairs + 1,), np.int32),
            session.array(name("shift"), (hyps,), np.int32),
            session.array(name("value"), (hyps,), np.float32),
            session.array(name("boost"), (hyps,), np.float32),
        )


def _head(found: Candidates) -> tuple[DeviceArray, ...]:
    return found.pair_first, found.pair_rotation, found.pair_start, found.hyp_shift, found.value, found.boost


def _fields(new: Candidates) -> tuple[DeviceArray, ...]:
    return new.pair_image, new.pair_rotation, new.pair_start, new.hyp_shift, new.value, new.boost


def sample_offsets(rows: int, rng: Uniform | None) -> NDArray[np.float32]:
    """Where each row's systematic sample starts; negative to cut, without a generator."""
    offsets = np.full(rows, -1.0) if rng is None else rng.random(rows)
    return offsets.astype(np.float32)
