"""Several runs on the workers of a cluster, one on each: the files of runs that came one after the other."""

import json
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from coldstart import AbInitioParams
from coldstart.api import resume_runs, run_halves, run_jobs, run_starts
from coldstart.cluster.request import ClusterRequest
from coldstart.errors import ParameterError, RunSuspended
from coldstart.io.results import RunFolder
from coldstart.model.check_report import CheckReport
from coldstart.model.starts import JUDGED_ITERATIONS
from coldstart.model.state import Snapshot

TIMED = {"summary.json", "report.html", "checkpoint.npz"}
"""What names times and devices; a start that was left has a checkpoint."""


@pytest.fixture(scope="module")
def params(unbroken: Any) -> AbInitioParams:
    changes = {"final_iterations": JUDGED_ITERATIONS + 2, "particles_to_use": 30}
    params: AbInitioParams = unbroken.params.model_copy(update=changes)
    return params


@pytest.fixture(scope="module")
def content(
    unbroken: Any, params: AbInitioParams, kill_test: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """Of the folder of three starts that ran one after the other."""
    output = unbroken.particles.parent / tmp_path_factory.mktemp("in_turn").name / "out"
    output.parent.mkdir()
    run_starts(unbroken.particles, output, params, 3)
    return kill_test.folder_content(output)


@pytest.fixture
def same(kill_test: ModuleType, content: Any) -> Callable[[Path], None]:
    def compare(output: Path) -> None:
        found = kill_test.folder_content(output)
        assert found.keys() == content.keys()
        assert {Path(name).name for name in found if found[name] != content[name]} <= TIMED

    return compare


def test_each_worker_takes_a_start_and_the_bytes_are_the_same(
    unbroken: Any, params: AbInitioParams, beside: Path, two_workers: ClusterRequest, same: Callable[[Path], None]
) -> None:
    seen: list[int] = []
    run_starts(
        unbroken.particles, beside / "out", params, 3, cluster=two_workers,
        on_iteration=lambda start, _: seen.append(start),
    )  # fmt: skip
    same(beside / "out")
    assert sorted(set(seen)) == [0, 1, 2]
    turns = sum(now != before for before, now in pairwise(seen))
    assert turns > 5, "starts took turns as if one ran after the other"


def test_a_start_whose_worker_is_killed_goes_on_elsewhere_to_the_same_bytes(
    unbroken: Any, params: AbInitioParams, beside: Path, two_workers: ClusterRequest,
    kill_a_worker: Callable[[], None], same: Callable[[Path], None],
) -> None:  # fmt: skip
    killed: list[int] = []

    def watch(start: int, snapshot: Snapshot) -> None:
        if snapshot.stats.phase == "final" and not killed:
            kill_a_worker()
            killed.append(start)

    run_starts(unbroken.particles, beside / "out", params, 3, cluster=two_workers, on_iteration=watch)
    assert killed
    same(beside / "out")


def test_starts_that_were_suspended_go_on_without_the_cluster(
    unbroken: Any, params: AbInitioParams, beside: Path, two_workers: ClusterRequest, same: Callable[[Path], None]
) -> None:
    output, seen = beside / "out", list[int]()
    with pytest.raises(RunSuspended, match=f"coldstart resume {output}"):
        run_starts(
            unbroken.particles, output, params, 3, cluster=two_workers,
            on_iteration=lambda start, _: seen.append(start), should_suspend=lambda: len(seen) > 4,
        )  # fmt: skip
    begun = [path for path in output.glob("start_*") if path.is_dir()]
    assert begun
    assert {RunFolder(path).load_summary().status for path in begun} == {"suspended"}
    resume_runs(output)
    same(output)


def test_starts_that_are_stopped_keep_what_they_have(
    unbroken: Any, params: AbInitioParams, beside: Path, two_workers: ClusterRequest
) -> None:
    output, seen = beside / "out", set[int]()
    record = run_starts(
        unbroken.particles, output, params, 2, cluster=two_workers,
        on_iteration=lambda start, _: seen.add(start), should_stop=lambda: seen == {0, 1},
    )  # fmt: skip
    assert [start.status for start in record.starts] == ["stopped", "stopped"]
    assert json.loads((output / "consensus.json").read_text(encoding="utf-8"))["verdict"] == record.verdict


def test_what_fails_on_a_worker_is_raised_here(
    unbroken: Any, params: AbInitioParams, beside: Path, two_workers: ClusterRequest
) -> None:
    wrong = params.model_copy(update={"symmetry": "C0"})
    start = partial(run_starts, unbroken.particles, beside / "out", wrong, 2, cluster=two_workers)
    with pytest.raises(ParameterError, match="C0"):
        start()
    assert not (beside / "out").exists()


def test_each_worker_takes_a_half_and_the_bytes_are_the_same(
    unbroken: Any, params: AbInitioParams, beside: Path, two_workers: ClusterRequest, kill_test: ModuleType
) -> None:
    particles, outputs = unbroken.particles, [beside / name / "out" for name in ("here", "elsewhere")]
    for output, cluster in zip(outputs, (None, two_workers), strict=True):
        run_halves(particles, output, params, cluster=cluster)
    here, elsewhere = map(kill_test.folder_content, outputs)
    assert elsewhere.keys() == here.keys()
    assert {Path(name).name for name in here if here[name] != elsewhere[name]} <= TIMED


@pytest.mark.parametrize("killed", [False, True])
def test_each_worker_takes_a_number_of_classes_and_the_bytes_are_the_same(
    unbroken: Any, params: AbInitioParams, beside: Path, two_workers: ClusterRequest,
    kill_a_worker: Callable[[], None], kill_test: ModuleType, killed: bool,
) -> None:  # fmt: skip
    jobs = [params.model_copy(update={"classes": number, "class_similarity": 0.0}) for number in (3, 1, 2)]
    seen, shown = list[int](), list[CheckReport]()

    def watch(job: int, _: Snapshot) -> None:
        if killed and len(seen) == 10:
            kill_a_worker()
        seen.append(job)

    particles, outputs = unbroken.particles, [beside / name / "out" for name in ("here", "elsewhere")]
    run_jobs(particles, outputs[0], jobs, on_check=shown.append)
    summaries = run_jobs(particles, outputs[1], jobs, cluster=two_workers, on_check=shown.append, on_iteration=watch)
    assert [(len(summary.classes), summary.status) for summary in summaries] == [(n, "completed") for n in (3, 1, 2)]
    assert len(shown) == 2
    assert all(any("particles are few" in note for note in summary.notes) for summary in summaries)
    assert sum(now != before for before, now in pairwise(seen)) > 5, "jobs took turns as if one ran after the other"
    here, elsewhere = map(kill_test.folder_content, outputs)
    assert elsewhere.keys() == here.keys()
    assert {Path(name).name for name in here if here[name] != elsewhere[name]} <= TIMED
