"""The report's table of how the maps went over the iterations."""

from collections.abc import Sequence
from dataclasses import dataclass

from coldstart.report.evolution import MapPanels, MapViews
from coldstart.report.pictures import view_uris
from coldstart.report.text import resolution_text

_PHASES = {"initial": "initial", "marching": "rising", "final": "final"}


@dataclass(frozen=True, slots=True)
class EvolutionRow:
    """An iteration in words, and for each class its slices and projections as data URIs."""

    iteration: int
    phase: str
    resolution: str
    classes: list[tuple[list[str], list[str]]]


def evolution_rows(panels: Sequence[MapPanels]) -> list[EvolutionRow]:
    """One row a snapshot: all views where there is one class, and of several classes the views along z."""
    return [_row(panel) for panel in panels]


def _row(panel: MapPanels) -> EvolutionRow:
    views = 3 if len(panel.classes) == 1 else 1
    classes = [view_uris(MapViews(found.slices[:views], found.projections[:views])) for found in panel.classes]
    phase = _PHASES.get(panel.phase, panel.phase)
    return EvolutionRow(panel.iteration, phase, resolution_text(panel.resolution_angstrom), classes)
