"""What a run folder says about its run in JSON: the records, and how each is written and read (`json_records`)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from coldstart.io.class_records import ClassSummary, class_summary
from coldstart.io.json_records import finite_or_nan, known_fields, number_row, plain, read_plain
from coldstart.model.state import BoundAudit, IterationStats, StageCount

Status = Literal["running", "completed", "stopped", "suspended", "failed"]


@dataclass(frozen=True, slots=True)
class SearchSummary:
    """The pose search in `summary.json`.

    Attributes
    ----------
    evaluated_fraction, limited_fraction : float
        In the final pass over all used particles: coefficient products evaluated over those of an exhaustive search,
        and share of images for which a limit on the poses acted.
    iterations_evaluated_fraction, iterations_limited_fraction : float
        The same in the iterations before it: products of all over those of exhaustive searches, and mean over image
        visits; 0 if there were none.
    angular_step_deg : float
        Finest angular step of the final pass, in degrees.
    """

    evaluated_fraction: float
    limited_fraction: float
    iterations_evaluated_fraction: float
    iterations_limited_fraction: float
    angular_step_deg: float

    @classmethod
    def of(cls, iterations: Sequence[IterationStats]) -> "SearchSummary":
        """Of a whole run: its iterations, at least one, of which the last is the final pass."""
        *before, final = iterations
        return cls(
            evaluated_fraction=final.evaluated_fraction,
            limited_fraction=final.limited_fraction,
            iterations_evaluated_fraction=_evaluated_of_all(before),
            iterations_limited_fraction=_mean_over_visits(before, "limited_fraction"),
            angular_step_deg=final.angular_step_deg,
        )


@dataclass(frozen=True, slots=True)
class Summary:
    """The run in figures, as `summary.json` holds them; a figure that is not known yet is None.

    Attributes
    ----------
    status : {"running", "completed", "stopped", "suspended", "failed"}
        "stopped" where the user ended it early and it has a result, "suspended" where it was left without one.
    seed : int
    device : str or None
        Name of the OpenCL device.
    wall_seconds, cpu_seconds : float or None
        Time by the clock, and processor time of the whole process.
    peak_host_bytes, peak_device_bytes : int or None
        Most memory in use at once, of the process and of the device.
    iterations, image_visits : int or None
        Iterations done, and images seen in them, repeats counted.
    particles_used, particles_unused : int or None
        How many of the input the run drew, and how many it did not.
    symmetry : str
        Point group imposed on the maps.
    resolution_angstrom : float or None
        Finest detail that was used.
    classes : tuple of ClassSummary
    class_similarity : tuple of tuple of float, or None
        Correlation of each pair of maps, aligned in the better of both hands; None where there is one class.
    converged : bool
        True when the iterations ended because the map no longer changed.
    search : SearchSummary or None
        How much of the pose grid was evaluated; there once the final pass is done.
    verify_bound : BoundAudit or None
        What the search of the final pass lost on the images whose whole grid was searched too; None where none was.
    notes : tuple of str
        Remarks for the user; the error, where the run failed.
    """

    status: Status
    seed: int
    device: str | None = None
    wall_seconds: float | None = None
    cpu_seconds: float | None = None
    peak_host_bytes: int | None = None
    peak_device_bytes: int | None = None
    iterations: int | None = None
    image_visits: int | None = None
    particles_used: int | None = None
    particles_unused: int | None = None
    symmetry: str = "C1"
    resolution_angstrom: float | None = None
    classes: tuple[ClassSummary, ...] = ()
    class_similarity: tuple[tuple[float, ...], ...] | None = None
    converged: bool = False
    search: SearchSummary | None = None
    verify_bound: BoundAudit | None = None
    notes: tuple[str, ...] = ()

    @property
    def has_result(self) -> bool:
        """Whether it ended with maps and particle tables."""
        return self.status in ("completed", "stopped")


def summary_record(summary: Summary) -> dict[str, Any]:
    """The content of `summary.json`."""
    record = asdict(summary)
    record["classes"] = [{"class": entry.pop("number"), **entry} for entry in record["classes"]]
    return dict(plain(record))


def read_summary(record: Mapping[str, Any]) -> Summary:
    """A summary from the content of `summary.json`.

    Raises
    ------
    ValueError
        If a key is missing that every version writes.
    """
    known = known_fields(Summary, record)
    search, audit = known.get("search"), known.get("verify_bound")
    known["classes"] = tuple(class_summary(entry) for entry in known.get("classes", ()))
    known["class_similarity"] = _matrix(known.get("class_similarity"))
    known["search"] = None if search is None else read_plain(SearchSummary, search)
    known["verify_bound"] = None if audit is None else read_plain(BoundAudit, audit)
    known["notes"] = tuple(known.get("notes", ()))
    return Summary(**known)


def stats_record(stats: IterationStats) -> dict[str, Any]:
    """A line of `log.jsonl`."""
    return dict(plain(asdict(stats)))


def read_stats(record: Mapping[str, Any]) -> IterationStats:
    """The figures of an iteration from a line of `log.jsonl`; a null stands for a number that was not finite.

    Raises
    ------
    ValueError
        If a key is missing that every version writes.
    """
    audit = record.get("audit")
    known = finite_or_nan(known_fields(IterationStats, record))
    known["stages"] = tuple(read_plain(StageCount, stage) for stage in record.get("stages", ()))
    known["audit"] = None if audit is None else read_plain(BoundAudit, audit)
    known["class_shares"] = number_row(record.get("class_shares", ()))
    return IterationStats(**known)


def _evaluated_of_all(iterations: Sequence[IterationStats]) -> float:
    """Products over those of exhaustive searches, summed over iterations, whose exhaustive searches differ in size."""
    counted = [stats for stats in iterations if stats.evaluated_fraction > 0.0]
    evaluated = [sum(stage.products for stage in stats.stages) for stats in counted]
    exhaustive = [n / stats.evaluated_fraction for n, stats in zip(evaluated, counted, strict=True)]
    return sum(evaluated) / sum(exhaustive) if sum(exhaustive) > 0.0 else 0.0


def _mean_over_visits(iterations: Sequence[IterationStats], name: str) -> float:
    if not iterations:
        return 0.0
    return float(np.average([getattr(row, name) for row in iterations], weights=[row.minibatch for row in iterations]))


def _matrix(rows: Sequence[Sequence[float | None]] | None) -> tuple[tuple[float, ...], ...] | None:
    if rows is None:
        return None
    return tuple(number_row(row) for row in rows)
