"""Buttons of each state of a run, and how far it is."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coldstart.model.state import IterationStats
from coldstart.plugin.run_bar import RunBar
from coldstart.plugin.run_control import State
from coldstart.plugin.run_words import iteration_text

STATS = IterationStats(3, 9, "initial", 35.0, 7.0, 90, 0.4, 1.0, 800.0, 30.0, 0.1, 15.0, -1.0, 0.5, 90, 0.0, 0.1)


@pytest.fixture
def bar(qtbot: Any) -> RunBar:
    bar = RunBar()
    qtbot.addWidget(bar)
    return bar


@pytest.mark.parametrize(
    ("state", "pressable"),
    [
        ("idle", {"check", "run", "open"}),
        ("running", {"pause", "stop"}),
        ("pausing", {"stop"}),
        ("stopping", set()),
        ("paused", {"run", "resume", "stop", "open"}),
    ],
)
def test_what_can_be_pressed_goes_with_the_state(bar: RunBar, state: State, pressable: set[str]) -> None:
    bar.set_state(state, resumable=Path("/data/paused") if state == "paused" else None)
    assert {name for name, button in bar.buttons.items() if button.isVisibleTo(bar) and button.isEnabled()} == pressable


def test_a_run_that_was_left_can_be_resumed(bar: RunBar) -> None:
    bar.set_state("idle", resumable=Path("/data/left"))
    assert bar.buttons["resume"].isVisibleTo(bar)
    assert "/data/left" in bar.buttons["resume"].toolTip()
    bar.set_state("idle", can_run=False, can_check=False)
    assert not bar.buttons["resume"].isVisibleTo(bar)
    assert not bar.buttons["run"].isEnabled()
    assert not bar.buttons["check"].isEnabled()


def test_a_press_names_its_button(bar: RunBar, qtbot: Any) -> None:
    pressed: list[str] = []
    bar.pressed.connect(pressed.append)
    for button in bar.buttons.values():
        button.click()
    assert pressed == ["check", "run", "pause", "resume", "stop", "open"]


def test_what_has_changed_can_be_accepted_while_it_is_told(bar: RunBar) -> None:
    assert not bar.offers_to_accept
    bar.say("the stack has changed.", is_error=True, acceptable=True)
    assert bar.offers_to_accept
    assert not bar.accept_changes.isChecked()
    bar.accept_changes.setChecked(True)
    bar.forget_error()
    assert not bar.offers_to_accept
    assert not bar.accept_changes.isChecked()


def test_progress_counts_iterations_and_time(bar: RunBar) -> None:
    bar.wait_for_first()
    assert bar.progress.maximum() == 0
    bar.show_iteration(STATS, 75.0)
    assert (bar.progress.value(), bar.progress.maximum()) == (3, 9)
    assert bar.progress.text() == "3 of at most 9, 1 min 15 s left"
    bar.show_iteration(STATS, 75.0, "start 2 of 8")
    assert bar.progress.text() == "start 2 of 8: 3 of at most 9, 1 min 15 s left in it"


def test_particles_are_counted_while_they_are_posed(bar: RunBar) -> None:
    bar.show_iteration(STATS, 30.0)
    assert (bar.progress.value(), bar.progress.maximum()) == (3, 9)
    posing = replace(STATS, phase="posing", minibatch=2000, visits_ahead=4000.0)
    bar.show_iteration(posing, 12.0, "start 2 of 3")
    assert (bar.progress.value(), bar.progress.maximum()) == (2000, 6000)
    assert bar.progress.format() == "start 2 of 3: 2,000 of 6,000 particles posed, 12 s left in it"
    assert iteration_text(posing) == "Posing the particles: 2,000 of 6,000."
