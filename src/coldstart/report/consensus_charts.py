"""Charts of how several starts agree."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import dendrogram

from coldstart.report.charts import Chart, angstrom_ticks, style_axes
from coldstart.report.svg import ACCENT, TEXT, class_colour, figure_svg, new_figure

_DASHED = (0, (4, 3))
_EDGES = [step / 20 for step in range(21)]


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
    figure = new_figure(4.4, 2.8)
    axes = figure.add_subplot()
    tree = dendrogram(linkage, labels=list(names), no_plot=True)
    for across, up in zip(tree["icoord"], tree["dcoord"], strict=True):
        axes.plot(across, up, color=ACCENT, linewidth=1.5)
    axes.axhline(cut, color=TEXT, linewidth=0.8, linestyle=_DASHED)
    axes.set_xticks(5.0 + 10.0 * np.arange(len(names)), tree["ivl"])
    axes.set_ylim(0.0, max(1.1 * float(linkage[:, 2].max()), 1.5 * cut))
    axes.set_xlabel("start")
    axes.set_ylabel("1 − correlation of the maps")
    style_axes(axes)
    caption = "Starts are joined at the mean distance of their maps. Below the dashed line they have the same map."
    return Chart(
        "The tree of the starts", caption, figure_svg(figure, "Tree of the starts by the likeness of their maps")
    )


def agreement_chart(correlation: NDArray[np.float64], members: Sequence[int], best: int, box_angstrom: float) -> Chart:
    """Fourier shell correlation of the agreeing starts' maps with those of the best one.

    Parameters
    ----------
    correlation : (M, K, shells) float64
    members : sequence of int
        The M starts, from 0.
    best : int
        One of them.
    box_angstrom : float
    """
    figure = new_figure(4.4, 2.8)
    axes = figure.add_subplot()
    shells = correlation.shape[-1]
    frequency = np.arange(shells) / box_angstrom
    for start, curves in zip(members, correlation, strict=True):
        for curve in curves if start != best else ():
            axes.plot(frequency[1:], curve[1:], color=class_colour(start), linewidth=1.4)
    ticks = angstrom_ticks(box_angstrom, 1.0 / frequency[-1])
    axes.set_xticks([1.0 / tick for tick in ticks], [f"{tick:g}" for tick in ticks])
    axes.set_xlim(frequency[1], frequency[-1])
    axes.set_ylim(-0.1, 1.03)
    axes.axhline(0.5, color=TEXT, linewidth=0.8, linestyle=_DASHED)
    axes.set_xlabel("resolution (Å)")
    axes.set_ylabel("correlation")
    style_axes(axes)
    caption = (
        f"Fourier shell correlation of each agreeing start's map with that of start {best + 1}. They saw the same "
        "particles, so that it shows how well the search is reproduced, not the resolution."
    )
    return Chart("Agreement of the maps", caption, figure_svg(figure, "Fourier shell correlation between starts"))


def pose_chart(agreement: NDArray[np.float64]) -> Chart:
    """Histogram over the particles of the share of starts that agree on the pose, (P,) float64."""
    figure = new_figure(4.4, 2.8)
    axes = figure.add_subplot()
    axes.hist(agreement, bins=_EDGES, color=ACCENT)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xlabel("share of the other starts with the same pose and class")
    axes.set_ylabel("particles")
    style_axes(axes)
    caption = "Particles on the left have a pose or a class that depends on the start: their label says so."
    return Chart("Agreement of the poses", caption, figure_svg(figure, "Histogram of the agreement of the poses"))
