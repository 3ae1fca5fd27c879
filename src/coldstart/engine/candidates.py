"""Candidate poses on the device: surveyed, pruned, compacted and split from stage to stage.

Owns kernels/posterior.cl and candidates.cl. The host learns how many there are, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldstart.compute.session import DeviceArray, Session
from coldstart.model.pose_grid import ShiftGrid, rotation_grid


@dataclass(frozen=True, slots=True)
class Rule:
    """What a stage keeps.

    Attributes
    ----------
    omitted : float
        Posterior mass of an image that may be dropped.
    limit : int
        Most entries of an image that are kept; beyond it the posterior is sampled or cut.
    """

    omitted: float
    limit: int


@dataclass(frozen=True, slots=True)
class Survey:
    """The posterior of each image over its candidates, and where it is cut or sampled.

    Attributes
    ----------
    offset : DeviceArray (B,) float32
        Start of the systematic sample, negative to cut.
    statistics : DeviceArray (B, 4) float32
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
    pair_first : DeviceArray (B + 1,) int32
        First pair of each image.
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

    def survey_rotations(self, log_sum: DeviceArray, rule: Rule, window: DeviceArray, offset: DeviceArray) -> Survey:
        """Posteriors over the coarse rotations, of log weights (B, rotations)."""
        images, rotations = log_sum.shape
        starts = self._session.upload("row start", np.arange(images + 1, dtype=np.int32) * rotations)
        return self._survey(starts, log_sum, None, rule, window, offset)

    def survey(self, found: Candidates, rule: Rule, window: DeviceArray, offset: DeviceArray) -> Survey:
        """Posteriors over the candidates."""
        images = found.pair_first.shape[0] - 1
        starts = self._session.array("row start", (images + 1,), np.int32)
        self._program.launch("row_starts", (images + 1,), found.pair_first, found.pair_start, starts)
        return self._survey(starts, found.value, found.boost, rule, window, offset)

    def rotations(self, log_sum: DeviceArray, survey: Survey, shifts: int) -> Candidates:
        """Every coarse shift of the rotations that survive."""
        images, rotations = log_sum.shape
        counts = self._session.array("counts", (images, 2), np.int32)
        head = (log_sum, survey.statistics, survey.offset)
        self._program.launch("count_rotations", (images,), *head, counts, images, rotations, shifts)
        starts, new = self._allocate(0, counts)
        self._program.launch("write_rotations", (images,), *head, starts, *_fields(new), images, rotations, shifts)
        return new

    def survivors(self, found: Candidates, survey: Survey) -> Candidates:
        """The hypotheses that survive, with their values."""
        images, starts, new = self._count(found, survey, found.level, pairs_each=1, hyps_each=1)
        self._program.launch(
            "write_survivors", (images,), *_head(found), survey.statistics, survey.offset, starts, *_fields(new), images
        )
        return new

    def children(self, found: Candidates, survey: Survey) -> Candidates:
        """The cells of the next level inside the hypotheses that survive."""
        images, starts, new = self._count(found, survey, found.level + 1, pairs_each=8, hyps_each=32)
        self._program.launch(
            "write_children", (images,), *_head(found), survey.statistics, survey.offset, starts, *_fields(new),
            images, rotation_grid(found.level).in_plane,
        )  # fmt: skip
        return new

    def neighbours(self, found: Candidates, shifts: ShiftGrid) -> Candidates:
        """All hypotheses of a list that was not sampled, and the poses around each of them on the grid, each once."""
        download, grid = self._session.download, rotation_grid(found.level)
        points = len(shifts.points(found.level))
        pair = np.repeat(np.arange(found.pairs), np.diff(download(found.pair_start)))
        image = download(found.pair_image).astype(np.int64)[:, None]
        around = image * len(grid) + grid.neighbours(download(found.pair_rotation))  # (pairs, 27)
        pairs, which = np.unique(around, return_inverse=True)
        near = shifts.neighbours(found.level, download(found.hyp_shift))  # (hypotheses, 9)
        wanted = np.zeros((len(pairs), points), np.bool_)
        inside = near >= 0
        rows = np.broadcast_to(
            which.reshape(around.shape)[pair][:, :, None], (len(pair), around.shape[1], near.shape[1])
        )
        columns = np.broadcast_to(near[:, None, :], rows.shape)
        keep = np.broadcast_to(inside[:, None, :], rows.shape)
        wanted[rows[keep], columns[keep]] = True
        shift_of = np.nonzero(wanted)[1]
        first = np.concatenate([[0], np.cumsum(wanted.sum(axis=1))])
        pair_image, pair_rotation = np.divmod(pairs, len(grid))
        images = found.pair_first.shape[0] - 1
        name, upload = self._next_names(), self._session.upload
        return Candidates(
            found.level,
            upload(name("first"), np.searchsorted(pair_image, np.arange(images + 1)).astype(np.int32)),
            upload(name("image"), pair_image.astype(np.int32)),
            upload(name("rotation"), pair_rotation.astype(np.int32)),
            upload(name("start"), first.astype(np.int32)),
            upload(name("shift"), shift_of.astype(np.int32)),
            upload(name("value"), np.zeros(len(shift_of), np.float32)),
            upload(name("boost"), np.zeros(len(shift_of), np.float32)),
        )

    def _survey(
        self, starts: DeviceArray, value: DeviceArray, boost: DeviceArray | None, rule: Rule, window: DeviceArray,
        offset: DeviceArray,
    ) -> Survey:  # fmt: skip
        images = starts.shape[0] - 1
        statistics = self._session.array("statistics", (images, 4), np.float32)
        self._posterior.launch(
            "survey_rows", (images,), starts, offset, window, value, value if boost is None else boost, statistics,
            images, int(boost is not None), rule.omitted, rule.limit,
        )  # fmt: skip
        return Survey(offset, statistics)

    def _count(
        self, found: Candidates, survey: Survey, level: int, *, pairs_each: int, hyps_each: int
    ) -> tuple[int, DeviceArray, Candidates]:
        images = found.pair_first.shape[0] - 1
        counts = self._session.array("counts", (images, 2), np.int32)
        self._program.launch(
            "count_cells", (images,), found.pair_first, found.pair_start, found.value, found.boost, survey.statistics,
            survey.offset, counts, images, pairs_each, hyps_each,
        )  # fmt: skip
        return images, *self._allocate(level, counts)

    def _next_names(self) -> Callable[[str], str]:
        """Names of the buffers that are not in use."""
        self._turn = 1 - self._turn
        return f"candidates {self._turn} ".__add__

    def _allocate(self, level: int, counts: DeviceArray) -> tuple[DeviceArray, Candidates]:
        """Prefix sums of the counts, and room for what they count."""
        session, images = self._session, counts.shape[0]
        name = self._next_names()
        starts = session.array("starts", (images + 1, 2), np.int32)
        pair_first = session.array(name("first"), (images + 1,), np.int32)
        self._program.launch("prefix_sums", (1,), counts, starts, pair_first, images)
        pairs, hyps = (int(n) for n in session.download(starts)[-1])
        return starts, Candidates(
            level,
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


def sample_offsets(images: int, rng: np.random.Generator | None) -> NDArray[np.float32]:
    """Where each image's systematic sample starts; negative to cut, without a generator."""
    offsets = np.full(images, -1.0) if rng is None else rng.random(images)
    return offsets.astype(np.float32)
