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


@dataclass(frozen=True, slots=True)
class SimilarityMatrix:
    """The matrix, row by row, and the pairs in it that are alike."""

    rows: list[list[Cell]]
    pairs: list[Pair]


def alike_pairs(result: RunResult) -> list[Pair]:
    """The pairs of classes whose maps may be the same structure."""
    count = _compared(result)
    pairs = (
        Pair(row + 1, column + 1, float(result.similarity[row, column]))
        for row in range(count)
        for column in range(row + 1, count)
    )
    return [pair for pair in pairs if pair.correlation >= SAME_MAP]


def similarity_matrix(result: RunResult) -> SimilarityMatrix | None:
    """The matrix of a run; None where there are no two classes, or they were not compared."""
    count = _compared(result)
    if count < 2:
        return None
    rows = [[_cell(result, row, column) for column in range(count)] for row in range(count)]
    return SimilarityMatrix(rows, alike_pairs(result))


def _compared(result: RunResult) -> int:
    """How many classes the matrix compares; none where it is not of this run's classes."""
    count = len(result.volumes)
    return count if result.similarity.shape == (count, count) else 0


def _cell(result: RunResult, row: int, column: int) -> Cell:
    if row == column:
        return Cell("1", 0.0, alike=False)
    correlation = float(result.similarity[row, column])
    return Cell(f"{correlation:.2f}", min(max(correlation, 0.0), 1.0), correlation >= SAME_MAP)
