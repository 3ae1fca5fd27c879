"""`coldstart run`: from a particle table to a map, poses and a report."""

from pathlib import Path
from typing import Any

import rich_click as click

from coldstart.cli.interrupt import stop_on_interrupt
from coldstart.cli.options import merge_parameters, parameter_options
from coldstart.cli.outcome import print_outcome
from coldstart.cli.progress import progress_display
from coldstart.params import COMMON, INPUT


@click.command(cls=click.RichCommand)
@click.argument("particles", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    panel=COMMON,
    help="New or empty folder for the map, the particle table, the log and the report.",
)
@parameter_options()
@click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    panel=INPUT,
    help="Folder that the table's stack paths start from; the table's own folder when empty.",
)
@click.option(
    "--params",
    "params_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    panel="Options",
    help="Parameters as JSON, such as the params.json of an earlier run; flags given here override it.",
)
def run(particles: Path, output: Path, data_root: Path | None, params_file: Path | None, **flags: Any) -> None:
    """Reconstruct a 3D map from PARTICLES, a RELION STAR file or a stack, without poses or a starting map.

    Ctrl-C stops after the current iteration and keeps the result; pressed again, it aborts.
    """
    from coldstart.api import run_job

    params = merge_parameters(flags, params_file)
    with stop_on_interrupt() as should_stop, progress_display() as show:
        summary = run_job(particles, output, params, data_root=data_root, on_iteration=show, should_stop=should_stop)
    print_outcome(output, summary)
