"""What passes between a run's thread and the window."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coldstart.errors import DeviceError, RunSuspended
from coldstart.io.run_records import Summary
from coldstart.model.state import IterationStats, Snapshot
from coldstart.plugin.run_control import Mailbox, Outcome, RunControl
from coldstart.plugin.run_jobs import RunJob

FIRST = IterationStats(1, 9, "initial", 35.0, 7.0, 90, 0.4, 1.0, 800.0, 30.0, 0.1, 15.0, -1.0, 0.5, 90, 0.0, 0.1)


def snapshot(iteration: int) -> Snapshot:
    return Snapshot(replace(FIRST, iteration=iteration), np.full((1, 4, 4, 4), iteration, dtype=np.float32), 2.0)


def test_a_mailbox_keeps_every_figure_and_the_newest_map() -> None:
    mailbox = Mailbox()
    assert mailbox.take() is None
    for part, number in ((0, 1), (0, 2), (1, 3)):
        mailbox.put(part, snapshot(number))
    news = mailbox.take()
    assert news is not None
    assert [(part, stats.iteration) for part, stats in news.iterations] == [(0, 1), (0, 2), (1, 3)]
    assert news.snapshot.volumes.max() == 3
    assert mailbox.take() is None
    mailbox.put(0, snapshot(4))
    assert mailbox.take() is not None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (DeviceError("no device: install one"), "no device: install one"),
        (RuntimeError("a fault"), "RuntimeError: a fault"),
        (ValueError("another"), "ValueError: another"),
        (KeyError("third"), "KeyError: 'third'"),
    ],
)
def test_errors_of_every_kind_come_back_as_words(qtbot: Any, tmp_path: Path, error: Exception, expected: str) -> None:
    def job(**_: Any) -> Summary:
        raise error

    outcome = _outcome_of(qtbot, tmp_path, job)
    assert expected in outcome.error
    assert (outcome.ending, outcome.suspended) == ("", False)


def test_a_suspended_run_waits(qtbot: Any, tmp_path: Path) -> None:
    def job(**_: Any) -> Summary:
        raise RunSuspended("left")

    assert _outcome_of(qtbot, tmp_path, job, "paused") == Outcome(tmp_path, suspended=True)


def test_snapshots_reach_the_window_in_order(qtbot: Any, tmp_path: Path) -> None:
    def job(*, on_iteration: Any, **_: Any) -> Summary:
        for number in range(1, 200):
            on_iteration(0, snapshot(number))
        return Summary("completed", 0)

    control = RunControl()
    seen: list[int] = []
    control.news.connect(lambda news: seen.extend(stats.iteration for _, stats in news.iterations))
    control._launch(RunJob(tmp_path, job, (1,)), Mailbox(), held=False)
    qtbot.waitUntil(lambda: control.state == "idle", timeout=60_000)
    assert seen == list(range(1, 200))


def test_a_run_whose_window_is_closed_is_suspended(qtbot: Any, tmp_path: Path) -> None:
    has_begun, has_left = threading.Event(), threading.Event()

    def job(*, on_iteration: Any, should_suspend: Any, **_: Any) -> Summary:
        while not should_suspend():
            on_iteration(0, snapshot(1))
            has_begun.set()
        has_left.set()
        raise RunSuspended("left")

    control = RunControl()
    control._launch(RunJob(tmp_path, job, (1,)), Mailbox(), held=False)
    qtbot.waitUntil(has_begun.is_set, timeout=60_000)
    control.deleteLater()
    qtbot.waitUntil(has_left.is_set, timeout=60_000)


def _outcome_of(qtbot: Any, output: Path, job: Any, state: str = "idle") -> Outcome:
    control = RunControl()
    outcomes: list[Outcome] = []
    control.ended.connect(outcomes.append)
    control._launch(RunJob(output, job, (1,)), Mailbox(), held=False)
    qtbot.waitUntil(lambda: bool(outcomes), timeout=60_000)
    assert control.state == state
    assert not control.is_active
    return outcomes[0]
