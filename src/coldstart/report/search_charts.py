"""How the pose search went over the iterations: what its stages kept, what it evaluated, where its limit acted."""

from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import FuncFormatter

from coldstart.model.state import IterationStats
from coldstart.report.charts import (
    FONT_PT,
    THREE_FIFTHS_INCH,
    TWO_FIFTHS_INCH,
    Chart,
    iteration_axes,
    iteration_numbers,
    log_scale,
)
from coldstart.report.stages import StageKey, stage_keys
from coldstart.report.svg import ACCENT, FOURTH, SECOND, TEXT, THIRD, figure_svg

_LEVEL_COLOURS = (ACCENT, SECOND, THIRD, FOURTH)
_VISIT_LINES = ("-", (0, (4, 1.5)), (0, (1, 1.2)))


def survivor_lines(rows: Sequence[IterationStats]) -> dict[StageKey, list[float]]:
    """Mean poses that each stage kept an image, one value an iteration; NaN where the search had no such stage."""
    kept = [_kept_by_stage(stats) for stats in rows]
    keys = sorted({key for found in kept for key in found}, key=lambda key: (key.level, key.visit))
    return {key: [found.get(key, np.nan) for found in kept] for key in keys}


def survivor_chart(rows: Sequence[IterationStats]) -> Chart:
    """Poses kept an image after each stage."""
    figure, axes = iteration_axes(rows, "poses kept an image", THREE_FIFTHS_INCH, 3.4)
    for key, values in survivor_lines(rows).items():
        colour, line = _LEVEL_COLOURS[key.level % 4], _VISIT_LINES[key.visit % 3]
        label = _stage_label(key, rows)
        axes.plot(iteration_numbers(rows), values, color=colour, linestyle=line, linewidth=1.5, label=label)
    log_scale(axes)
    figure.legend(
        loc="outside lower center", ncols=2, frameon=False, fontsize=FONT_PT, labelcolor=TEXT, handlelength=2.6
    )
    caption = (
        "Mean number of poses that are left after each stage, which is named by its angular step and the Fourier "
        "radius (cycles a box) that it looks at."
    )
    return Chart("Poses kept", caption, figure_svg(figure, "Poses kept after each stage over the iterations"))


def evaluated_chart(rows: Sequence[IterationStats]) -> Chart:
    """Share of an exhaustive search that was evaluated."""
    figure, axes = iteration_axes(rows, "share of an exhaustive search", TWO_FIFTHS_INCH, 2.4)
    shares = np.array([stats.evaluated_fraction for stats in rows])
    axes.plot(iteration_numbers(rows), np.where(shares > 0, shares, np.nan), color=ACCENT, linewidth=1.5)
    log_scale(axes)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}%"))
    caption = "Coefficient products evaluated, over those of scoring every pose of the finest grid."
    return Chart("Share evaluated", caption, figure_svg(figure, "Share of an exhaustive search over the iterations"))


def limited_chart(rows: Sequence[IterationStats]) -> Chart:
    """Share of images for which the limit acted."""
    figure, axes = iteration_axes(rows, "share of the images", TWO_FIFTHS_INCH, 2.4)
    axes.plot(iteration_numbers(rows), [stats.limited_fraction for stats in rows], color=ACCENT, linewidth=1.5)
    axes.set_ylim(0.0, 1.05)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.0f}%"))
    caption = "Images with more plausible poses than a stage may keep: a random sample of them stood for all."
    return Chart("Limit acted", caption, figure_svg(figure, "Share of images with a limit over the iterations"))


def _kept_by_stage(stats: IterationStats) -> dict[StageKey, float]:
    return {key: stage.kept / stage.images for key, stage in zip(stage_keys(stats.stages), stats.stages, strict=True)}


def _stage_label(key: StageKey, rows: Sequence[IterationStats]) -> str:
    """Angular step and radius, which may rise over the iterations."""
    radii = [
        stage.radius
        for stats in rows
        for found, stage in zip(stage_keys(stats.stages), stats.stages, strict=True)
        if found == key
    ]
    low, high = f"{min(radii):.0f}", f"{max(radii):.0f}"
    note = f", {key.note}" if key.note else ""
    return f"{key.step_deg:g}°, radius {low if low == high else f'{low} to {high}'}{note}"
