"""`coldstart run`: from a particle table to maps, poses and a report."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from coldstart.cli.check import judge_check
from coldstart.cli.cluster import cluster_options, cluster_request
from coldstart.cli.interrupt import listen_to_signals
from coldstart.cli.options import merge_jobs, parameter_file_options, parameter_options
from coldstart.cli.outcome import print_comparison, print_consensus, print_halves, print_outcome
from coldstart.cli.progress import jobs_display, progress_display
from coldstart.cli.several import SeveralValuesCommand
from coldstart.errors import ParameterError
from coldstart.params import COMMON, INPUT, AbInitioParams, field_info
from coldstart.report.progress import run_titles

if TYPE_CHECKING:
    from coldstart.api import OnCheck
    from coldstart.cluster.request import ClusterRequest


@click.command(cls=SeveralValuesCommand)
@click.argument("particles", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    panel=COMMON,
    help="New or empty folder for the maps, the particle tables, the log and the report.",
)
@parameter_options()
@click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    panel=INPUT,
    help="Folder that the table's stack paths start from; the table's own folder, or one above it, when empty.",
)
@parameter_file_options
@cluster_options
@click.option(
    "--starts",
    type=click.IntRange(min=1),
    default=field_info("starts").default,
    metavar="INTEGER",
    panel=COMMON,
    help=f"{field_info('starts').description} [default: {field_info('starts').default}]",
)
@click.option(
    "--halves",
    is_flag=True,
    panel=COMMON,
    help="Find a map of each half of the particles by itself, and compare the two: a resolution that can be quoted. "
    "Takes about twice as long.",
)
@click.option(
    "--despite-errors",
    is_flag=True,
    panel=INPUT,
    help="Run even where the check of the particles finds errors; they are noted in the summary.",
)
def run(
    particles: Path,
    output: Path,
    data_root: Path | None,
    params_file: Path | None,
    preset: str | None,
    starts: int,
    halves: bool,
    despite_errors: bool,
    cluster: str | None,
    workers: int | None,
    **flags: Any,
) -> None:
    """Reconstruct 3D maps from PARTICLES, without poses or a starting map.

    PARTICLES is a RELION STAR file, a cryoSPARC dataset or group (.cs, .csg), a stack, or a folder of stacks.

    With several numbers of classes, such as --classes 1 2 3 4, each runs as a job of its own in FOLDER/classes_N.
    With --starts 8, each start is a run of its own in FOLDER/start_N; with --halves, each half in FOLDER/half_N.

    With --cluster the minibatches are dealt out to workers elsewhere, or of several runs each worker takes one at a
    time; the result is the same to the byte where their devices are like this one's.

    The particles are checked first, as coldstart check --quick does: an error stops the run before anything is
    written.

    Ctrl-C stops after the current iteration and keeps the result; pressed again, it aborts. SIGTERM leaves the run
    without a result. Whichever it was, or a crash: coldstart resume FOLDER goes on as if the run had never been left.
    """
    jobs = merge_jobs(flags, params_file, preset)
    on_check = partial(judge_check, despite_errors=despite_errors)
    request = cluster_request(cluster, workers, jobs[0].threads)
    if halves:
        _run_halves(particles, output, jobs, starts, data_root, on_check, request)
    elif starts > 1:
        _run_starts(particles, output, jobs, starts, data_root, on_check, request)
    elif len(jobs) == 1:
        _run_one(particles, output, jobs[0], data_root, on_check, request)
    else:
        _run_several(particles, output, jobs, data_root, on_check, request)


def _run_one(
    particles: Path, output: Path, params: AbInitioParams, data_root: Path | None, on_check: "OnCheck",
    cluster: "ClusterRequest | None",
) -> None:  # fmt: skip
    from coldstart.api import run_job

    with listen_to_signals() as requests, progress_display() as show:
        summary = run_job(
            particles, output, params, data_root=data_root, on_check=on_check, on_iteration=show,
            should_stop=requests.should_stop, should_suspend=requests.should_suspend, cluster=cluster,
        )  # fmt: skip
    print_outcome(output, summary)


def _run_starts(
    particles: Path, output: Path, jobs: Sequence[AbInitioParams], starts: int, data_root: Path | None,
    on_check: "OnCheck", cluster: "ClusterRequest | None",
) -> None:  # fmt: skip
    from coldstart.api import run_starts

    if len(jobs) > 1:
        raise ParameterError("--starts takes one number of classes: give --classes a single number.")
    with listen_to_signals() as requests, jobs_display(run_titles("start", range(1, starts + 1))) as show:
        consensus = run_starts(
            particles, output, jobs[0], starts, data_root=data_root, on_check=on_check, on_iteration=show,
            should_stop=requests.should_stop, should_suspend=requests.should_suspend, cluster=cluster,
        )  # fmt: skip
    print_consensus(output, consensus)


def _run_halves(
    particles: Path, output: Path, jobs: Sequence[AbInitioParams], starts: int, data_root: Path | None,
    on_check: "OnCheck", cluster: "ClusterRequest | None",
) -> None:  # fmt: skip
    from coldstart.api import run_halves

    if len(jobs) > 1 or starts > 1:
        raise ParameterError("--halves takes one number of classes, and no --starts.")
    with listen_to_signals() as requests, jobs_display(run_titles("half", (1, 2))) as show:
        record = run_halves(
            particles, output, jobs[0], data_root=data_root, on_check=on_check, on_iteration=show,
            should_stop=requests.should_stop, should_suspend=requests.should_suspend, cluster=cluster,
        )  # fmt: skip
    print_halves(output, record)


def _run_several(
    particles: Path, output: Path, jobs: Sequence[AbInitioParams], data_root: Path | None, on_check: "OnCheck",
    cluster: "ClusterRequest | None",
) -> None:  # fmt: skip
    from coldstart.api import run_jobs

    titles = run_titles("job", [job.classes for job in jobs])
    with listen_to_signals() as requests, jobs_display(titles) as show:
        summaries = run_jobs(
            particles, output, jobs, data_root=data_root, on_check=on_check, on_iteration=show,
            should_stop=requests.should_stop, should_suspend=requests.should_suspend, cluster=cluster,
        )  # fmt: skip
    print_comparison(output, summaries, len(jobs))
