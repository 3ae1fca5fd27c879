"""`coldstart resume`: going on with a run that was left."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import rich_click as click

from coldstart.cli.cluster import cluster_options, cluster_request
from coldstart.cli.interrupt import listen_to_signals
from coldstart.cli.outcome import print_comparison, print_consensus, print_halves, print_outcome
from coldstart.cli.progress import jobs_display, progress_display
from coldstart.report.progress import run_titles


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
    from coldstart.io.runs_plan import has_plan

    request = cluster_request(cluster, workers)
    options = {"data_root": data_root, "accept_changes": accept_changes, "cluster": request}
    if has_plan(run):
        _resume_several(run, options)
    else:
        _resume_one(run, options)


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


def _resume_several(output: Path, options: dict[str, Any]) -> None:
    from coldstart.api import resume_runs
    from coldstart.io.runs_plan import Kind, read_plan

    plan = read_plan(output)
    tellers: dict[Kind, Callable[..., None]] = {
        Kind.STARTS: print_consensus,
        Kind.HALVES: print_halves,
        Kind.CLASSES: partial(print_comparison, asked=len(plan.numbers)),
    }
    with listen_to_signals() as requests, jobs_display(run_titles(plan.name, plan.numbers)) as show:
        outcome = resume_runs(
            output,
            on_iteration=show,
            should_stop=requests.should_stop,
            should_suspend=requests.should_suspend,
            **options,
        )
    tellers[plan.kind](output, outcome)
