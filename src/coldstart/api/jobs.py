"""Several jobs on the same particles, to choose the number of classes: a run folder each, and a page to compare them.

The jobs share the images that are read and transformed.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from coldstart.api.check import OnCheck
from coldstart.api.checkpoint import ShouldSuspend
from coldstart.api.drive import ShouldStop
from coldstart.api.job import check_output, read_data
from coldstart.api.resume import check_resumable, read_data_again
from coldstart.api.series import SERIES, OnJobIteration, Series, read_series
from coldstart.api.usage import Usage
from coldstart.errors import ParameterError
from coldstart.io.checkpoint import has_record
from coldstart.io.lock import FolderLock
from coldstart.io.run_paths import RunPaths
from coldstart.io.run_records import Summary
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
    """Reconstruct the particles of a file with several numbers of classes, one after the other, and compare them.

    Each job writes a run folder as `run_job` does: `job_folder` says which. `output` holds the page that compares them,
    and while there is something left to do a checkpoint, from which `resume_jobs` goes on.

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
        As in `run_job`, for the first of the jobs.
    on_iteration : callable, optional
        Called after every iteration with the number of the job, from 0, and the maps and figures.
    should_stop : callable, optional
        Asked after every iteration and every job; once it says True, the job that runs ends with what it has, and no
        other one begins.
    should_suspend : callable, optional
        As in `run_job`; no other job begins either.
    cluster : ClusterRequest, optional
        As in `run_job`, for each of the jobs in turn.

    Returns
    -------
    tuple of Summary
        Of the jobs that ran, in their order. Reading the images counts in the time of the job that reads them first.

    Raises
    ------
    ColdstartError
        As `run_job`, and ParameterError if two jobs have the same number of classes or differ in something else. If a
        job fails, the folders of those before it stay as they are.
    """
    _check_numbers(jobs)
    usage, output = Usage(), Path(output)
    check_output(output)
    data = read_data(Path(particles_path), jobs[0], data_root).checked(jobs[0], on_check)
    return Series(output, tuple(jobs), data, usage, on_iteration, should_stop, should_suspend, cluster).run()


def resume_jobs(
    output: Path,
    *,
    data_root: Path | None = None,
    on_iteration: OnJobIteration | None = None,
    should_stop: ShouldStop | None = None,
    should_suspend: ShouldSuspend | None = None,
    accept_changes: bool = False,
    cluster: "ClusterRequest | None" = None,
) -> tuple[Summary, ...]:
    """Go on with several jobs that were left: the one that ran from its checkpoint, then those that had not begun.

    Parameters
    ----------
    output : Path
        The folder that holds those of the jobs.
    data_root, on_iteration, should_stop, should_suspend, accept_changes, cluster
        As in `resume_job` and `run_jobs`.

    Returns
    -------
    tuple of Summary
        Of all jobs that have run, those that were done before among them.

    Raises
    ------
    ColdstartError
        As `resume_job`.
    """
    output = Path(output)
    check_resumable(output)
    path, usage = RunPaths(output).checkpoint_path, Usage()
    lock = FolderLock(output)
    try:
        left = read_series(path)
        data = read_data_again(left.inputs, left.jobs[0], data_root, accept_changes=accept_changes)
        series = Series(output, left.jobs, data, usage, on_iteration, should_stop, should_suspend, cluster)
        series.resume_at(left, lock, accept_changes=accept_changes)
        return series.run()
    finally:
        lock.release()


def series_jobs(output: Path) -> tuple[AbInitioParams, ...] | None:
    """The jobs in a folder that `resume_jobs` goes on with; None where it is no such folder.

    Raises
    ------
    OutputError
        If its checkpoint cannot be read.
    """
    path = RunPaths(Path(output)).checkpoint_path
    return read_series(path).jobs if has_record(path, SERIES) else None


def _check_numbers(jobs: Sequence[AbInitioParams]) -> None:
    if not jobs:
        raise ParameterError("no number of classes is given: give at least one")
    number, times = Counter(job.classes for job in jobs).most_common(1)[0]
    if times > 1:
        raise ParameterError(f"the number of classes {number} is given {times} times: give each number once")
