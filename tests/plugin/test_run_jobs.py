"""What a folder holds to go on with: starts, halves and single runs that were stopped, and how they go on."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from coldstart import AbInitioParams
from coldstart.api import run_halves, run_job, run_starts
from coldstart.errors import OutputError, RunSuspended
from coldstart.io.consensus_files import read_consensus
from coldstart.io.results import RunFolder
from coldstart.model.halves import HalvesRecord
from coldstart.plugin.results import show_run
from coldstart.plugin.run_jobs import can_go_on, left_job
from coldstart.plugin.run_words import ending_text
from coldstart.plugin.widget import ColdstartWidget

PARAMS = AbInitioParams(seed=1, max_resolution_angstrom=30.0, initial_iterations=8, final_iterations=4)


class StopAt:
    """Says stop, or suspend, from an iteration of a part on."""

    def __init__(self, part: int, iteration: int) -> None:
        self.place, self.reached = (part, iteration), False

    def see(self, part: int, snapshot: Any) -> None:
        self.reached = self.reached or (part, snapshot.stats.iteration) == self.place

    def __call__(self) -> bool:
        return self.reached


def go_on(output: Path) -> tuple[Any, set[int]]:
    """Run what is left to its end: the result, and the parts that had something to do."""
    parts: set[int] = set()
    result = left_job(output).run(on_iteration=lambda part, _: parts.add(part))
    return result, parts


def test_starts_that_were_stopped_go_on(particles_path: Path, tmp_path: Path) -> None:
    output, stop = tmp_path / "starts", StopAt(1, 5)
    run_starts(particles_path, output, PARAMS, 2, on_iteration=stop.see, should_stop=stop)
    assert [start.status for start in read_consensus(output).starts] == ["completed", "stopped"]
    assert can_go_on(output)
    assert [len(history) > 0 for history in left_job(output).histories] == [True, True]
    result, parts = go_on(output)
    assert parts == {1}
    assert [start.status for start in result.starts] == ["completed", "completed"]
    assert not can_go_on(output)


def test_halves_that_were_left_go_on(particles_path: Path, tmp_path: Path) -> None:
    output, stop = tmp_path / "halves", StopAt(0, 5)
    with pytest.raises(OutputError, match=r"half 2 .* has no map yet"):
        run_halves(particles_path, output, PARAMS, on_iteration=stop.see, should_stop=stop)
    assert can_go_on(output)
    assert left_job(output).titles == ("half 1 of 2", "half 2 of 2")
    result, parts = go_on(output)
    assert parts == {0, 1}
    assert isinstance(result, HalvesRecord)
    assert ending_text(result) == result.verdict
    assert not can_go_on(output)


def test_what_is_complete_or_no_run_has_nothing_to_go_on_with(finished_run: Path, tmp_path: Path) -> None:
    assert not can_go_on(finished_run)
    assert not can_go_on(tmp_path)
    assert not can_go_on(tmp_path / "nowhere")


def test_a_run_that_is_opened_goes_on_at_a_button(
    make_napari_viewer: Callable[[], Any], qtbot: Any, particles_path: Path, tmp_path: Path
) -> None:
    output, left = tmp_path / "run", StopAt(0, 5)
    with pytest.raises(RunSuspended):
        run_job(particles_path, output, PARAMS, on_iteration=partial(left.see, 0), should_suspend=left)
    viewer = make_napari_viewer()
    widget = ColdstartWidget(viewer)
    viewer.window.add_dock_widget(widget, name="coldstart")
    panel = show_run(viewer, output)
    assert panel.summary.resume.isVisibleTo(panel)
    panel.summary.resume.click()
    qtbot.waitUntil(lambda: widget.control.state == "idle", timeout=120_000)
    assert RunFolder(output).load_summary().status == "completed"
    (history,) = widget._history.parts
    iterations = [stats.iteration for stats in history if stats.phase != "posing"]
    assert iterations == list(range(1, len(iterations) + 1))
