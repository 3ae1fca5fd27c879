"""Progress in words and in time left."""

from dataclasses import replace

import pytest

from coldstart.model.state import IterationStats, Phase
from coldstart.report.progress import TimeLeft, figures, shares_text


def stats(iteration: int, phase: Phase = "marching", seconds: float = 0.5, visits_ahead: float = 0.0) -> IterationStats:
    return IterationStats(
        iteration, 1000, phase, 23.4, 10.0, 90, 0.4, 1.0, 123.4, 3.0, 0.01, 7.5, -1.0, 0.1, 90, 0.0, seconds,
        visits_ahead=visits_ahead,
    )  # fmt: skip


def test_figures_are_of_one_width() -> None:
    assert figures(stats(7)) == "rising    23.4 Å    90 images  ESS   123.4"
    assert len(figures(stats(7, phase="posing"))) == len(figures(stats(7)))
    assert figures(replace(stats(7), waiting=True)) == figures(stats(7)).replace("rising ", "waiting")


def test_shares_are_told_of_several_classes_alone() -> None:
    assert shares_text(replace(stats(7), class_shares=(0.344, 0.311, 0.345))) == "classes 34/31/34 %"
    assert shares_text(replace(stats(7), class_shares=(1.0,))) == ""


def test_time_left_forgets_the_first_iteration_which_compiles_kernels() -> None:
    left = TimeLeft()
    left.after(stats(1, seconds=9.0, visits_ahead=9000.0))
    assert left.after(stats(2, seconds=0.9, visits_ahead=8910.0)) == pytest.approx(89.1)


def test_time_left_is_what_is_to_come_at_the_pace_of_the_latest_iterations() -> None:
    left = TimeLeft()
    assert left.after(stats(1, seconds=1.8, visits_ahead=9000.0)) == pytest.approx(180.0)
    for iteration in range(2, 52):  # the first is forgotten
        estimate = left.after(stats(iteration, seconds=0.9, visits_ahead=9000.0 - 90 * iteration))
    assert estimate == pytest.approx(0.01 * (9000 - 90 * 51))


def test_images_count_and_not_iterations() -> None:
    left = TimeLeft()
    left.after(stats(1, visits_ahead=5090.0))
    left.after(stats(2, seconds=0.5, visits_ahead=5000.0))
    late = replace(stats(3, seconds=4.5, visits_ahead=4000.0), minibatch=910)
    assert left.after(late) == pytest.approx(4000 * 5.0 / 1000)


def test_nothing_is_left_after_the_posing_pass() -> None:
    left = TimeLeft()
    left.after(stats(50, visits_ahead=500.0))
    assert left.after(stats(50, phase="posing", seconds=9.0)) == 0.0


def test_while_particles_are_posed_the_rest_takes_as_long_as_those_before() -> None:
    left, posing = TimeLeft(), stats(50, phase="posing", seconds=6.0, visits_ahead=2000.0)
    assert posing.is_posing_on
    assert left.after(replace(posing, minibatch=1000)) == pytest.approx(12.0)
