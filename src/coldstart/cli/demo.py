"""`coldstart demo`: a simulated set, its reconstruction, and how near to the truth that came."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from coldstart.cli.interrupt import listen_to_signals
from coldstart.cli.options import merge_parameters, parameter_options
from coldstart.cli.outcome import print_outcome
from coldstart.cli.progress import progress_display
from coldstart.errors import OutputError

if TYPE_CHECKING:
    from coldstart.demo.compare import Agreement


@click.command(cls=click.RichCommand)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    metavar="FOLDER",
    help="New or empty folder for the set and its reconstruction.",
)
@parameter_options("seed", "device", "threads")
def demo(output: Path, **flags: Any) -> None:
    """Simulate particles of a made-up molecule, reconstruct them, and compare the result to the truth.

    The set (particles.star, particles.mrcs and the truth) lands in FOLDER/particles, the run in FOLDER/run.
    """
    from coldstart.api import run_job
    from coldstart.demo.files import write_demo_set
    from coldstart.demo.score import score_run

    params = merge_parameters(flags)
    _make_folders(output)
    demo_set = write_demo_set(output / "particles", params.seed)
    click.echo(f"Simulated {len(demo_set.truth.matrices):,} particles of a made-up molecule: {demo_set.particles_path}")
    run = output / "run"
    with listen_to_signals() as requests, progress_display() as show:
        summary = run_job(
            demo_set.particles_path, run, params, on_iteration=show,
            should_stop=requests.should_stop, should_suspend=requests.should_suspend,
        )  # fmt: skip
    print_outcome(run, summary)
    click.echo(agreement_text(score_run(run, demo_set.truth), demo_set.truth_map_path))


def agreement_text(agreement: "Agreement", truth_map: Path) -> str:
    """How near the result is to the truth, in words."""
    hand = "; it is the mirror image, which ab-initio reconstruction cannot tell apart" if agreement.mirrored else ""
    return (
        f"Against the true map {truth_map}:\n"
        f"  the map agrees to {agreement.resolution_angstrom:.1f} Å (FSC = 0.5){hand}\n"
        f"  the poses are off by {agreement.median_angle_deg:.1f}° and {agreement.median_origin_angstrom:.1f} Å "
        f"in the median; {agreement.near_fraction:.0%} are within 10°"
    )


def _make_folders(output: Path) -> None:
    if output.is_dir() and any(output.iterdir()):
        raise OutputError(f"the output folder {output} is not empty: choose another one with -o, or empty it first.")
    try:
        (output / "particles").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the output folder {output} cannot be made: {error.strerror or error}. Choose another one with -o."
        ) from error
