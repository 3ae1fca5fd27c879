"""How alike the maps of the classes are: which pairs may be one structure, and the matrix that the report shows."""

from dataclasses import dataclass

from coldstart.model.state import SAME_MAP, RunResult


@dataclass(frozen=True, slots=True)
class Pair:
    """Two classes, by their numbers, and the correlation of their maps."""

    first: int
    second: int
    correlation: float


@dataclass(frozen=True, slots=True)
class Cell:
    """An entry of the matrix: what it says, how strongly it is coloured from 0 to 1, and whether the pair is alike."""

    text: str
    heat: float
    alike: bool


def alike_pairs(result: RunResult) -> list[Pair]:
    """The pairs of classes whose maps may be the same structure; noise is like nothing."""
    count = _compared(result)
    pairs = (
        Pair(row + 1, column + 1, float(result.similarity[row, column]))
        for row in range(count)
        for column in range(row + 1, count)
    )
    noise = {number for number, report in enumerate(result.classes, 1) if report.is_noise}
    return [pair for pair in pairs if pair.correlation >= SAME_MAP and not noise & {pair.first, pair.second}]


def similarity_matrix(result: RunResult) -> list[list[Cell]] | None:
    """The matrix of a run, row by row; None where there are no two classes, or they were not compared."""
    count = _compared(result)
    if count < 2:
        return None
    return [[_cell(result, row, column) for column in range(count)] for row in range(count)]


def _compared(result: RunResult) -> int:
    """How many classes the matrix compares; none where it is not of this run's classes."""
    count = len(result.volumes)
    return count if result.similarity.shape == (count, count) else 0


def _cell(result: RunResult, row: int, column: int) -> Cell:
    if row == column:
        return Cell("1", 0.0, alike=False)
    correlation = float(result.similarity[row, column])
    return Cell(f"{correlation:.2f}", min(max(correlation, 0.0), 1.0), correlation >= SAME_MAP)
