"""Figures of several jobs over their number of classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from coldstart.report.charts import THIRD_INCH, Chart, style_axes
from coldstart.report.svg import ACCENT, TEXT, figure_svg, new_figure

_SECONDS_A_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class KPoint:
    """A job: its number of classes, mean log evidence an image, effective number of classes, and processor time."""

    classes: int
    evidence: float
    effective: float
    cpu_seconds: float


def comparison_charts(points: Sequence[KPoint]) -> list[Chart]:
    """The charts of jobs in the order of their number of classes; none where all have the same number."""
    if len({point.classes for point in points}) < 2:
        return []
    return [_evidence_chart(points), _effective_chart(points), _time_chart(points)]


def means_over_classes(points: Sequence[KPoint], values: Sequence[float]) -> tuple[list[int], list[float]]:
    """Each number of classes, and the mean of the values of the jobs that have it."""
    pairs = zip((point.classes for point in points), values, strict=True)
    groups = [(classes, [value for _, value in found]) for classes, found in groupby(pairs, key=lambda pair: pair[0])]
    return [classes for classes, _ in groups], [float(np.mean(found)) for _, found in groups]


def _evidence_chart(points: Sequence[KPoint]) -> Chart:
    figure, axes = _axes_over_classes(points, "nats an image")
    _draw(axes, points, [point.evidence for point in points])
    caption = "Mean log evidence of the maps over that of noise alone. Look for where it stops rising clearly."
    return Chart("Log evidence an image", caption, figure_svg(figure, "Log evidence an image over the classes"))


def _effective_chart(points: Sequence[KPoint]) -> Chart:
    figure, axes = _axes_over_classes(points, "effective number")
    _draw(axes, points, [point.effective for point in points])
    most = points[-1].classes
    axes.plot([1, most], [1, most], color=TEXT, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set_ylim(0.8, most + 0.2)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    caption = "How many classes of equal size would be as uneven. Dashed: all classes equally large."
    return Chart("Effective number of classes", caption, figure_svg(figure, "Effective number of classes"))


def _time_chart(points: Sequence[KPoint]) -> Chart:
    figure, axes = _axes_over_classes(points, "minutes")
    _draw(axes, points, [point.cpu_seconds / _SECONDS_A_MINUTE for point in points])
    axes.set_ylim(0.0, None)
    return Chart("Processor time", "Of all cores together.", figure_svg(figure, "Processor time over the classes"))


def _axes_over_classes(points: Sequence[KPoint], label: str) -> tuple[Figure, Axes]:
    figure = new_figure(THIRD_INCH, 2.0)
    axes = figure.add_subplot()
    axes.set_xlabel("number of classes")
    axes.set_ylabel(label)
    axes.set_xticks(sorted({point.classes for point in points}))
    style_axes(axes)
    return figure, axes


def _draw(axes: Axes, points: Sequence[KPoint], values: Sequence[float]) -> None:
    """A dot a job, and a line through the means of those with the same number of classes."""
    axes.plot(*means_over_classes(points, values), color=ACCENT, linewidth=1.4, alpha=0.7)
    axes.plot([point.classes for point in points], values, "o", color=ACCENT, markersize=5.5)
    axes.margins(x=0.08, y=0.15)
