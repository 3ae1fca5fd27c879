import io

from rich.console import Console

from coldstart.cli.progress import LineFilter, TimeLeft, figures, progress_display, progress_line
from coldstart.model.state import IterationStats, Phase, Snapshot


def stats(iteration: int, iterations: int = 1000, phase: Phase = "marching", seconds: float = 0.5) -> IterationStats:
    return IterationStats(
        iteration, iterations, phase, 23.4, 10.0, 90, 0.4, 1.0, 123.4, 3.0, 0.01, 7.5, -1.0, 0.1, 90, 0.0, seconds
    )


def test_a_line_holds_the_figures() -> None:
    line = progress_line(stats(7), 312.0)
    assert line == "iteration    7/1000  rising    23.4 Å    90 images  ESS   123.4  5 min 12 s left"
    assert figures(stats(7)) in line


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


def test_lines_come_every_two_percent() -> None:
    lines = LineFilter(clock=lambda: 0.0)
    shown = [iteration for iteration in range(1, 1001) if lines.wants(stats(iteration))]
    assert shown == [*range(1, 1000, 20), 1000]


def test_lines_come_every_ten_seconds_of_slow_iterations() -> None:
    now = [0.0]
    lines = LineFilter(clock=lambda: now[0])
    shown = []
    for iteration in range(1, 20):
        now[0] += 4.0
        if lines.wants(stats(iteration)):
            shown.append(iteration)
    assert shown == [1, 4, 7, 10, 13, 16, 19]


def test_a_new_phase_gets_a_line() -> None:
    lines = LineFilter(clock=lambda: 0.0)
    assert lines.wants(stats(1, phase="initial"))
    assert not lines.wants(stats(2, phase="initial"))
    assert lines.wants(stats(3, phase="final"))


def test_without_a_terminal_there_are_plain_lines() -> None:
    output = io.StringIO()
    with progress_display(Console(file=output, width=40)) as show:
        for iteration in (1, 2, 3):
            show(Snapshot(stats(iteration, 3), None, 1.0))  # type: ignore[arg-type]
    lines = output.getvalue().splitlines()
    assert [line.split("  ")[0] for line in lines] == ["iteration 1/3", "iteration 2/3", "iteration 3/3"]
    assert "\x1b" not in output.getvalue()


def test_on_a_terminal_there_is_a_bar_with_the_same_figures() -> None:
    output = io.StringIO()
    with progress_display(Console(file=output, width=120, force_terminal=True)) as show:
        show(Snapshot(stats(3, 3), None, 1.0))  # type: ignore[arg-type]
    assert "23.4 Å" in output.getvalue()
    assert "123.4" in output.getvalue()
    assert "0 s left" in output.getvalue()
