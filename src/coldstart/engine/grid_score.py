"""Every image against every rotation and shift of a whole grid level, in all classes. Owns kernels/score.cl."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldstart.compute.session import DeviceArray, Session
from coldstart.engine.images import View
from coldstart.engine.slices import SliceTable
from coldstart.model.pose_grid import rotation_grid


@dataclass(frozen=True, slots=True)
class GridScores:
    """Scores of a whole level.

    Attributes
    ----------
    log_sum : DeviceArray (B, K rotations) float32
        Log weight of each rotation, summed over shifts.
    best_weight, best_shift : DeviceArray (B, K rotations) float32, int32, or None
        Largest log weight over the shifts and its shift, where they were asked for.
    """

    log_sum: DeviceArray
    best_weight: DeviceArray | None
    best_shift: DeviceArray | None


class GridScorer:
    """Scores images on one level, all in-plane angles at once."""

    def __init__(self, session: Session, level: int, *, track_best: bool = False) -> None:
        tuning = session.tuning
        self._session = session
        self._grid = rotation_grid(level)
        self._rows, self._lanes = tuning.score_rows, tuning.vector_width
        self._track_best = track_best
        self._program = session.program(
            "score.cl",
            TM=tuning.score_rows,
            VW=tuning.vector_width,
            MULADD=tuning.muladd,
            TURN=self._grid.in_plane,
            TRACK=int(track_best),
        )

    def score(self, images: int, view: View, table: SliceTable, radius: float) -> GridScores:
        """Score images against all rotations and the view's shifts, on the rings within a radius."""
        session, grid, name = self._session, self._grid, f"{self._grid.level} ".__add__
        plane, shifts = view.table.plane, view.phase.shape[0]
        rings = plane.rings_within(radius)
        directions = table.slice.shape[0]
        taken = grid.opposite_places(directions // grid.directions)
        places = session.upload(name("places"), taken)
        modes, terms = grid.in_plane // 2 + 1, int(plane.ring_table[:rings, 3].sum())
        tiles, blocks = -(-shifts // self._rows), len(taken) // self._lanes
        turn = 2 * int(plane.half_points[rings - 1])
        trigonometry = session.upload(name("trigonometry"), circle_table(turn))
        left = session.array(name("left"), (images, tiles, modes, terms, 2, self._rows), np.float32)
        left_norm = session.array(name("left norm"), (images, modes, terms, 2), np.float32)
        self._program.launch(
            "image_harmonics", (tiles + 1, images), view.table.rings, trigonometry, view.image, view.weight, view.phase,
            left, left_norm, rings, terms, turn, shifts, plane.stride,
        )  # fmt: skip
        right, right_norm = (
            session.array(name(side), (blocks, modes, terms, 2, self._lanes), np.float32)
            for side in ("right", "right norm")
        )
        self._program.launch(
            "slice_harmonics", (blocks,), view.table.rings, trigonometry, table.slice, places, right, right_norm,
            blocks, rings, terms, turn, table.slice.shape[2],
        )  # fmt: skip
        log_sum = session.array(name("log sums"), (images, directions * grid.in_plane), np.float32)
        best: tuple[DeviceArray, ...] = ()
        if self._track_best:
            best = (
                session.array(name("best weights"), log_sum.shape, np.float32),
                session.array(name("best shifts"), log_sum.shape, np.int32),
            )
        parts = session.upload(name("parts"), circle_table(grid.in_plane))
        self._program.launch(
            "score_grid",
            (blocks, images),
            left,
            left_norm,
            right,
            right_norm,
            parts,
            places,
            log_sum,
            *best,
            terms,
            shifts,
            directions,
        )
        return GridScores(log_sum, *(best or (None, None)))


def circle_table(parts: int) -> NDArray[np.float32]:
    """Cosine and sine of the parts of a turn, (parts, 2) float32."""
    angles = 2 * np.pi * np.arange(parts) / parts
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
