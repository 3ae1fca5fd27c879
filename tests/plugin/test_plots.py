"""Charts of a run that goes on."""

from dataclasses import replace
from itertools import pairwise

import pytest
from matplotlib.figure import Figure

from coldstart.model.state import IterationStats
from coldstart.plugin.figure_view import Ink
from coldstart.plugin.plots import draw_progress, spaced_angstrom

INK = Ink("#ffffff", "#888888", "#000000")
FIRST = IterationStats(1, 9, "initial", 35.0, 7.0, 90, 0.4, 1.0, 800.0, 30.0, 0.1, 15.0, -1.0, 0.5, 90, 0.0, 0.1)


def history(classes: int, iterations: int = 3) -> list[IterationStats]:
    shares = tuple(1.0 / classes for _ in range(classes))
    return [
        replace(FIRST, iteration=number, resolution_angstrom=35.0 - 5 * number, class_shares=shares)
        for number in range(1, iterations + 1)
    ]


@pytest.mark.parametrize("classes", [1, 3])
def test_resolution_samples_and_classes_are_charted(classes: int) -> None:
    figure = Figure()
    draw_progress(figure, INK, [history(classes)])
    resolution, samples, last = figure.axes
    assert resolution.get_title("left") == "Resolution: 20.0 Å"
    assert list(resolution.lines[0].get_ydata()) == [1 / 30, 1 / 25, 1 / 20]
    assert [line.get_label() for line in samples.lines] == ["rotations", "poses"]
    assert len(last.lines) == classes
    assert ("Share" in last.get_title("left")) == (classes > 1)


def test_a_first_iteration_is_enough() -> None:
    figure = Figure()
    draw_progress(figure, INK, [history(1, 1)])
    assert len(figure.axes) == 3


def test_starts_are_charted_together() -> None:
    figure = Figure()
    second = [replace(stats, log_likelihood=float(stats.iteration)) for stats in history(1, 2)]
    draw_progress(figure, INK, [history(1), second, []], 1)
    resolution, samples, evidence = figure.axes
    assert resolution.get_title("left") == "Resolution: 25.0 Å"
    assert [len(line.get_xdata()) for line in samples.lines] == [3, 2, 0]
    assert list(evidence.lines[1].get_ydata()) == [1.0, 1.5]
    bold = [line.get_linewidth() for line in evidence.lines]
    assert bold[1] > bold[0]


def test_resolutions_on_an_axis_are_apart() -> None:
    chosen = spaced_angstrom(0.25)
    frequencies = [0.0, *(1.0 / angstrom for angstrom in chosen)]
    gaps = [after - before for before, after in pairwise(frequencies)]
    assert min(gaps) >= 0.25 / 4
    assert chosen[-1] >= 4.0
