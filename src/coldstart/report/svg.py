"""Figures as inline SVG that takes its colours and its font from the page, so that it fits light and dark alike."""

import io
import re
from typing import Any

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Figures are drawn in these stand-ins, which become the page's own colours.
TEXT = "#010101"
GRID = "#020202"
ACCENT = "#030303"
SECOND = "#040404"
THIRD = "#050505"
FOURTH = "#060606"
CLASS_COLOURS = tuple(f"#{part:02x}{part:02x}{part:02x}" for part in range(7, 15))
_PAGE_COLOURS = {
    TEXT: "currentColor",
    GRID: "var(--line)",
    ACCENT: "var(--accent)",
    SECOND: "var(--second)",
    THIRD: "var(--third)",
    FOURTH: "var(--fourth)",
    **{stand_in: f"var(--class-{number})" for number, stand_in in enumerate(CLASS_COLOURS, 1)},
}
_MOST_PX_A_POINT = 1.45
"""A figure grows with the page, up to letters of 13 px."""
_SETTINGS: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "coldstart"}


def class_colour(index: int) -> str:
    """The colour that a class has in every figure; they repeat after the last."""
    return CLASS_COLOURS[index % len(CLASS_COLOURS)]


def class_css(index: int) -> str:
    """The same colour, for use in the page itself."""
    return _PAGE_COLOURS[class_colour(index)]


def new_figure(width_inch: float, height_inch: float) -> Figure:
    """A transparent figure that belongs to no window and no global state."""
    figure = Figure(figsize=(width_inch, height_inch), layout="constrained", facecolor="none")
    FigureCanvasSVG(figure)
    return figure


def figure_svg(figure: Figure, label: str) -> str:
    """The figure as an `<svg>` element; `label` says in words what it shows."""
    buffer = io.StringIO()
    with matplotlib.rc_context(_SETTINGS):
        figure.savefig(buffer, format="svg", transparent=True, dpi=150, metadata={"Date": None, "Creator": None})
    return _fitted_to_page(buffer.getvalue(), label)


def _fitted_to_page(svg: str, label: str) -> str:
    """Strip what an element inside a page does not need, and hand colours and fonts over to the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\s(xmlns(:\w+)?|version)="[^"]*"', "", svg)
    svg = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", svg)
    for stand_in, colour in _PAGE_COLOURS.items():
        svg = svg.replace(stand_in, colour)
    head, rest = svg.split(">", 1)
    width_pt = float(re.findall(r'\swidth="([\d.]+)pt"', head)[0])
    head = re.sub(r'\s(width|height)="[^"]*"', "", head)
    style = f"max-width: {_MOST_PX_A_POINT * width_pt:.0f}px"
    return f'{head} style="{style}" role="img" aria-label="{label}">{rest}'
