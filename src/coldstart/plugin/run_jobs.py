"""A run as its thread does it: of one set of parameters, of several starts, or of several numbers of classes.

Whatever it is, the window sees parts, numbered from 0: the one run, the starts, or the jobs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from coldstart.errors import OutputError
from coldstart.io.run_paths import RunPaths
from coldstart.io.runs_plan import Kind, RunsPlan, has_consensus, has_halves, has_plan, read_plan
from coldstart.model.check_report import CheckReport
from coldstart.model.state import IterationStats
from coldstart.plugin.setup_page import RunRequest
from coldstart.report.progress import run_titles

Job = Callable[..., Any]
"""Called with `on_iteration`, which takes the number of the part and a snapshot, `should_stop` and `should_suspend`."""


@dataclass(frozen=True, slots=True)
class RunJob:
    """What a thread is to do.

    Attributes
    ----------
    output : Path
        Its folder.
    run : Job
    classes : tuple of int
        Of each part.
    titles : tuple of str
        Of each part; empty where there is one.
    histories : tuple of tuple of IterationStats
        What each part has done before.
    """

    output: Path
    run: Job
    classes: tuple[int, ...]
    titles: tuple[str, ...] = ("",)
    histories: tuple[tuple[IterationStats, ...], ...] = ((),)


def new_job(request: RunRequest, on_check: Callable[[CheckReport], None]) -> RunJob:
    """The job of what is asked for, which calls `on_check` before anything else."""
    where = request.particles, request.output
    options = {"data_root": request.data_root, "on_check": on_check}
    jobs, starts = request.plan.jobs(request.params), request.plan.starts
    if starts > 1:
        run = _of_api("run_starts", *where, jobs[0], starts, **options)
        titles = tuple(run_titles("start", range(1, starts + 1)))
        return RunJob(request.output, run, (jobs[0].classes,) * starts, titles, ((),) * starts)
    if len(jobs) > 1:
        run, classes = _of_api("run_jobs", *where, jobs, **options), tuple(job.classes for job in jobs)
        return RunJob(request.output, run, classes, tuple(run_titles("job", classes)), ((),) * len(classes))
    return RunJob(request.output, _single(_of_api("run_job", *where, jobs[0], **options)), (jobs[0].classes,))


def left_job(output: Path, *, data_root: Path | None = None, accept_changes: bool = False) -> RunJob:
    """The job that goes on with what was left in a folder.

    Parameters
    ----------
    output : Path
    data_root, accept_changes
        As in `resume_job`.

    Raises
    ------
    OutputError
        If there is nothing to go on with, or it cannot be read.
    """
    from coldstart.io.results import RunFolder

    options = {"data_root": data_root, "accept_changes": accept_changes}
    if has_plan(output):
        plan = read_plan(output)
        run, titles = _of_api("resume_runs", output, **options), run_titles(plan.name, plan.numbers)
        classes = tuple(job.classes for job in plan.jobs)
        return RunJob(output, run, classes, tuple(titles), _histories(plan.folders(output)))
    folder = RunFolder(output)
    run = _single(_of_api("resume_job", output, **options))
    return RunJob(output, run, (folder.load_params().classes,), histories=(folder.load_iterations(),))


def can_go_on(output: Path) -> bool:
    """Whether there is something to go on with: a checkpoint, or several runs that have not come to their end."""
    if not has_plan(output):
        return RunPaths(output).checkpoint_path.is_file()
    try:
        plan = read_plan(output)
        compared = plan.kind is Kind.CLASSES or has_consensus(output) or has_halves(output)
        return not compared or _was_stopped(output, plan)
    except OutputError:
        return False


def _was_stopped(output: Path, plan: RunsPlan) -> bool:
    """Whether runs that were compared had been stopped before: one never began, or ended early.

    Starts that fell behind in the race have a checkpoint too, but are not stopped.
    """
    from coldstart.io.opened_run import is_run_folder
    from coldstart.io.results import RunFolder

    def has_ended(run: RunFolder) -> bool:
        if not is_run_folder(run.path):
            return False
        status, left = run.load_summary().status, run.checkpoint_path.is_file()
        return status == "completed" or (plan.kind is Kind.STARTS and status != "stopped") or not left

    return not all(has_ended(RunFolder(folder)) for folder in plan.folders(output))


def _of_api(name: str, *arguments: Any, **options: Any) -> Job:
    """A function of the API, whose import takes a second: it is left to the thread."""

    def run(**keywords: Any) -> Any:
        from coldstart import api

        return getattr(api, name)(*arguments, **options, **keywords)

    return run


def _single(run: Job) -> Job:
    """A run of one part."""

    def run_part(*, on_iteration: Callable[..., None], **keywords: Any) -> Any:
        return run(on_iteration=partial(on_iteration, 0), **keywords)

    return run_part


def _histories(folders: list[Path]) -> tuple[tuple[IterationStats, ...], ...]:
    from coldstart.io.opened_run import is_run_folder
    from coldstart.io.results import RunFolder

    return tuple(RunFolder(folder).load_iterations() if is_run_folder(folder) else () for folder in folders)
