"""One step of the pose search, as the schedule plans it and the search takes it."""

from __future__ import annotations

from dataclasses import dataclass

from coldstart.engine.candidates import Rule


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
