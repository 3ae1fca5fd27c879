from pathlib import Path
from typing import Any

from coldstart.io.opened_run import open_run
from coldstart.io.results import RunFolder
from coldstart.plugin.evolution import Evolution


def test_every_snapshot_and_the_result_have_a_place(qtbot: Any, finished_run: Path) -> None:
    evolution = Evolution(open_run(finished_run))
    qtbot.addWidget(evolution)
    iterations = sorted({snapshot.iteration for snapshot in RunFolder(finished_run).load_snapshots()})
    assert evolution.places == [*iterations, None]
    assert evolution.text.text() == "The result"
    shown: list[int | None] = []
    evolution.iteration_chosen.connect(shown.append)
    evolution.slider.setValue(1)
    stats = {stats.iteration: stats for stats in open_run(finished_run).iterations}[iterations[1]]
    assert shown == [iterations[1]]
    expected = f"Iteration {iterations[1]} of {stats.iterations}, {stats.resolution_angstrom:.1f} Å, "
    assert evolution.text.text().startswith(expected)


def test_it_can_be_played(qtbot: Any, finished_run: Path) -> None:
    evolution = Evolution(open_run(finished_run))
    qtbot.addWidget(evolution)
    evolution._clock.setInterval(1)
    shown: list[int | None] = []
    evolution.iteration_chosen.connect(shown.append)
    evolution.play.click()
    qtbot.waitUntil(lambda: not evolution._clock.isActive(), timeout=30_000)
    assert shown == evolution.places


def test_a_run_without_snapshots_has_no_slider(qtbot: Any, run_copy: Path) -> None:
    for path in (run_copy / "snapshots").iterdir():
        path.unlink()
    evolution = Evolution(open_run(run_copy))
    qtbot.addWidget(evolution)
    assert evolution.places == [None]
    assert evolution.isHidden()
