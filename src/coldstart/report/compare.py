"""The page that compares several jobs on the same particles, to choose the number of classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coldstart.model.state import SAME_MAP, PoseTable, RunResult
from coldstart.params import AbInitioParams
from coldstart.report.class_cards import class_flags, class_resolution
from coldstart.report.compare_charts import KPoint, comparison_charts
from coldstart.report.content import class_shares
from coldstart.report.evolution import MapViews, map_views
from coldstart.report.parameters import value_text
from coldstart.report.pictures import scale_bar, view_uris
from coldstart.report.svg import class_css
from coldstart.report.templates import render_template
from coldstart.report.text import duration_text, percent_text, resolution_text

_THUMBNAIL_PX = 128


@dataclass(frozen=True, slots=True)
class ComparedJob:
    """A finished job.

    Attributes
    ----------
    name : str
    link : str
        Address of its report, relative to the page.
    result : RunResult
    params : AbInitioParams
    cpu_seconds, wall_seconds : float
    particle_count : int
        Particles in the input.
    """

    name: str
    link: str
    result: RunResult
    params: AbInitioParams
    cpu_seconds: float
    wall_seconds: float
    particle_count: int


@dataclass(frozen=True, slots=True)
class _Thumbnail:
    number: int
    colour: str
    slice_uri: str
    projection_uri: str
    share: str
    resolution: str | None
    flags: list[str]


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    link: str
    classes: int
    stopped: bool
    facts: list[tuple[str, str]]
    thumbnails: list[_Thumbnail]
    bar: str
    bar_percent: float


def render_comparison(jobs: Sequence[ComparedJob], source: str, version: str) -> str:
    """The page as HTML text that refers to nothing outside itself but the jobs' reports.

    Parameters
    ----------
    jobs : sequence of ComparedJob
        On the same particles; shown by their number of classes.
    source : str
        Where the particles came from.
    version : str
        Of the program.
    """
    ordered = sorted(jobs, key=lambda job: len(job.result.volumes))
    changed = _differing(ordered)
    return render_template(
        "compare.html.j2",
        version=version,
        source=source,
        rows=[_row(job, changed) for job in ordered],
        charts=comparison_charts([_point(job) for job in ordered]),
        warnings=_warnings(ordered),
        alike=SAME_MAP,
    )


def mean_evidence(poses: PoseTable) -> float:
    """Mean log evidence an image in nats; NaN where none was posed."""
    return float(poses.log_likelihood.mean()) if len(poses.particle) else float("nan")


def effective_classes(result: RunResult) -> float:
    """How many classes of equal size would be as uneven: 1 / sum of squared shares; NaN where none was posed."""
    squares = float(np.square(class_shares(result)).sum())
    return 1.0 / squares if squares > 0.0 else float("nan")


def classes_an_image(poses: PoseTable) -> float:
    """Over how many classes an image is spread, mean over the images; NaN where none was posed."""
    if not len(poses.particle):
        return float("nan")
    return float(np.mean(1.0 / np.square(poses.class_posterior).sum(axis=1)))


def _point(job: ComparedJob) -> KPoint:
    result = job.result
    return KPoint(len(result.volumes), mean_evidence(result.poses), effective_classes(result), job.cpu_seconds)


def _row(job: ComparedJob, changed: Sequence[str]) -> _Row:
    result = job.result
    bar = scale_bar(result.volumes.shape[-1] * result.pixel_size_angstrom)
    return _Row(
        name=job.name,
        link=job.link,
        classes=len(result.volumes),
        stopped=result.stopped_early,
        facts=_facts(job, changed),
        thumbnails=_thumbnails(result),
        bar=bar.label,
        bar_percent=bar.percent,
    )


def _facts(job: ComparedJob, changed: Sequence[str]) -> list[tuple[str, str]]:
    result = job.result
    set_apart = [(str(AbInitioParams.model_fields[name].title), name) for name in changed]
    return [
        ("log evidence an image", _number(mean_evidence(result.poses), " nats")),
        ("effective classes", _number(effective_classes(result))),
        ("effective classes an image", _number(classes_an_image(result.poses))),
        ("particles used", f"{int(result.poses.used.sum()):,} of {job.particle_count:,}"),
        ("finest detail used", resolution_text(result.resolution_angstrom)),
        ("processor time", duration_text(job.cpu_seconds)),
        ("by the clock", duration_text(job.wall_seconds)),
        *((title.lower(), value_text(name, getattr(job.params, name))) for title, name in set_apart),
    ]


def _thumbnails(result: RunResult) -> list[_Thumbnail]:
    flags, shares = class_flags(result), class_shares(result)
    return [_thumbnail(result, index, shares[index], flags[index]) for index in range(len(result.volumes))]


def _thumbnail(result: RunResult, index: int, share: float, flags: list[str]) -> _Thumbnail:
    views = map_views(result.volumes[index], _THUMBNAIL_PX)
    slices, projections = view_uris(MapViews(views.slices[:1], views.projections[:1]))
    return _Thumbnail(
        number=index + 1,
        colour=class_css(index),
        slice_uri=slices[0],
        projection_uri=projections[0],
        share=percent_text(share),
        resolution=class_resolution(result, index),
        flags=flags,
    )


def _differing(jobs: Sequence[ComparedJob]) -> list[str]:
    """Parameters besides the number of classes that are not the same in all jobs."""
    names = (name for name in AbInitioParams.model_fields if name != "classes")
    return [name for name in names if len({getattr(job.params, name) for job in jobs}) > 1]


def _warnings(jobs: Sequence[ComparedJob]) -> list[str]:
    """What makes the figures of these jobs hard to compare."""
    found = []
    if len({f"{job.result.resolution_angstrom:.1f}" for job in jobs}) > 1:
        found.append("The jobs did not use the same finest detail, so their log evidence cannot be compared.")
    if len({job.particle_count for job in jobs}) > 1:
        found.append("The jobs did not have the same number of particles.")
    if any(job.result.stopped_early for job in jobs):
        found.append("A job that was stopped early has maps that are not finished.")
    return found


def _number(value: float, unit: str = "") -> str:
    return "unknown" if np.isnan(value) else f"{value:.2f}{unit}"
