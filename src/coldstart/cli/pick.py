"""`coldstart pick`: a subset of a run's particles as a table of its own."""

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from coldstart.cli.several import SeveralValues, SeveralValuesCommand
from coldstart.io.star_columns import PARTICLE_LABELS

if TYPE_CHECKING:
    from coldstart.api import PickedParticles


def class_group(text: str) -> tuple[int, ...]:
    """Numbers of classes that belong together, out of `1,3`."""
    try:
        return tuple(int(number) for number in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is no group of classes, such as 1,3.") from None


@click.command(cls=SeveralValuesCommand)
@click.argument("run", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--class",
    "classes",
    cls=SeveralValues,
    type=click.IntRange(min=1),
    metavar="NUMBER ...",
    help="Only particles of these classes, such as --class 1 3.",
)
@click.option(
    "--min-posterior",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    metavar="NUMBER",
    help="Least posterior of the particle's class.",
)
@click.option(
    "--min-margin",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    metavar="NUMBER",
    help="Least posterior of the particle's class less that of the second.",
)
@click.option(
    "--label",
    "labels",
    cls=SeveralValues,
    type=click.Choice(PARTICLE_LABELS),
    metavar="LABEL ...",
    help=f"Only particles of these labels, out of {', '.join(PARTICLE_LABELS)}.",
)
@click.option(
    "--accept-changes",
    is_flag=True,
    help="Pick though the particle table or a stack has changed since the run.",
)
@click.option(
    "--merge",
    cls=SeveralValues,
    type=class_group,
    metavar="N,N ...",
    help="Write these classes as one, under the smallest number, such as --merge 1,3 2,5; the posterior is their sum.",
)
@click.option("--other-hand", is_flag=True, help="Write the poses on the mirror images of the maps.")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="New STAR file, or new cryoSPARC dataset (.cs); the image names in it lead from its folder to the stacks.",
)
def pick(
    run: Path,
    classes: tuple[int, ...],
    min_posterior: float,
    min_margin: float,
    labels: tuple[str, ...],
    accept_changes: bool,
    merge: tuple[tuple[int, ...], ...],
    other_hand: bool,
    output: Path,
) -> None:
    """Write particles of the run in the folder OUT as a table of their own: the clean stack for the next program.

    A particle is taken if it has a pose and meets every criterion.
    """
    from coldstart.api import pick_particles

    picked = pick_particles(
        run,
        output,
        classes=classes,
        min_posterior=min_posterior,
        min_margin=min_margin,
        labels=labels,
        accept_changes=accept_changes,
        merge=merge,
        other_hand=other_hand,
    )
    click.echo(picked_text(picked))


def picked_text(picked: "PickedParticles") -> str:
    """How many of how many were picked, of each class where there are several."""
    lines = [f"{picked.path}: {picked.picked:,} of {picked.particles:,} particles."]
    if len(picked.classes) > 1:
        lines += [f"  class {entry.number:<3} {entry.picked:,} of {entry.particles:,}" for entry in picked.classes]
    return "\n".join(lines)
