"""How far the half maps of a run of one class agree."""

import numpy as np

from coldstart.model.half_report import HalfReport
from coldstart.report.charts import FONT_PT, Chart, resolution_axes
from coldstart.report.svg import ACCENT, SECOND, TEXT, figure_svg
from coldstart.report.text import percent_text, resolution_text

THRESHOLDS = (0.143, 0.5)

_LINES = "Dashed: 0.143 and 0.5. Dotted: the finest detail that was used."
_NOISE = "The map is noise: what its halves agree on is chance, so there is no resolution."


def halves_chart(report: HalfReport, box_angstrom: float, finest_angstrom: float, *, is_noise: bool = False) -> Chart:
    """Fourier shell correlation of the half maps, inside the mask and in the whole box.

    Parameters
    ----------
    report : HalfReport
    box_angstrom : float
        Side of the box in Å.
    finest_angstrom : float
        Finest detail that the run used, in Å.
    is_noise : bool
        Whether the map is noise, so that no resolution is told.
    """
    figure, axes = resolution_axes(box_angstrom, finest_angstrom)
    for curve, colour, name in ((report.masked, ACCENT, "inside the mask"), (report.unmasked, SECOND, "whole box")):
        axes.plot(np.arange(1, len(curve)) / box_angstrom, curve[1:], color=colour, linewidth=1.6, label=name)
    for threshold in THRESHOLDS:
        axes.axhline(threshold, color=TEXT, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.legend(frameon=False, fontsize=FONT_PT, labelcolor=TEXT, loc="lower left")
    svg = figure_svg(figure, "Fourier shell correlation of the half maps, inside the mask and in the whole box")
    caption = _NOISE if is_noise else _caption(report, box_angstrom, finest_angstrom)
    return Chart("Fourier shell correlation (FSC) of the half maps", f"{caption} {_LINES}", svg)


def halves_sentence(report: HalfReport, box_angstrom: float, finest_angstrom: float) -> str:
    """To what resolution the halves agree, and what that is worth."""
    low, high = (
        report.resolution_angstrom(threshold, box_angstrom, finest_angstrom, masked=True) for threshold in THRESHOLDS
    )
    limit = ", the finest detail that was used," if low <= finest_angstrom else ""
    if high <= finest_angstrom:
        to = f"{resolution_text(low)}{limit} without falling below 0.5"
    else:
        to = f"{resolution_text(low)} (0.143){limit} and to {resolution_text(high)} (0.5)"
    worth = (
        "the halves were separate from the start, so this resolution can be quoted."
        if report.independent
        else "both halves were posed on one map, so it flatters, and is no resolution to quote."
    )
    return f"The half maps agree to {to}; {worth}"


def _caption(report: HalfReport, box_angstrom: float, finest_angstrom: float) -> str:
    whole = resolution_text(report.resolution_angstrom(0.143, box_angstrom, finest_angstrom, masked=False))
    return (
        f"{halves_sentence(report, box_angstrom, finest_angstrom)} That is inside a mask with a soft edge around the "
        f"density, {percent_text(report.mask_share)} of the box; in the whole box it is {whole} (0.143)."
    )
