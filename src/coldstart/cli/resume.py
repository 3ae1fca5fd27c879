"""`coldstart resume`: going on with a run that was left."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rich_click as click

from coldstart.cli.cluster import cluster_options, cluster_request
from coldstart.cli.interrupt import listen_to_signals
from coldstart.cli.outcome import print_comparison, print_consensus, print_halves, print_outcome
from coldstart.cli.progress import jobs_display, progress_display
from coldstart.params import AbInitioParams
from coldstart.report.progress import HALF_TITLES, job_titles, start_titles


@click.command(cls=click.RichCommand)
@click.argument("run", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Folder that the table's stack paths start from, where the stacks have been moved.",
)
@cluster_options
@click.option(
    "--accept-changes",
    is_flag=True,
    help="Go on though the particles, the device or a version has changed; the result may be another one.",
)
def resume(run: Path, data_root: Path | None, accept_changes: bool, cluster: str | None, workers: int | None) -> None:
    """Go on with the run in the folder OUT, which was stopped, suspended, killed or failed.

    It goes on from its last checkpoint, to the result of a run that was never left. Ctrl-C and SIGTERM do what they do
    in coldstart run.
    """
    from coldstart.api import series_jobs
    from coldstart.io.starts_file import has_starts

    request = cluster_request(cluster, workers)
    options = {"data_root": data_root, "accept_changes": accept_changes, "cluster": request}
    if has_starts(run):
        _resume_starts(run, options)
        return
    jobs = series_jobs(run)
    if jobs is None:
        _resume_one(run, options)
    else:
        _resume_several(run, jobs, options)


def _resume_one(output: Path, options: dict[str, Any]) -> None:
    from coldstart.api import resume_job

    with listen_to_signals() as requests, progress_display() as show:
        summary = resume_job(
            output,
            on_iteration=show,
            should_stop=requests.should_stop,
            should_suspend=requests.should_suspend,
            **options,
        )
    print_outcome(output, summary)


def _resume_starts(output: Path, options: dict[str, Any]) -> None:
    from coldstart.api import resume_halves, resume_starts
    from coldstart.io.starts_file import read_starts

    plan = read_starts(output)
    titles = HALF_TITLES if plan.halves else start_titles(plan.starts)
    with listen_to_signals() as requests, jobs_display(titles) as show:
        options |= {
            "on_iteration": show,
            "should_stop": requests.should_stop,
            "should_suspend": requests.should_suspend,
        }
        if plan.halves:
            halves = resume_halves(output, **options)
        else:
            consensus = resume_starts(output, **options)
    if plan.halves:
        print_halves(output, halves)
    else:
        print_consensus(output, consensus)


def _resume_several(output: Path, jobs: Sequence[AbInitioParams], options: dict[str, Any]) -> None:
    from coldstart.api import job_folder, resume_jobs

    titles = job_titles([job.classes for job in jobs])
    with listen_to_signals() as requests, jobs_display(titles) as show:
        summaries = resume_jobs(
            output,
            on_iteration=show,
            should_stop=requests.should_stop,
            should_suspend=requests.should_suspend,
            **options,
        )
    print_comparison(output, [job_folder(output, job.classes) for job in jobs], summaries)
