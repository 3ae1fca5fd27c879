"""What a map shows of symmetry, in words and as rows of a table."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldstart.model.symmetry_report import SymmetryCandidate, SymmetryReport

_ROWS = 6


@dataclass(frozen=True, slots=True)
class SymmetryRow:
    """A group that was tried, as the report's table has it."""

    group: str
    correlation: str
    axis: str
    holds: bool


def symmetry_sentence(report: SymmetryReport) -> str:
    """Which group the map shows, or that it shows none, or that this cannot be told."""
    if not report.is_conclusive:
        return (
            f"The map is too coarse to tell its symmetry: {report.detail:.1f} cycles across the particle, and with so "
            "few any two maps look alike."
        )
    if report.group == "C1":
        best = report.candidates[0] if report.candidates else None
        nearest = "" if best is None else f": the nearest, {best.group}, correlates by {best.correlation:.2f} only"
        return f"The map shows no symmetry{nearest}."
    least = report.candidates[0].correlation
    return f"The map shows the symmetry {report.group}: it correlates with itself by {least:.2f} under every operator."


def symmetry_rows(report: SymmetryReport) -> list[SymmetryRow]:
    """The best of the groups that were tried."""
    return [_row(candidate) for candidate in report.candidates[:_ROWS]]


def axis_text(axis: NDArray[np.float64]) -> str:
    """A direction as '0.00, −0.71, 0.71'."""
    return ", ".join(_signed(value) for value in axis.tolist())


def _row(candidate: SymmetryCandidate) -> SymmetryRow:
    return SymmetryRow(candidate.group, _signed(candidate.correlation), axis_text(candidate.axis), candidate.holds)


def _signed(value: float) -> str:
    """Two decimals with a true minus, and no minus before zero."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")
