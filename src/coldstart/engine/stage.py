"""The steps of the pose search, and how they follow the resolution."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from coldstart.engine.candidates import Rule
from coldstart.engine.rings import FINEST_LEVEL
from coldstart.model.pose_grid import COARSE_STEP_DEG, ShiftGrid
from coldstart.params import AbInitioParams

COARSE_RADIUS = 8.0
"""The coarse grid of shifts follows this radius."""

DENSE_RADIUS = 10.0
"""Radius up to which the coarse grid is scored: finer detail waits for the finer stages."""

CELL_RADIUS = 6.0
"""Times 2 to the level, the radius up to which the cells of a level above the last are compared."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the search.

    Attributes
    ----------
    level : int
        Of the rotation and shift grids; that of the stage before, or the next one.
    radius : float
        Rings used up to the end of the stage, in cycles a box.
    omitted : float
        Posterior mass of an image that may be dropped at the end of the stage.
    limit : int
        Most candidates of an image that are kept.
    sigmas : float
        Standard deviations that the true pose's cell may fall behind the best one; 0 leaves it to `omitted`.
    sweep : bool
        Whether the stage takes the survivors of the one before, which has the same cells, with all poses around them,
        which the border of a coarser cell may have cut off.
    """

    level: int
    radius: float
    omitted: float
    limit: int
    sigmas: float = 0.0
    sweep: bool = False

    @property
    def rule(self) -> Rule:
        """What survives."""
        return Rule(self.omitted, self.limit)


@dataclass(frozen=True, slots=True)
class Thoroughness:
    """How much of an image's posterior a search follows.

    Attributes
    ----------
    omitted : float
        Mass that a stage may drop before it is refined.
    omitted_last : float
        Mass that the M-step may do without.
    limits : tuple of int
        Most hypotheses that an image keeps at each level; the last entry goes for all further ones.
    limit_last : int or None
        Most that the M-step takes of it; as at the last level where it is None.
    step_radians : float
        The last level is the first whose angular step d has d R <= step_radians at radius R. At 2 the edge of a
        particle of half the box moves by half a period of the finest wave in a step.
    bounded : bool
        Whether cells are kept that the bound does not rule out, however little mass they seem to hold, and the poses
        around the best ones are looked at too.
    """

    omitted: float
    omitted_last: float
    limits: tuple[int, ...]
    limit_last: int | None = None
    step_radians: float = 2.1
    bounded: bool = False

    def limit(self, level: int) -> int:
        """Most hypotheses that an image keeps at a level."""
        return self.limits[min(level, len(self.limits) - 1)]


LEARNING = Thoroughness(omitted=1e-3, omitted_last=0.03, limits=(16,))
DENSE = Thoroughness(omitted=1e-2, omitted_last=0.03, limits=(64,))
POSING = Thoroughness(
    omitted=1e-6, omitted_last=0.01, limits=(128, 48, 16), limit_last=32, step_radians=1.0, bounded=True
)
SWEEPS = 2
"""How often the poses around the best ones are looked at: the best one may be two steps from what is left of it."""

SEED_OMITTED = 1e-3
"""Mass that may be left out of the poses around which a sweep looks: it is for the best ones."""

SHIFT_PERIODS = 1 / 3
"""Coarse step of shifts over the period of the finest coarse wave."""


def shift_grid(params: AbInitioParams, radius: float) -> ShiftGrid:
    """The shifts that go with the stages of a radius: a coarse step is SHIFT_PERIODS of the finest coarse wave."""
    return ShiftGrid(params.shift_extent, SHIFT_PERIODS / min(radius, COARSE_RADIUS))


def finest_level(radius: float, step_radians: float = LEARNING.step_radians) -> int:
    """The first level whose step follows a radius."""
    level = 0
    while np.deg2rad(COARSE_STEP_DEG / (1 << level)) * radius > step_radians:
        level += 1
    return level


def stages(radius: float, care: Thoroughness, sigmas: float = 0.0) -> tuple[Stage, ...]:
    """Steps of the search at a radius: the angular step follows the resolution.

    Parameters
    ----------
    sigmas : float
        Of the bound, for a search that keeps to it.
    """
    finest = finest_level(radius, care.step_radians)
    reach = [min(radius, DENSE_RADIUS), *(min(radius, CELL_RADIUS * 2**level) for level in range(1, finest))]
    steps = [
        Stage(level, r, care.omitted, care.limit(level), sigmas if care.bounded and level <= FINEST_LEVEL else 0.0)
        for level, r in enumerate(reach[:finest])
    ]
    swept = min(finest - 1, FINEST_LEVEL)
    if care.bounded and swept > 0:
        seeds = replace(steps[swept], omitted=SEED_OMITTED)
        steps[swept : swept + 1] = [seeds, *SWEEPS * [replace(steps[swept], sweep=True)]]
    return (*steps, Stage(finest, radius, care.omitted_last, care.limit_last or care.limit(finest)))
