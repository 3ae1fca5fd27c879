"""Runs on the workers of a cluster: the bytes of a run on one device."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from coldstart.api import resume_job, run_job
from coldstart.cluster.request import ClusterRequest, open_cluster
from coldstart.errors import ClusterError, ParameterError, RunSuspended
from coldstart.io.results import RunFolder
from coldstart.model.state import Snapshot

OF_DEVICES = {"summary.json", "report.html"}
"""What names the devices."""


@pytest.fixture
def same(kill_test: ModuleType, unbroken: Any) -> Callable[[Path], None]:
    """A folder has the files of the unbroken run, whose bytes are the same but for the names of devices."""

    def compare(output: Path) -> None:
        found = kill_test.folder_content(output)
        assert found.keys() == unbroken.content.keys()
        assert {name for name in found if found[name] != unbroken.content[name]} <= OF_DEVICES

    return compare


def test_two_workers_give_the_bytes_of_one_device(
    unbroken: Any, beside: Path, two_workers: ClusterRequest, same: Callable[[Path], None]
) -> None:
    summary = run_job(unbroken.particles, beside / "run", unbroken.params, cluster=two_workers)
    assert "2 × " in str(summary.device)
    same(beside / "run")


def test_a_worker_that_is_killed_is_replaced_and_the_run_goes_on_to_the_same_bytes(
    unbroken: Any, beside: Path, two_workers: ClusterRequest, kill_a_worker: Callable[[], None],
    same: Callable[[Path], None],
) -> None:  # fmt: skip
    """Killed twice: while the maps are found, and before the particles are posed."""
    killed: list[str] = []

    def watch(snapshot: Snapshot) -> None:
        if snapshot.stats.iteration == 2 or (snapshot.stats.phase == "final" and len(killed) == 1):
            kill_a_worker()
            killed.append(snapshot.stats.phase)

    run_job(unbroken.particles, beside / "run", unbroken.params, cluster=two_workers, on_iteration=watch)
    assert killed == ["initial", "final"]
    same(beside / "run")


def test_a_run_on_one_device_goes_on_with_a_cluster(
    unbroken: Any, beside: Path, two_workers: ClusterRequest, same: Callable[[Path], None]
) -> None:
    seen: list[Snapshot] = []
    with pytest.raises(RunSuspended):
        run_job(
            unbroken.particles, beside / "run", unbroken.params, on_iteration=seen.append,
            should_suspend=lambda: len(seen) == 3,
        )  # fmt: skip
    assert RunFolder(beside / "run").load_summary().iterations == 3
    resume_job(beside / "run", cluster=two_workers)
    same(beside / "run")


def test_errors_of_a_worker_are_those_of_the_run(unbroken: Any, beside: Path, two_workers: ClusterRequest) -> None:
    params = unbroken.params.model_copy(update={"max_resolution_angstrom": 1e-3, "symmetry": "C0"})
    with pytest.raises(ParameterError, match="C0"):
        run_job(unbroken.particles, beside / "run", params, cluster=two_workers)


def test_ctrl_c_reaches_the_driver_alone() -> None:
    """Which a terminal sends to the processes of the workers too."""

    def interrupted() -> int:
        os.kill(os.getpid(), signal.SIGINT)
        return os.getpid()

    with open_cluster(ClusterRequest("local", 1)) as client:
        first, second = client.run(interrupted), client.run(os.getpid)
    assert first == second


def test_an_address_where_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coldstart.cluster.request.SECONDS_FOR_SCHEDULER", 1)
    request = ClusterRequest("tcp://127.0.0.1:9", 2)
    with pytest.raises(ClusterError, match="no Dask scheduler answers there"), open_cluster(request):
        pass
