"""Work beside the window: in a thread, the newest first, and in turns of the window's own."""

from collections.abc import Iterator
from threading import Event, get_ident
from typing import Any

import pytest
from qtpy.QtCore import QObject

from coldstart.plugin.background import Newest, background
from coldstart.plugin.turns import Turns

TIMEOUT_MS = 60_000


@pytest.fixture
def owner(qtbot: Any) -> QObject:
    return QObject()


def test_of_several_tasks_that_wait_the_newest_is_done(owner: QObject, qtbot: Any) -> None:
    newest, release, given = Newest(background, owner), Event(), []
    newest.ready.connect(given.append)
    newest.do(lambda: (release.wait(60.0), get_ident())[1])
    for number in range(5):
        newest.do(lambda number=number: number)
    release.set()
    qtbot.waitUntil(lambda: len(given) == 2, timeout=TIMEOUT_MS)
    assert given[0] != get_ident()
    assert given[1] == 4
    assert not newest.is_busy


def test_a_task_that_fails_leaves_the_next_one_its_place(owner: QObject, qtbot: Any) -> None:
    newest, given = Newest(background, owner), []
    newest.ready.connect(given.append)
    newest.do(lambda: 1 / 0)
    newest.do(lambda: "after it")
    qtbot.waitUntil(lambda: given == ["after it"], timeout=TIMEOUT_MS)


def test_what_is_forgotten_is_not_done(owner: QObject, qtbot: Any) -> None:
    newest, release, given = Newest(background, owner), Event(), []
    newest.ready.connect(given.append)
    newest.do(lambda: release.wait(60.0))
    newest.do(lambda: "forgotten")
    newest.forget()
    release.set()
    qtbot.waitUntil(lambda: not newest.is_busy, timeout=TIMEOUT_MS)
    assert given == [True]


def test_turns_leave_room_for_others(owner: QObject, qtbot: Any) -> None:
    turns, others, done = Turns(owner), Turns(owner), []
    turns.add(lambda: done.append("a1"), lambda: done.append("a2"))
    others.add(lambda: done.append("b1"), lambda: done.append("b2"))
    assert not done
    qtbot.waitUntil(lambda: len(done) == 4, timeout=TIMEOUT_MS)
    assert done == ["a1", "b1", "a2", "b2"]


def test_turns_that_are_cleared_are_not_taken(owner: QObject, qtbot: Any) -> None:
    turns, done = Turns(owner), []
    turns.add(lambda: (done.append(1), turns.clear()), lambda: done.append(2))
    qtbot.waitUntil(lambda: turns.is_idle, timeout=TIMEOUT_MS)
    turns.add(lambda: done.append(3))
    qtbot.waitUntil(lambda: done == [1, 3], timeout=TIMEOUT_MS)


def test_the_steps_of_a_generator_come_before_what_is_added_after_it(owner: QObject, qtbot: Any) -> None:
    turns, others, done = Turns(owner), Turns(owner), []

    def steps() -> Iterator[None]:
        for number in (1, 2):
            done.append(number)
            yield
        done.append(3)

    turns.add_all(steps())
    turns.add(lambda: done.append("after"))
    others.add(lambda: done.append("other"))
    qtbot.waitUntil(lambda: len(done) == 5, timeout=TIMEOUT_MS)
    assert [step for step in done if step != "other"] == [1, 2, 3, "after"]
    assert done.index("other") < done.index(3)
