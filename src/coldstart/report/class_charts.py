"""Charts that compare the classes of a run; a class has the same colour in all of them."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from coldstart.model.state import MIN_CONFIDENCE, ClassReport, IterationStats
from coldstart.report.charts import (
    FONT_PT,
    THIRD_INCH,
    Chart,
    iteration_axes,
    iteration_numbers,
    resolution_axes,
    style_axes,
)
from coldstart.report.svg import ACCENT, TEXT, class_colour, figure_svg, new_figure

_HALF = 0.5
_LEAST_BAND = 0.04
_POSTERIOR_EDGES = [step / 25 for step in range(26)]


def correlation_chart(classes: Sequence[ClassReport], box_angstrom: float, finest_angstrom: float) -> Chart:
    """Fourier shell correlation of the halves of each class's map.

    Parameters
    ----------
    classes : sequence of ClassReport
    box_angstrom : float
        Side of the box in Å.
    finest_angstrom : float
        Finest detail that the run used, in Å.
    """
    figure, axes = resolution_axes(box_angstrom, finest_angstrom)
    for index, report in enumerate(classes):
        frequency = np.arange(len(report.half_correlation)) / box_angstrom
        axes.plot(frequency[1:], report.half_correlation[1:], color=class_colour(index), linewidth=1.6)
    axes.axhline(_HALF, color=TEXT, linewidth=0.8, linestyle=(0, (4, 3)))
    caption = (
        "Of two maps of each class, from half of its particles each, in the run's round window. Dashed: 0.5. Dotted: "
        "the finest detail used."
    )
    svg = figure_svg(figure, "Fourier shell correlation of the half maps")
    return Chart("Fourier shell correlation (FSC) of the half maps", caption, svg)


def posterior_svg(posterior: NDArray[np.float64], index: int) -> str:
    """Histogram of the posterior of a class over the particles (M,) that are in it."""
    figure = new_figure(THIRD_INCH, 1.6)
    axes = figure.add_subplot()
    axes.hist(posterior, bins=_POSTERIOR_EDGES, color=class_colour(index), rwidth=0.9)
    axes.set_xlim(-0.04, 1.04)  # the zeros of both axes apart
    axes.set_xlabel("posterior of the class")
    axes.set_ylabel("particles")
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))
    style_axes(axes)
    axes.axvline(MIN_CONFIDENCE, color=TEXT, linewidth=0.8, linestyle=(0, (4, 3)))
    return figure_svg(figure, f"Histogram of the posterior of class {index + 1}")


def class_course_charts(iterations: Sequence[IterationStats], classes: int) -> list[Chart]:
    """How sizes and overlap of the classes went over the iterations; none where they were not counted."""
    rows = [stats for stats in iterations if stats.phase != "posing" and len(stats.class_shares) == classes]
    return [_size_chart(rows), _overlap_chart(rows, classes), _similarity_chart(rows)] if rows else []


def _size_chart(rows: Sequence[IterationStats]) -> Chart:
    figure, axes = iteration_axes(rows, "share of the images")
    shares = np.array([stats.class_shares for stats in rows]).T
    colours = [class_colour(index) for index in range(len(shares))]
    # Drawn to the edges of the first and the last iteration.
    edges = np.append(np.array(iteration_numbers(rows)) - 0.5, rows[-1].iteration + 0.5)
    shares = np.concatenate([shares, shares[:, -1:]], axis=1)
    axes.stackplot(edges, shares, colors=colours, alpha=0.85, linewidth=0, step="post")
    axes.set_ylim(0.0, 1.0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.0f}%"))
    _number_bands(axes, shares[:, -1])
    caption = "Share of each minibatch in each class, one above the other in the order of their numbers."
    return Chart("Class sizes", caption, figure_svg(figure, "Class sizes over the iterations"))


def _number_bands(axes: Axes, shares: NDArray[np.float64]) -> None:
    """Write the number of each class beside the end of its band, where that is high enough."""
    middles = np.cumsum(shares) - 0.5 * shares
    for index, (middle, share) in enumerate(zip(middles, shares, strict=True)):
        if share > _LEAST_BAND:
            text = axes.text(1.015, float(middle), str(index + 1), transform=axes.transAxes, ha="left", va="center")
            text.set(fontsize=FONT_PT, color=TEXT)


def _overlap_chart(rows: Sequence[IterationStats], classes: int) -> Chart:
    figure, axes = iteration_axes(rows, "classes an image")
    axes.plot(iteration_numbers(rows), [stats.class_ess for stats in rows], color=ACCENT, linewidth=1.5)
    axes.set_ylim(0.9, classes + 0.1)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    caption = "Over how many classes an image is spread: 1 where every image is certain of its class."
    svg = figure_svg(figure, "Effective number of classes an image over the iterations")
    return Chart("Effective number of classes an image", caption, svg)


def _similarity_chart(rows: Sequence[IterationStats]) -> Chart:
    figure, axes = iteration_axes(rows, "share")
    values = [stats.class_similarity for stats in rows]
    axes.plot(iteration_numbers(rows), values, color=ACCENT, linewidth=1.5)
    axes.set_ylim(0.0, 1.1 * max(values) or 1.0)
    caption = "Share of every image that goes to all classes alike; it is taken away so that the classes may part."
    return Chart("Class similarity", caption, figure_svg(figure, "Class similarity over the iterations"))
