"""Charts of how several starts agree."""

from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import FuncFormatter, NullLocator
from numpy.typing import NDArray
from scipy.cluster.hierarchy import dendrogram

from coldstart.report.charts import FONT_PT, THIRD_INCH, Chart, resolution_axes, style_axes
from coldstart.report.svg import ACCENT, TEXT, class_colour, figure_svg, new_figure

_DASHED = (0, (4, 3))
_EDGES = [step / 20 for step in range(21)]
_HEIGHT_INCH = 2.1
_LEAST_DISTANCE = 1e-3
_CORRELATIONS = (0.999, 0.99, 0.9, 0.0)


def tree_chart(linkage: NDArray[np.float64], names: Sequence[str], cut: float) -> Chart:
    """The tree of the starts; those joined below the cut have the same map.

    Parameters
    ----------
    linkage : (N - 1, 4) float64
        As of `scipy.cluster.hierarchy.linkage`.
    names : sequence of str
        Of the N starts.
    cut : float
        Height from which maps differ.
    """
    figure = new_figure(THIRD_INCH, _HEIGHT_INCH)
    axes = figure.add_subplot()
    tree = dendrogram(linkage, labels=list(names), no_plot=True)
    for across, up in zip(tree["icoord"], tree["dcoord"], strict=True):
        axes.plot(across, np.maximum(up, _LEAST_DISTANCE), color=ACCENT, linewidth=1.5)
    axes.axhline(cut, color=TEXT, linewidth=0.8, linestyle=_DASHED)
    axes.set_xticks(5.0 + 10.0 * np.arange(len(names)), tree["ivl"])
    # Starts that agree differ by hundredths, others by nearly one: only a logarithmic axis shows both.
    axes.set_yscale("log")
    axes.set_ylim(_LEAST_DISTANCE, max(1.0, 1.1 * float(linkage[:, 2].max())))
    axes.set_yticks([1.0 - value for value in _CORRELATIONS], [f"{value:g}" for value in _CORRELATIONS])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("start")
    axes.set_ylabel("correlation of the maps")
    style_axes(axes)
    caption = (
        "Starts are joined where the mean correlation of their maps is. Those joined below the dashed line, at "
        f"{1.0 - cut:g}, have the same map."
    )
    return Chart(
        "The tree of the starts", caption, figure_svg(figure, "Tree of the starts by the likeness of their maps")
    )


def agreement_chart(
    correlation: NDArray[np.float64], members: Sequence[int], best: int, box_angstrom: float, finest_angstrom: float
) -> Chart:
    """Fourier shell correlation of the agreeing starts' maps with those of the best one.

    Parameters
    ----------
    correlation : (M, K, shells) float64
    members : sequence of int
        The M starts, from 0.
    best : int
        One of them.
    box_angstrom : float
        Side of the box in Å.
    finest_angstrom : float
        Finest detail that the starts used, in Å.
    """
    figure, axes = resolution_axes(box_angstrom, finest_angstrom, THIRD_INCH, _HEIGHT_INCH)
    frequency = np.arange(correlation.shape[-1]) / box_angstrom
    for start, curves in zip(members, correlation, strict=True):
        for number, curve in enumerate(curves if start != best else ()):
            label = "" if number else str(start + 1)
            axes.plot(frequency[1:], curve[1:], color=class_colour(start), linewidth=1.4, label=label)
    axes.axhline(0.5, color=TEXT, linewidth=0.8, linestyle=_DASHED)
    legend = axes.legend(
        title="start", loc="lower left", ncols=4, frameon=False, fontsize=FONT_PT, labelcolor=TEXT,
        title_fontsize=FONT_PT, handlelength=1.2, columnspacing=1.0, alignment="left",
    )  # fmt: skip
    legend.get_title().set_color(TEXT)
    caption = (
        f"Fourier shell correlation (FSC) of each agreeing start's map with that of start {best + 1}. They saw the "
        "same particles: it shows how well the search is reproduced, not the resolution. Dashed: 0.5. Dotted: the "
        "finest detail used."
    )
    return Chart("Agreement of the maps", caption, figure_svg(figure, "Fourier shell correlation between starts"))


def pose_chart(agreement: NDArray[np.float64]) -> Chart:
    """Histogram over the particles of the share of starts that agree on the pose, (P,) float64."""
    figure = new_figure(THIRD_INCH, _HEIGHT_INCH)
    axes = figure.add_subplot()
    axes.hist(agreement, bins=_EDGES, color=ACCENT)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xlabel("share of the other starts")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))
    axes.set_ylabel("particles")
    style_axes(axes)
    caption = (
        "By how many of the other agreeing starts the pose and class of a particle are shared. On the left they depend "
        "on the start, and the label of the particle says so."
    )
    return Chart("Agreement of the poses", caption, figure_svg(figure, "Histogram of the agreement of the poses"))
