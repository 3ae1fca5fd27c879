"""How the figures of a run go over its iterations: resolution, effective sample size, and the classes or starts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from coldstart.model.state import IterationStats
from coldstart.plugin.figure_view import Ink
from coldstart.plugin.map_layer import CLASS_COLORS, class_color

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FONT_PT = 8
_RECENT = 10
_ROUND_ANGSTROM = (200, 100, 70, 50, 40, 35, 30, 25, 20, 18, 16, 14, 12, 10, 9, 8, 7, 6, 5, 4, 3, 2)


def draw_progress(figure: "Figure", ink: Ink, parts: Sequence[Sequence[IterationStats]], current: int = 0) -> None:
    """Three charts over one axis of iterations.

    Parameters
    ----------
    figure : Figure
    ink : Ink
    parts : sequence of sequence of IterationStats
        Of a run, or of several starts or jobs, which are charted together; those that have not begun are empty.
    current : int
        The part that is running, from 0.
    """
    resolution, samples, last = figure.subplots(3, 1, sharex=True)
    if len(parts) == 1:
        history = parts[0]
        iterations = [stats.iteration for stats in history]
        _draw_resolution(resolution, iterations, history)
        _draw_samples(samples, iterations, history)
        _draw_classes(last, iterations, history)
    else:
        _draw_parts((resolution, samples, last), parts, current)
    last.set_xlabel("iteration", fontsize=_FONT_PT, color=ink.text)
    for axes in (resolution, samples, last):
        style_axes(axes, ink)


def _draw_parts(charts: Sequence["Axes"], parts: Sequence[Sequence[IterationStats]], current: int) -> None:
    """Resolution, effective sample size and evidence of several starts or jobs, the one that runs in bold."""
    resolution, samples, evidence = charts
    begun = [stats for history in parts for stats in history]
    for number, history in enumerate(parts, 1):
        iterations = [stats.iteration for stats in history]
        bold = number - 1 == current
        width, alpha = (1.8, 1.0) if bold else (0.9, 0.7)
        style: dict[str, Any] = {"color": class_color(number), "linewidth": width, "alpha": alpha}
        resolution.plot(iterations, [1.0 / stats.resolution_angstrom for stats in history], **style)
        samples.plot(iterations, [np.log10(max(stats.ess_rotations, 1.0)) for stats in history], **style)
        means = _running_mean([stats.log_likelihood for stats in history])
        evidence.plot(iterations, means, label=str(number), **style)
    _scale_resolution(resolution, [stats.resolution_angstrom for stats in begun])
    resolution.set_title(f"Resolution: {parts[current][-1].resolution_angstrom:.1f} Å", loc="left")
    _scale_samples(samples, max(np.log10(max(stats.ess_rotations, 1.0)) for stats in begun))
    samples.set_title("Effective number of rotations an image", loc="left")
    evidence.set_title("Log evidence an image, nats (higher is better)", loc="left")
    evidence.legend(fontsize=_FONT_PT - 1, frameon=False, loc="upper left", ncols=min(len(parts), 8))


def _running_mean(values: Sequence[float]) -> list[float]:
    """Each value's mean with those before it, at most `_RECENT` of them."""
    return [float(np.mean(values[max(0, end - _RECENT) : end])) for end in range(1, len(values) + 1)]


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
    _scale_resolution(axes, values)
    axes.set_title(f"Resolution: {values[-1]:.1f} Å", loc="left")


def _scale_resolution(axes: "Axes", values: Sequence[float]) -> None:
    low, high = 1.0 / (1.15 * max(values)), 1.15 / min(values)
    axes.set_ylim(low, high)
    ticks = [angstrom for angstrom in _ROUND_ANGSTROM if low <= 1.0 / angstrom <= high]
    ticks = ticks[:: max(1, -(-len(ticks) // 5))]
    axes.set_yticks([1.0 / angstrom for angstrom in ticks], [f"{angstrom:g}" for angstrom in ticks])


def _draw_samples(axes: "Axes", iterations: list[int], history: Sequence[IterationStats]) -> None:
    """Effective number of poses an image is spread over, as powers of ten."""
    rotations = np.log10([max(stats.ess_rotations, 1.0) for stats in history])
    poses = np.log10([max(stats.ess_poses, 1.0) for stats in history])
    axes.plot(iterations, rotations, color=CLASS_COLORS[0], linewidth=1.2, label="rotations")
    axes.plot(iterations, poses, color=CLASS_COLORS[1], linewidth=1.2, label="poses")
    _scale_samples(axes, max(rotations.max(), poses.max()))
    axes.set_title("Effective sample size an image", loc="left")
    axes.legend(fontsize=_FONT_PT - 1, frameon=False, loc="upper right", ncols=2)


def _scale_samples(axes: "Axes", highest: float) -> None:
    """Powers of ten, up to the one above the highest logarithm."""
    top = max(1, int(np.ceil(highest)))
    axes.set_ylim(0.0, top)
    axes.set_yticks(range(top + 1), [f"{10**power:g}" for power in range(top + 1)])


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
