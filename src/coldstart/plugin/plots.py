"""How the figures of a run go over its iterations: resolution, effective sample size, and the classes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from coldstart.model.state import IterationStats
from coldstart.plugin.figure_view import Ink
from coldstart.plugin.map_layer import CLASS_COLORS, class_color

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FONT_PT = 8
_ROUND_ANGSTROM = (200, 100, 70, 50, 40, 35, 30, 25, 20, 18, 16, 14, 12, 10, 9, 8, 7, 6, 5, 4, 3, 2)


def draw_progress(figure: "Figure", ink: Ink, history: Sequence[IterationStats]) -> None:
    """Three charts over one axis of iterations."""
    resolution, samples, classes = figure.subplots(3, 1, sharex=True)
    iterations = [stats.iteration for stats in history]
    _draw_resolution(resolution, iterations, history)
    _draw_samples(samples, iterations, history)
    _draw_classes(classes, iterations, history)
    classes.set_xlabel("iteration", fontsize=_FONT_PT, color=ink.text)
    for axes in (resolution, samples, classes):
        style_axes(axes, ink)


def style_axes(axes: "Axes", ink: Ink) -> None:
    """Small, quiet axes in the colours of the theme."""
    axes.set_facecolor("none")
    axes.tick_params(labelsize=_FONT_PT, colors=ink.text, length=2)
    axes.grid(visible=True, color=ink.muted, alpha=0.4, linewidth=0.5)
    axes.set_title(axes.get_title("left"), loc="left", fontsize=_FONT_PT + 1, color=ink.text)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(ink.muted)
    legend = axes.get_legend()
    if legend is not None:
        for text in legend.get_texts():
            text.set_color(ink.text)


def spaced_angstrom(highest_frequency: float, ticks: int = 4) -> list[float]:
    """Round resolutions for an axis of spatial frequency that begins at 0, at least 1 in `ticks` of it apart."""
    chosen: list[float] = []
    for angstrom in _ROUND_ANGSTROM:
        after = 1.0 / angstrom - (1.0 / chosen[-1] if chosen else 0.0)
        if highest_frequency / ticks <= after and 1.0 / angstrom <= highest_frequency:
            chosen.append(angstrom)
    return chosen


def _draw_resolution(axes: "Axes", iterations: list[int], history: Sequence[IterationStats]) -> None:
    """Finer resolution is higher up, to the scale of spatial frequency."""
    values = [stats.resolution_angstrom for stats in history]
    axes.plot(iterations, [1.0 / value for value in values], color=CLASS_COLORS[0], linewidth=1.4)
    low, high = 1.0 / (1.15 * max(values)), 1.15 / min(values)
    axes.set_ylim(low, high)
    ticks = [angstrom for angstrom in _ROUND_ANGSTROM if low <= 1.0 / angstrom <= high]
    ticks = ticks[:: max(1, -(-len(ticks) // 5))]
    axes.set_yticks([1.0 / angstrom for angstrom in ticks], [f"{angstrom:g}" for angstrom in ticks])
    axes.set_title(f"Resolution: {values[-1]:.1f} Å", loc="left")


def _draw_samples(axes: "Axes", iterations: list[int], history: Sequence[IterationStats]) -> None:
    """Effective number of poses an image is spread over, as powers of ten."""
    rotations = np.log10([max(stats.ess_rotations, 1.0) for stats in history])
    poses = np.log10([max(stats.ess_poses, 1.0) for stats in history])
    axes.plot(iterations, rotations, color=CLASS_COLORS[0], linewidth=1.2, label="rotations")
    axes.plot(iterations, poses, color=CLASS_COLORS[1], linewidth=1.2, label="poses")
    top = max(1, int(np.ceil(max(rotations.max(), poses.max()))))
    axes.set_ylim(0.0, top)
    axes.set_yticks(range(top + 1), [f"{10**power:g}" for power in range(top + 1)])
    axes.set_title("Effective sample size an image", loc="left")
    axes.legend(fontsize=_FONT_PT - 1, frameon=False, loc="upper right", ncols=2)


def _draw_classes(axes: "Axes", iterations: list[int], history: Sequence[IterationStats]) -> None:
    """Shares of the classes; the change of the map where there is one."""
    if len(history[-1].class_shares) > 1:
        rows = [(stats.iteration, stats.class_shares) for stats in history if stats.class_shares]
        where, shares = zip(*rows, strict=True)
        for number, share in enumerate(np.array(shares).T, 1):
            axes.plot(where, 100.0 * share, color=class_color(number), linewidth=1.2)
        axes.set_ylim(0.0, None)
        axes.set_title("Share of each class, %", loc="left")
        return
    axes.plot(iterations, [100.0 * stats.map_change for stats in history], color=CLASS_COLORS[0], linewidth=1.0)
    axes.set_ylim(0.0, None)
    axes.set_title("Change of the map an iteration, %", loc="left")
