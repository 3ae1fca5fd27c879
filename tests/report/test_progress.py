"""Progress in words and in time left."""

from dataclasses import replace

from coldstart.model.state import IterationStats, Phase
from coldstart.report.progress import TimeLeft, figures, shares_text


def stats(iteration: int, iterations: int = 1000, phase: Phase = "marching", seconds: float = 0.5) -> IterationStats:
    return IterationStats(
        iteration, iterations, phase, 23.4, 10.0, 90, 0.4, 1.0, 123.4, 3.0, 0.01, 7.5, -1.0, 0.1, 90, 0.0, seconds
    )


def test_figures_are_of_one_width() -> None:
    assert figures(stats(7)) == "rising    23.4 Å    90 images  ESS   123.4"
    assert len(figures(stats(7, phase="posing"))) == len(figures(stats(7)))
    assert figures(replace(stats(7), waiting=True)) == figures(stats(7)).replace("rising ", "waiting")


def test_shares_are_told_of_several_classes_alone() -> None:
    assert shares_text(replace(stats(7), class_shares=(0.344, 0.311, 0.345))) == "classes 34/31/34 %"
    assert shares_text(replace(stats(7), class_shares=(1.0,))) == ""


def test_time_left_is_the_recent_mean_times_what_is_left() -> None:
    left = TimeLeft()
    assert left.after(stats(1, 101, seconds=2.0)) == 200.0
    for iteration in range(2, 52):
        estimate = left.after(stats(iteration, 101, seconds=1.0))
    assert estimate == 50.0
    assert left.after(stats(101, 101)) == 0.0


def test_nothing_is_left_after_the_final_pass_of_a_run_that_converged() -> None:
    left = TimeLeft()
    left.after(stats(50, 101))
    assert left.after(stats(50, 101, phase="posing", seconds=9.0)) == 0.0
