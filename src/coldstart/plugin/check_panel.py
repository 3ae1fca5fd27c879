"""What a check found, to look at before a run: figures, a few particles, their average and spectrum, and findings."""

import html
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QLabel, QVBoxLayout, QWidget

from coldstart.model.check_report import CheckReport, CtfFacts, Finding, Forecast, ImageStatistics, Severity
from coldstart.plugin.figure_view import FigureView, Ink
from coldstart.plugin.map_layer import CLASS_COLORS
from coldstart.plugin.plots import spaced_angstrom, style_axes
from coldstart.plugin.window_words import in_the_window
from coldstart.report.text import bytes_text, duration_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_SHOWN_IMAGES = 5
_PICTURES_PX = 350
_SMOOTH_ANGSTROM = 30.0
_MARKS: dict[Severity, tuple[str, str, str]] = {
    "error": ("✖", "#e05a5a", "Error"),
    "warning": ("▲", "#e69f00", "Warning"),
    "note": ("●", "#56b4e9", "Note"),
}


class CheckPanel(QWidget):
    """Shows a `CheckReport`."""

    def __init__(self) -> None:
        super().__init__()
        self.facts, self.findings = _text_label(), _text_label()
        self.pictures = FigureView(_PICTURES_PX)
        self.despite_errors = QCheckBox("Run despite these errors")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        for widget in (self.facts, self.pictures, self.findings, self.despite_errors):
            layout.addWidget(widget)
        layout.addStretch()
        self.say("Press Check to look at the particles before a run.")

    def say(self, text: str) -> None:
        """Show a sentence in place of a report."""
        self.facts.setText(html.escape(text))
        self.findings.clear()
        self.pictures.setVisible(False)
        self._offer_to_run(False)

    def show_report(self, report: CheckReport) -> None:
        """Show a report."""
        self.facts.setText(facts_html(report))
        self.findings.setText(findings_html(report.findings))
        self._offer_to_run(any(finding.severity == "error" for finding in report.findings))
        statistics = report.statistics
        self.pictures.setVisible(statistics is not None)
        if statistics is not None:
            box_angstrom = report.box_px * report.pixel_size_angstrom
            self.pictures.show_figure(lambda figure, ink: draw_images(figure, ink, statistics, box_angstrom))

    def _offer_to_run(self, has_errors: bool) -> None:
        """Let errors be overruled where there are some; consent to those of before is none to these."""
        self.despite_errors.setVisible(has_errors)
        if not has_errors:
            self.despite_errors.setChecked(False)


def facts_html(report: CheckReport) -> str:
    """What the particles are and what a run will need, as a table."""
    rows: list[tuple[str, str]] = []
    if report.count:
        rows.append(("Particles", f"{report.count:,}"))
        rows.append(("Box", f"{report.box_px} px, {report.box_px * report.pixel_size_angstrom:.0f} Å"))
        rows.append(("Pixel size", f"{report.pixel_size_angstrom:.4g} Å"))
        rows.append(("CTF", "none" if report.ctf is None else _ctf_text(report.ctf)))
    if report.statistics is not None:
        diameter = report.statistics.diameter_angstrom
        rows.append(("Diameter", "not visible in the images" if diameter is None else f"about {diameter:.0f} Å"))
    if report.forecast is not None:
        rows += _forecast_rows(report.forecast)
    cells = "".join(
        f"<tr><td style='padding-right:10px'>{name}</td><td><b>{html.escape(text)}</b></td></tr>" for name, text in rows
    )
    return f"<table>{cells}</table>"


def findings_html(findings: tuple[Finding, ...]) -> str:
    """Each finding with its remedy, marked by how grave it is."""
    if not findings:
        return "<p>Nothing was found that speaks against a run.</p>"
    return "".join(_finding_html(finding) for finding in findings)


def draw_images(figure: "Figure", ink: Ink, statistics: ImageStatistics, box_angstrom: float) -> None:
    """Particles as they are and smoothed, with the diameter as a circle; their average and the power spectrum."""
    shown = statistics.images[:_SHOWN_IMAGES]
    grid = figure.add_gridspec(3, 1, height_ratios=(1.0, 1.0, 1.5))
    rows: tuple[tuple[str, Iterable[NDArray[np.float32]]], ...] = (
        ("particles", shown),
        (f"the same to {_SMOOTH_ANGSTROM:.0f} Å", [smoothed(image, box_angstrom) for image in shown]),
    )
    for row, (title, images) in enumerate(rows):
        strip = grid[row].subgridspec(1, max(len(shown), 1), wspace=0.03)
        for column, image in enumerate(images):
            axes = figure.add_subplot(strip[0, column])
            _draw_image(axes, image, statistics.diameter_angstrom, box_angstrom)
            if not column:
                axes.set_title(title, loc="left", fontsize=8, color=ink.text)
    below = grid[2].subgridspec(1, 2, width_ratios=(1.0, 1.6))
    average = figure.add_subplot(below[0, 0])
    _draw_image(average, statistics.average, statistics.diameter_angstrom, box_angstrom)
    average.set_title(f"average of {statistics.sample_size}", fontsize=8, color=ink.text)
    _draw_spectrum(figure.add_subplot(below[0, 1]), ink, statistics)


