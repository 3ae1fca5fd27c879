"""The stages of a pose search, told apart and put in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from coldstart.model.pose_grid import rotation_grid
from coldstart.model.state import StageCount
from coldstart.report.text import count_text

_SINGLE_SHIFTS = "single shifts"
_NEIGHBOURS = "neighbours"


@dataclass(frozen=True, slots=True)
class StageKey:
    """What makes a stage the same one in searches to different resolutions.

    Attributes
    ----------
    level : int
        Of the pose grid.
    visit : int
        0 for the first stage on this level, 1 for the second, and so on.
    note : str
        What sets the stage apart from the one before it, where that has the same angular step and detail.
    """

    level: int
    visit: int
    note: str

    @property
    def step_deg(self) -> float:
        """Angular step in degrees."""
        return rotation_grid(self.level).step_deg


@dataclass(frozen=True, slots=True)
class StageRow:
    """A stage of the final pass in words."""

    stage: str
    detail: str
    scored: str
    kept: str
    products: str


def stage_keys(stages: Sequence[StageCount]) -> list[StageKey]:
    """The key of each stage of one search."""
    keys = []
    for index, stage in enumerate(stages):
        visit = sum(earlier.level == stage.level for earlier in stages[:index])
        keys.append(StageKey(stage.level, visit, _note(stages[index - 1], stage) if index else ""))
    return keys


def stage_rows(stages: Sequence[StageCount], box_angstrom: float) -> list[StageRow]:
    """The rows of a table of stages, all figures per image."""
    return [_row(key, stage, box_angstrom) for key, stage in zip(stage_keys(stages), stages, strict=True)]


def _row(key: StageKey, stage: StageCount, box_angstrom: float) -> StageRow:
    note = f", {key.note}" if key.note else ""
    return StageRow(
        stage=f"{key.step_deg:g}°{note}",
        detail=f"{stage.radius:.0f} ({box_angstrom / stage.radius:.1f} Å)",
        scored=count_text(stage.candidates / stage.images),
        kept=count_text(stage.kept / stage.images),
        products=count_text(stage.products / stage.images),
    )


def _note(before: StageCount, stage: StageCount) -> str:
    """How a stage differs from one with the same cells and detail: it scores what that kept, or also what is around."""
    if (before.level, before.radius) != (stage.level, stage.radius):
        return ""
    return _NEIGHBOURS if stage.candidates > before.kept else _SINGLE_SHIFTS
