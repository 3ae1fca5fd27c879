"""The panel of a check."""

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from coldstart.model.check_report import CheckReport, CtfFacts, Finding, Forecast, ImageStatistics
from coldstart.plugin.check_panel import CheckPanel, draw_images, facts_html, findings_html, smoothed
from coldstart.plugin.figure_view import Ink

FACTS = CtfFacts((8000.0, 25000.0), (200.0, 300.0), (2.7,), (0.1,), True)
FINDINGS = (
    Finding("contrast", "error", "Particles are dark on <bright> ground.", "Say --invert."),
    Finding("duplicates", "warning", "Two are there twice."),
)


def statistics(rng: np.random.Generator, *, diameter: float | None = 120.0, ctf: bool = True) -> ImageStatistics:
    frequency = np.linspace(0.01, 0.14, 20)
    images = rng.normal(size=(8, 32, 32)).astype(np.float32)
    squared = np.sin(frequency * 40) ** 2 if ctf else None
    return ImageStatistics(
        np.arange(8), images, images.mean(axis=0), frequency, 1 + np.exp(-frequency * 30), squared, diameter, 500
    )


def report(**changes: Any) -> CheckReport:
    forecast = Forecast("GPU", 1, 90, 300, 800, 2**30, 2**31, 2**33, (60.0, 150.0))
    values = {"ctf": FACTS, "findings": FINDINGS, "forecast": forecast, **changes}
    return CheckReport("p.star", 1500, 64, 3.6, **values)


def test_facts_are_told_with_units(rng: np.random.Generator) -> None:
    text = facts_html(report(statistics=statistics(rng)))
    for fact in (
        "1,500", "64 px, 230 Å", "3.6 Å", "defocus 0.80 to 2.50 µm", "200, 300 kV", "phase plate", "about 120 Å",
        "1.0 GiB of 8.0 GiB", "1 min 00 s to 2 min 30 s",
    ):  # fmt: skip
        assert fact in text


def test_what_is_not_known_is_left_out_or_said(rng: np.random.Generator) -> None:
    text = facts_html(report(ctf=None, forecast=None, statistics=statistics(rng, diameter=None)))
    assert "none" in text
    assert "not visible" in text
    assert "Memory" not in text
    assert facts_html(CheckReport("p.star", 0, 0, 0.0, None)) == "<table></table>"


def test_findings_come_with_their_remedies() -> None:
    text = findings_html(FINDINGS)
    assert text.index("Error") < text.index("Warning")
    assert "&lt;bright&gt;" in text
    assert "Tick “Invert contrast”." in text
    assert "Nothing was found" in findings_html(())


@pytest.mark.parametrize("diameter", [120.0, None])
@pytest.mark.parametrize("ctf", [True, False])
def test_the_diameter_is_a_circle_to_scale(rng: np.random.Generator, diameter: float | None, ctf: bool) -> None:
    figure = Figure()
    draw_images(figure, Ink("#ffffff", "#888888", "#000000"), statistics(rng, diameter=diameter, ctf=ctf), 240.0)
    circles = [patch for axes in figure.axes for patch in axes.patches if isinstance(patch, Circle)]
    assert len(figure.axes) == 12
    assert len(circles) == (11 if diameter else 0)
    assert all(circle.radius == pytest.approx(0.5 * 32 * 120 / 240) for circle in circles)
    assert len(figure.axes[-1].lines) == 1 + ctf


def test_smoothing_takes_fine_detail_and_leaves_coarse() -> None:
    across = np.arange(48) * 5.0
    coarse, fine = (np.cos(2 * np.pi * across / period)[None, :].repeat(48, axis=0) for period in (240.0, 10.0))
    shown = smoothed((3.0 + coarse + fine).astype(np.float32), 240.0)
    np.testing.assert_allclose(shown, 3.0 + 0.989 * coarse, atol=0.01)


def test_a_report_takes_the_place_of_words(qtbot: Any, rng: np.random.Generator) -> None:
    panel = CheckPanel()
    qtbot.addWidget(panel)
    assert "Press Check" in panel.facts.text()
    panel.show()
    panel.show_report(report(statistics=statistics(rng)))
    qtbot.waitUntil(lambda: panel.pictures.image is not None, timeout=60_000)
    assert "Particles" in panel.facts.text()
    panel.show_report(CheckReport("p.star", 0, 0, 0.0, None, (Finding("input", "error", "It is missing."),)))
    assert not panel.pictures.isVisible()
    assert "It is missing." in panel.findings.text()