def smoothed(image: "NDArray[np.float32]", box_angstrom: float) -> "NDArray[np.float32]":
    """An image (n, n) without what is finer than `_SMOOTH_ANGSTROM`, where the eye finds the particle in the noise."""
    n = len(image)
    per_angstrom = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)[None, :]) * n / box_angstrom
    falloff = np.exp(-np.log(2.0) * (per_angstrom * _SMOOTH_ANGSTROM) ** 2)
    return np.asarray(np.fft.irfft2(np.fft.rfft2(image) * falloff, s=image.shape), dtype=np.float32)


def _draw_image(axes: "Axes", image: "NDArray[np.float32]", diameter: float | None, box_angstrom: float) -> None:
    from matplotlib.patches import Circle

    low, high = np.percentile(image, (1.0, 99.0))
    axes.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), origin="lower", interpolation="nearest")
    axes.set_axis_off()
    if diameter is not None:
        box_px = len(image)
        radius = 0.5 * diameter / box_angstrom * box_px
        centre = (box_px / 2, box_px / 2)
        axes.add_patch(Circle(centre, radius, fill=False, edgecolor=CLASS_COLORS[1], linewidth=1.0))


def _draw_spectrum(axes: "Axes", ink: Ink, statistics: ImageStatistics) -> None:
    """Power on a scale of powers of ten, and where the CTF lets it through."""
    power = np.log10(np.maximum(statistics.power, 1e-12))
    axes.plot(statistics.frequency_per_angstrom, power, color=CLASS_COLORS[0], linewidth=1.2, label="power")
    if statistics.ctf_squared is not None:
        low, high = float(power.min()), float(power.max())
        scaled = low + (high - low) * statistics.ctf_squared / max(float(statistics.ctf_squared.max()), 1e-12)
        axes.plot(
            statistics.frequency_per_angstrom, scaled, color=CLASS_COLORS[1], linewidth=0.8, alpha=0.8, label="CTF²"
        )
        axes.legend(fontsize=7, frameon=False, loc="upper right")
    angstrom = spaced_angstrom(float(statistics.frequency_per_angstrom[-1]))
    axes.set_xticks([1.0 / value for value in angstrom], [f"{value:g} Å" for value in angstrom])
    axes.set_yticks([])
    axes.set_title("power spectrum", loc="left")
    style_axes(axes, ink)


def _ctf_text(ctf: CtfFacts) -> str:
    low, high = (value / 1e4 for value in ctf.defocus_angstrom)
    parts = [f"defocus {low:.2f} to {high:.2f} µm", f"{_values(ctf.voltage_kv)} kV", f"Cs {_values(ctf.cs_mm)} mm"]
    parts.append(f"amplitude contrast {_values(ctf.amplitude_contrast)}")
    return ", ".join(parts) + (", phase plate" if ctf.has_phase_shift else "")


def _forecast_rows(forecast: Forecast) -> list[tuple[str, str]]:
    shortest, longest = map(duration_text, forecast.seconds)
    return [
        ("Device", forecast.device_name),
        (
            "Memory",
            f"{bytes_text(forecast.device_bytes)} of {bytes_text(forecast.device_capacity_bytes)} on the device",
        ),
        ("", f"{bytes_text(forecast.host_bytes)} in main memory"),
        ("Time", f"{shortest} to {longest}" if shortest != longest else f"about {longest}"),
    ]


def _values(values: tuple[float, ...]) -> str:
    shown = [f"{value:g}" for value in values]
    return ", ".join(shown) if len(shown) < 4 else f"{shown[0]} to {shown[-1]}"


def _finding_html(finding: Finding) -> str:
    mark, color, name = _MARKS[finding.severity]
    message, remedy = (html.escape(in_the_window(text)) for text in (finding.message, finding.remedy))
    remedy = f"<br><i>{remedy}</i>" if remedy else ""
    return f"<p><span style='color:{color}'>{mark} {name}</span> {message}{remedy}</p>"


def _text_label() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.RichText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setAlignment(Qt.AlignmentFlag.AlignTop)
    return label
