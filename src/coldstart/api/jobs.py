"""Several jobs on the same particles, to choose the number of classes: a run folder each, and a page to compare them.

The page is written when a job has a result, so that it is there for those that are done whatever becomes of the others.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from coldstart.api.check import OnCheck
from coldstart.api.checkpoint import ShouldSuspend
from coldstart.api.compared_jobs import JobComparison
from coldstart.api.drive import ShouldStop
from coldstart.api.job import check_output
from coldstart.api.planned_run import Gate
from coldstart.api.together import OnJobIteration, RunsTogether
from coldstart.errors import ParameterError
from coldstart.io.run_records import Summary
from coldstart.io.runs_plan import Kind, RunsPlan
from coldstart.params import AbInitioParams

if TYPE_CHECKING:
    from coldstart.cluster.request import ClusterRequest


def run_jobs(
    particles_path: Path,
    output: Path,
    jobs: Sequence[AbInitioParams],
    *,
    data_root: Path | None = None,
    on_check: OnCheck | None = None,
    on_iteration: OnJobIteration | None = None,
    should_stop: ShouldStop | None = None,
    should_suspend: ShouldSuspend | None = None,
    cluster: "ClusterRequest | None" = None,
) -> tuple[Summary, ...]:
    """Reconstruct the particles of a file with several numbers of classes, and compare them.

    Each job writes a run folder as `run_job` does: `job_folder` says which. `output` holds the page that compares them,
    and what was asked for, from which `resume_runs` goes on.

    Parameters
    ----------
    particles_path : Path
        RELION STAR file, cryoSPARC dataset or group, plain stack, or folder of stacks.
    output : Path
        New or empty folder.
    jobs : sequence of AbInitioParams
        They differ in the number of classes, and in nothing else.
    data_root : Path, optional
        Folder that the stack paths of the table are relative to.
    on_check : callable, optional
        As in `run_job`, with the first number of classes. Every job has the warnings among its notes.
    on_iteration : callable, optional
        Called after every iteration with the number of the job, from 0, and the maps and figures; with a cluster
        there are no maps, (0, 0, 0, 0).
    should_stop : callable, optional
        Asked after every iteration and every job; once it says True, the job that runs ends with what it has, and no
        other one begins.
    should_suspend : callable, optional
        As in `run_job`; no other job begins either.
    cluster : ClusterRequest, optional
        Each of its workers takes one job at a time; without one they run one after the other. The result is the same.

    Returns
    -------
    tuple of Summary
        Of the jobs that have a result, in their order.

    Raises
    ------
    ColdstartError
        As `run_job`, and ParameterError if two jobs have the same number of classes or differ in something else. If a
        job fails, the folders of those before it stay as they are.
    """
    _check_numbers(jobs)
    check_output(Path(output))
    numbers = tuple(job.classes for job in jobs)
    plan = RunsPlan(Kind.CLASSES, Path(particles_path), data_root, jobs[0], numbers)
    return run_and_compare(
        RunsTogether(Path(output), plan, on_iteration, should_stop, should_suspend, cluster, on_check)
    )


def run_and_compare(runs: RunsTogether) -> tuple[Summary, ...]:
    """Run what is left of the jobs, and compare them."""
    comparison = JobComparison(runs.output, runs.plan)
    runs.on_done = comparison.update
    with runs.kept():
        with runs.runners() as advance:
            advance([runs.run(number, Gate.END) for number in range(len(runs.plan.numbers))])
        return comparison.update()


def _check_numbers(jobs: Sequence[AbInitioParams]) -> None:
    if not jobs:
        raise ParameterError("no number of classes is given: give at least one")
    number, times = Counter(job.classes for job in jobs).most_common(1)[0]
    if times > 1:
        raise ParameterError(f"the number of classes {number} is given {times} times: give each number once")
    if any(job.model_copy(update={"classes": jobs[0].classes}) != jobs[0] for job in jobs):
        raise ParameterError("jobs that are compared may differ in the number of classes alone")
