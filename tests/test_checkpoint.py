"""When checkpoints are written, by a clock of the test's own."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coldstart.api.checkpoint import (
    INTERVAL_SECONDS,
    MOST_SHARE,
    CheckpointKeeper,
    Environment,
    read_job,
    read_point,
)
from coldstart.api.usage import Usage, Used
from coldstart.compute.session import Session, open_session
from coldstart.engine.classes import ClassWatch
from coldstart.engine.monitor import Monitor
from coldstart.engine.parts import RunPoint, RunState
from coldstart.engine.schedule import Progress
from coldstart.engine.update import MapState
from coldstart.errors import DeviceError, RunSuspended
from coldstart.io.inputs import Inputs
from coldstart.model.noise import NoiseModel
from coldstart.model.state import IterationStats
from coldstart.params import AbInitioParams


class Clock:
    """Stands still but for what the test says."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    try:
        opened = open_session()
    except DeviceError as error:
        pytest.skip(str(error))
    with opened:
        yield opened


@pytest.fixture
def keeper(tmp_path: Path, session: Session) -> CheckpointKeeper:
    keeper = CheckpointKeeper(
        tmp_path / "checkpoint.npz",
        AbInitioParams(seed=3),
        Inputs("p.star", "/p.star", None, ()),
        Usage(),
        clock=Clock(),
    )
    keeper.opened(session)
    return keeper


@pytest.fixture
def point(stand_in: Any) -> Callable[[int], RunPoint]:
    """A point after so many iterations."""

    def make(iterations: int) -> RunPoint:
        history: tuple[IterationStats, ...] = tuple(stand_in.stats(number) for number in range(1, iterations + 1))
        volumes = np.random.default_rng(iterations).random((2, 4, 4, 4), dtype=np.float32)
        sums = np.zeros((2, 2, 4, 4, 3))
        maps = MapState(sums * 1j, sums, volumes, np.zeros(2, np.int64))
        noise = NoiseModel(np.ones(3), np.zeros(3), 0.0, 1.0, 1.0, 1.0)
        progress = Progress(iterations, "initial", 0, 7.5)
        state = RunState(progress, maps, noise, Monitor.of(volumes), 9, ClassWatch.of(2).noted("a note"))
        return RunPoint(state, history, 11)

    return make


def written(keeper: CheckpointKeeper) -> int | None:
    """Iterations in the file."""
    return len(read_point(keeper.path).history) if keeper.path.exists() else None


def test_the_first_iteration_is_kept_and_then_one_now_and_then(
    keeper: CheckpointKeeper, point: Callable[[int], RunPoint]
) -> None:
    seen = []
    for number in range(1, 8):
        keeper.keep(point(number))
        keeper.after_iteration()
        seen.append(written(keeper))
        keeper.clock.now += INTERVAL_SECONDS / 2.5  # type: ignore[attr-defined]
    assert seen == [1, 1, 1, 4, 4, 4, 7]


def test_where_writing_takes_long_it_is_seldom(
    keeper: CheckpointKeeper, point: Callable[[int], RunPoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    cost = 6.0
    clock: Any = keeper.clock

    def slow(path: Path, records: object) -> None:
        clock.now += cost

    monkeypatch.setattr("coldstart.api.checkpoint.write_records", slow)
    spent, began, longest = 0.0, clock.now, point(400)
    for number in range(1, 401):
        before = clock.now
        keeper.keep(replace(longest, history=longest.history[:number]))
        keeper.after_iteration()
        spent += clock.now - before
        clock.now += 5.0
    assert 0.5 * MOST_SHARE < spent / (clock.now - began) < 1.2 * MOST_SHARE


def test_what_is_kept_comes_back(keeper: CheckpointKeeper, point: Callable[[int], RunPoint]) -> None:
    kept = point(3)
    keeper.keep(kept)
    keeper.write()
    found = read_point(keeper.path)
    assert found.history == kept.history
    assert (found.state.progress, found.state.visits, found.peak_device_bytes) == (kept.state.progress, 9, 11)
    assert found.state.classes.notes == ("a note",)
    np.testing.assert_array_equal(found.state.map.volume, kept.state.map.volume)
    np.testing.assert_array_equal(found.state.map.numerator, kept.state.map.numerator)
    job = read_job(keeper.path)
    assert (job.params, job.inputs) == (AbInitioParams(seed=3), keeper.inputs)
    assert job.used.wall_seconds > 0.0


def test_leaving_keeps_the_last_iteration(keeper: CheckpointKeeper, point: Callable[[int], RunPoint]) -> None:
    for number in (1, 2):
        keeper.keep(point(number))
        keeper.after_iteration()
    assert written(keeper) == 1
    keeper.should_suspend = lambda: True
    with pytest.raises(RunSuspended, match=r"suspended after iteration 2\. It goes on with: coldstart resume"):
        keeper.after_iteration()
    assert written(keeper) == 2


def test_the_posing_pass_begins_with_a_checkpoint(keeper: CheckpointKeeper, point: Callable[[int], RunPoint]) -> None:
    for number in (1, 2):
        keeper.keep(point(number))
        keeper.after_iteration()
    keeper.pause()
    assert written(keeper) == 2


def test_other_devices_and_versions_are_told(keeper: CheckpointKeeper, session: Session) -> None:
    now = Environment.of(session)
    assert now.differences(now) == []
    keeper.earlier = replace(now, numpy="1.0", driver="old")
    with pytest.raises(DeviceError, match=rf"numpy 1\.0, now .*; driver old, now .*{'--accept-changes'}"):
        keeper.opened(session)
    assert keeper.changes == ()
    keeper.accept_changes = True
    keeper.opened(session)
    assert len(keeper.changes) == 1


def test_time_goes_on_from_what_was_used() -> None:
    usage = Usage(Used(100.0, 50.0, 2**50))
    so_far = usage.so_far()
    assert 100.0 <= so_far.wall_seconds < 200.0
    assert 50.0 - 1e-6 <= so_far.cpu_seconds < 150.0
    assert so_far.peak_host_bytes == 2**50
