"""How the figures of a run went over its iterations, one small chart each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from coldstart.model.state import IterationStats
from coldstart.report.svg import ACCENT, GRID, SECOND, TEXT, figure_svg, new_figure

FONT_PT = 9
THIRD_INCH, HALF_INCH, TWO_FIFTHS_INCH, THREE_FIFTHS_INCH = 3.2, 5.0, 4.0, 6.2
"""Widths of figures by the part of the page that they have: their letters come out equally large."""
_FEW_DECADES = 2.5
_BEYOND_FINEST = 1.08
_ROUND_ANGSTROM = (200, 150, 100, 80, 60, 50, 40, 35, 30, 25, 20, 18, 16, 14, 12, 10, 9, 8, 7, 6, 5, 4, 3.5, 3, 2.5, 2)
_PHASE_NAMES = {"initial": "initial", "marching": "rising resolution", "final": "final"}


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of the report: heading, a sentence on what it shows, and its SVG."""

    title: str
    caption: str
    svg: str


@dataclass(frozen=True, slots=True)
class _Series:
    title: str
    caption: str
    label: str
    fields: tuple[tuple[str, str], ...]
    log: bool = False
    steps: bool = False


_SERIES = (
    _Series(
        "Effective sample size",
        "How many coarse rotations and finest poses an image is spread over; it falls as the poses become certain.",
        "poses an image",
        (("ess_rotations", "rotations"), ("ess_poses", "poses")),
        log=True,
    ),
    _Series(
        "Map change",
        "Relative change of the map in each iteration.",
        "|ΔV| / |V|",
        (("map_change", ""),),
        log=True,
    ),
    _Series("Minibatch", "Images in each iteration.", "images", (("minibatch", ""),), steps=True),
    _Series("Learning rate", "Weight of a new minibatch against all earlier ones.", "weight", (("learning_rate", ""),)),
    _Series(
        "Noise scale",
        "Noise variance over the background's; above 1 while it is inflated.",
        "× background",
        (("noise_scale", ""),),
    ),
)


def iteration_charts(iterations: Sequence[IterationStats]) -> list[Chart]:
    """Charts over the iterations that changed the map; none where there are no such iterations."""
    rows = [stats for stats in iterations if stats.phase != "posing"]
    if not rows:
        return []
    return [_resolution_chart(rows), *(_series_chart(rows, series) for series in _SERIES)]


def angstrom_ticks(coarsest: float, finest: float, most: int = 7) -> list[float]:
    """Round resolutions between two, in Å, at distances on a reciprocal axis that leave room for their labels."""
    gap = (1.0 / finest - 1.0 / coarsest) / most
    ticks: list[float] = []
    for value in _ROUND_ANGSTROM:
        if finest * 0.999 <= value <= coarsest * 1.001 and (not ticks or 1.0 / value - 1.0 / ticks[-1] >= gap):
            ticks.append(float(value))
    return ticks


def style_axes(axes: Axes) -> None:
    """Thin lines, no frame, small type."""
    axes.set_facecolor("none")
    axes.grid(visible=True, axis="y", color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=TEXT, labelsize=FONT_PT, length=0, which="both")
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(color=TEXT, fontsize=FONT_PT)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(GRID)


def resolution_axes(
    box_angstrom: float, finest_angstrom: float, width_inch: float = HALF_INCH, height_inch: float = 2.7
) -> tuple[Figure, Axes]:
    """A chart of Fourier shell correlations, linear in 1/Å, with the finest detail that was used dotted."""
    figure = new_figure(width_inch, height_inch)
    axes = figure.add_subplot()
    low, high = 1.0 / box_angstrom, _BEYOND_FINEST / finest_angstrom
    ticks = angstrom_ticks(1.0 / low, 1.0 / high, 7 if width_inch >= HALF_INCH else 5)
    axes.set_xlim(low, high)
    axes.set_ylim(-0.1, 1.03)
    axes.set_xticks([1.0 / tick for tick in ticks], [f"{tick:g}" for tick in ticks])
    axes.set_xlabel("resolution (Å)")
    axes.set_ylabel("FSC")
    style_axes(axes)
    axes.axvline(1.0 / finest_angstrom, color=TEXT, linewidth=0.8, linestyle=(0, (1, 2)))
    return figure, axes


