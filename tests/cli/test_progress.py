import io
from dataclasses import replace

from rich.console import Console

from coldstart.cli.progress import (
    LineFilter,
    jobs_display,
    progress_display,
    progress_line,
)
from coldstart.model.state import IterationStats, Phase, Snapshot
from coldstart.report.progress import figures, run_titles


def stats(iteration: int, iterations: int = 1000, phase: Phase = "marching", seconds: float = 0.5) -> IterationStats:
    return IterationStats(
        iteration, iterations, phase, 23.4, 10.0, 90, 0.4, 1.0, 123.4, 3.0, 0.01, 7.5, -1.0, 0.1, 90, 0.0, seconds
    )


def test_a_line_holds_the_figures() -> None:
    line = progress_line(stats(7), 312.0)
    assert line == "iteration    7/1000  rising    23.4 Å    90 images  ESS   123.4  5 min 12 s left"
    assert figures(stats(7)) in line


def test_a_line_holds_the_shares_of_several_classes_and_the_title_of_the_job() -> None:
    three = replace(stats(7), class_shares=(0.344, 0.311, 0.345))
    assert progress_line(three, 312.0, "3 classes, job 3 of 4") == (
        "3 classes, job 3 of 4  iteration    7/1000  rising    23.4 Å    90 images  ESS   123.4  classes 34/31/34 %"
        "  5 min 12 s left"
    )
    assert "class" not in progress_line(replace(three, class_shares=(1.0,)), 312.0)


def test_titles_count_classes_and_jobs() -> None:
    assert run_titles("job", [4, 1]) == ["4 classes, job 1 of 2", "1 class, job 2 of 2"]


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
    assert lines.wants(replace(stats(4, phase="final"), waiting=True))


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


def test_every_job_has_plain_lines_of_its_own() -> None:
    output = io.StringIO()
    with jobs_display(["first", "second"], Console(file=output, width=40)) as show:
        for job, iteration in ((0, 100), (0, 101), (1, 1), (1, 2)):
            step = replace(stats(iteration, 1000, seconds=job), visits_ahead=90.0 * (1000 - iteration))
            show(job, Snapshot(step, None, 1.0))  # type: ignore[arg-type]
    starts = [(line.split("  ")[0], line.split("  ")[-1]) for line in output.getvalue().splitlines()]
    assert starts == [("first", "0 s left"), ("second", "16 min 39 s left")]


def test_every_job_has_a_bar_of_its_own_on_a_terminal() -> None:
    output = io.StringIO()
    shares = {1: (0.25, 0.75)}
    with jobs_display(run_titles("job", [1, 2]), Console(file=output, width=80, force_terminal=True)) as show:
        for job in (0, 1):
            step = replace(stats(3, 300), class_shares=shares.get(job, ()))
            show(job, Snapshot(step, None, 1.0))  # type: ignore[arg-type]
    last = output.getvalue().split("\x1b[2K")[-1]
    assert last.count("23.4 Å") == 2
    assert "1 class, job 1 of 2 " in last
    assert "2 classes, job 2 of 2  classes 25/75 %" in last


def test_the_posing_pass_has_a_line_as_it_begins_and_one_as_it_ends() -> None:
    lines = LineFilter(clock=lambda: 0.0)
    posing = [replace(stats(9, phase="posing"), visits_ahead=left) for left in (200.0, 100.0, 0.0)]
    assert [lines.wants(step) for step in (stats(9, phase="final"), *posing)] == [True, True, False, True]
