"""What passes between the driver of a run and the devices that its minibatches are dealt out to.

A step goes out in two requests, since some of what a share needs only the whole minibatch can tell: `Look`, the E-step,
is answered by `Evidence`; `Spread`, the M-step that follows, by `Part`. Requests and answers are frozen and small: maps
and accumulators, and figures of single images. The images themselves stay where they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from coldstart.engine.expectation import Blending, Hypotheses
from coldstart.engine.images import Minibatch
from coldstart.engine.poses import join_tables
from coldstart.engine.stage import Stage
from coldstart.engine.sums import Sums
from coldstart.model.pose_grid import ShiftGrid
from coldstart.model.state import PoseTable, StageCount, add_stages


@dataclass(frozen=True, slots=True)
class Sight:
    """What images are compared with, and how.

    Attributes
    ----------
    volumes : (K, side, side, side) float32
    turn : (3, 3) float64
        Rotation of the whole grid.
    shifts : ShiftGrid
    stages : tuple of Stage
    noise_variance : (rings,) float64
    """

    volumes: NDArray[np.float32]
    turn: NDArray[np.float64]
    shifts: ShiftGrid
    stages: tuple[Stage, ...]
    noise_variance: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Look:
    """The E-step of a share of a minibatch.

    Attributes
    ----------
    sight : Sight or None
        None where it is that of the request before.
    rows : (b,) int64
        Particles.
    positions : (b,) int64
        Theirs in the minibatch, ascending.
    images : int
        Of the whole minibatch.
    following : (f,) int64
        Particles to be read ahead.
    search : int or None
        Number of the iteration, or one that follows on it for a minibatch of the final pass, whose random numbers draw
        the samples of broad posteriors; None for a search that wants the best poses alone.
    apart : bool
        Whether the classes are followed apart.
    """

    sight: Sight | None
    rows: NDArray[np.int64]
    positions: NDArray[np.int64]
    images: int
    following: NDArray[np.int64]
    search: int | None
    apart: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the E-step says of a share, as far as the other shares have to know.

    Attributes
    ----------
    map_evidence : (b, K) float64
        Log evidence of each map over that of noise alone.
    image_bound, weight_bound : float
        As of a `Minibatch`.
    """

    map_evidence: NDArray[np.float64]
    image_bound: float
    weight_bound: float


@dataclass(frozen=True, slots=True)
class Grid:
    """The grid that a minibatch is inserted into.

    Attributes
    ----------
    radius : float
    side, padding : int
        Points along an edge, and a cycle a box.
    residual : bool
        Whether the residual power is wanted too.
    """

    radius: float
    side: int
    padding: int
    residual: bool


@dataclass(frozen=True, slots=True)
class Spread:
    """The M-step of the share that was looked at last.

    Attributes
    ----------
    blending : Blending
    lowered : float
        Nats by which the evidence of a damped class is lowered.
    images : int
        Of the whole minibatch.
    image_bound, weight_bound : float
        Of the whole minibatch.
    grid : Grid or None
        None where no sums are wanted.
    used : bool or None
        What the table of poses says of these particles; None where none is wanted.
    """

    blending: Blending
    lowered: float
    images: int
    image_bound: float
    weight_bound: float
    grid: Grid | None
    used: bool | None


@dataclass(frozen=True, slots=True)
class Figures:
    """What is to be known of the images of a minibatch, or of a share of it, once they were searched.

    Attributes
    ----------
    level : int
        Of the last stage.
    class_posterior, map_evidence : (B, K) float64
    log_evidence, ess, ess_rotations : (B,) float64
    limited : (B,) bool
    stages : tuple of StageCount
    exhaustive_products : int
        As of `Hypotheses`.
    image_power, noise_left : (B, rings) float64
        As of a `Minibatch`.
    """

    level: int
    class_posterior: NDArray[np.float64]
    map_evidence: NDArray[np.float64]
    log_evidence: NDArray[np.float64]
    ess: NDArray[np.float64]
    ess_rotations: NDArray[np.float64]
    limited: NDArray[np.bool_]
    stages: tuple[StageCount, ...]
    exhaustive_products: int
    image_power: NDArray[np.float64]
    noise_left: NDArray[np.float64]

    @classmethod
    def of(cls, found: Hypotheses, batch: Minibatch) -> Figures:
        """Of a share that was searched."""
        return cls(
            found.level, found.class_posterior, found.map_evidence, found.log_evidence, found.ess, found.ess_rotations,
            found.limited, found.stages, found.exhaustive_products, batch.image_power, batch.noise_left,
        )  # fmt: skip

    @classmethod
    def join(cls, parts: Sequence[Figures], positions: Sequence[NDArray[np.int64]]) -> Figures:
        """Of a minibatch, from those of its shares and where their images are in it."""
        order = np.argsort(np.concatenate(positions))

        def joined(name: str) -> NDArray[np.generic]:
            return np.concatenate([getattr(part, name) for part in parts])[order]

        same = {"level", "stages", "exhaustive_products"}
        columns = {name: joined(name) for name in cls.__dataclass_fields__ if name not in same}
        return cls(
            level=parts[0].level,
            stages=add_stages(part.stages for part in parts),
            exhaustive_products=sum(part.exhaustive_products for part in parts),
            **columns,  # type: ignore[arg-type]
        )


@dataclass(frozen=True, slots=True)
class Part:
    """What the M-step says of a share, or of a whole minibatch.

    Attributes
    ----------
    sums : Sums or None
    figures : Figures
    poses : PoseTable or None
    """

    sums: Sums | None
    figures: Figures
    poses: PoseTable | None

    @classmethod
    def join(cls, parts: Sequence[Part], positions: Sequence[NDArray[np.int64]]) -> Part:
        """Of several shares together, from where their images are in the whole."""
        sums = [part.sums for part in parts if part.sums is not None]
        poses = [part.poses for part in parts if part.poses is not None]
        return cls(
            reduce(add, sums) if sums else None,
            Figures.join([part.figures for part in parts], positions),
            join_tables(poses) if poses else None,
        )