def iteration_axes(
    rows: Sequence[IterationStats], label: str, width_inch: float = THIRD_INCH, height_inch: float = 2.0
) -> tuple[Figure, Axes]:
    """A chart over these iterations, with the rising resolution shaded."""
    figure = new_figure(width_inch, height_inch)
    axes = figure.add_subplot()
    axes.set_xlabel("iteration")
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlim(rows[0].iteration - 0.5, rows[-1].iteration + 0.5)
    style_axes(axes)
    for first, last, phase in _phases(rows):
        if phase == "marching":
            axes.axvspan(first - 0.5, last + 0.5, color=GRID, alpha=0.35, linewidth=0)
    return figure, axes


def log_scale(axes: Axes) -> None:
    """A logarithmic axis in plain numbers, with ticks between the powers of ten where there are few of these."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    few = np.log10(high / low) < _FEW_DECADES
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def iteration_numbers(rows: Sequence[IterationStats]) -> list[int]:
    """The iterations, as an axis has them."""
    return [stats.iteration for stats in rows]


def _resolution_chart(rows: Sequence[IterationStats]) -> Chart:
    figure, axes = iteration_axes(rows, "resolution (Å)")
    frequency = np.array([1.0 / stats.resolution_angstrom for stats in rows])
    axes.plot(iteration_numbers(rows), frequency, color=ACCENT, linewidth=1.8)
    low, high = 0.9 * frequency.min(), 1.05 * frequency.max()
    ticks = angstrom_ticks(1.0 / low, 1.0 / high)
    axes.set_ylim(low, high)
    axes.set_yticks([1.0 / tick for tick in ticks], [f"{tick:g}" for tick in ticks])
    _name_phases(axes, rows)
    caption = "Finest detail used; the axis is linear in 1/Å."
    return Chart("Resolution", caption, figure_svg(figure, "Resolution in Å over the iterations"))


def _series_chart(rows: Sequence[IterationStats], series: _Series) -> Chart:
    figure, axes = iteration_axes(rows, series.label)
    for (field, name), colour in zip(series.fields, (ACCENT, SECOND), strict=False):
        values = np.array([getattr(stats, field) for stats in rows], dtype=float)
        if series.log:
            values[values <= 0] = np.nan
        style = "steps-post" if series.steps else "default"
        axes.plot(iteration_numbers(rows), values, color=colour, linewidth=1.5, label=name, drawstyle=style)
    if series.log:
        log_scale(axes)
    else:
        axes.set_ylim(0.0, 1.1 * max(getattr(stats, field) for stats in rows for field, _ in series.fields) or 1.0)
    if len(series.fields) > 1:
        axes.legend(frameon=False, fontsize=FONT_PT, labelcolor=TEXT, loc="upper right")
    return Chart(series.title, series.caption, figure_svg(figure, f"{series.title} over the iterations"))


def _name_phases(axes: Axes, rows: Sequence[IterationStats]) -> None:
    """Write the phase at the top of its stretch, where there is room for it."""
    span = rows[-1].iteration - rows[0].iteration + 1
    for first, last, phase in _phases(rows):
        if last - first + 1 > 0.18 * span:
            at, place = (first + last) / 2, axes.get_xaxis_transform()
            text = axes.text(at, 1.02, _PHASE_NAMES[phase], transform=place, ha="center", va="bottom", alpha=0.7)
            text.set(fontsize=FONT_PT - 1, color=TEXT)


def _phases(rows: Sequence[IterationStats]) -> list[tuple[int, int, str]]:
    """First and last iteration of each phase."""
    names = dict.fromkeys(stats.phase for stats in rows)
    numbers = {name: [stats.iteration for stats in rows if stats.phase == name] for name in names}
    return [(min(found), max(found), name) for name, found in numbers.items()]
