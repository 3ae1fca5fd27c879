"""`coldstart symmetry`: which point group a map shows, and the map and its poses brought onto the axes."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from coldstart.report.symmetry import axis_text, symmetry_sentence
from coldstart.report.text import resolution_text

if TYPE_CHECKING:
    from coldstart.api import MapSymmetry, TurnedMap

_SHOWN = 6


@click.command(cls=click.RichCommand)
@click.argument("source", metavar="RUN_OR_MAP", type=click.Path(path_type=Path))
@click.option(
    "--class",
    "class_number",
    type=click.IntRange(min=1),
    metavar="NUMBER",
    help="Which map of the run, where it has several classes.",
)
@click.option(
    "--resolution",
    "resolution_angstrom",
    type=float,
    metavar="NUMBER",
    help="Finest detail to go by, in Å. [default: where the halves of the run's map agree, or 12]",
)
@click.option("--apply", "group", metavar="GROUP", help="Turn the map onto the axes of this group, such as D7.")
@click.option("--symmetrize", is_flag=True, help="With --apply: average the map over the group as well.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="With --apply: new map (.mrc); for a run a new folder, which gets the map and the particles with their poses.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON instead, for scripts.")
def symmetry(
    source: Path,
    class_number: int | None,
    resolution_angstrom: float | None,
    group: str | None,
    symmetrize: bool,
    output: Path | None,
    as_json: bool,
) -> None:
    """Look for the point group that a map shows: C2 to C24, D2 to D24, T, O and I.

    RUN_OR_MAP is the folder of a run, or a map (.mrc). With --apply the map is written on RELION's axes of the group,
    and the particles of a run with the poses that go with it.
    """
    from coldstart.api import map_symmetry, turn_onto_axes

    if (group is None) != (output is None) or (symmetrize and group is None):
        raise click.UsageError("--apply GROUP, -o PATH and --symmetrize belong together: give the first two, or none.")
    if group is None or output is None:
        found = map_symmetry(source, class_number=class_number, resolution_angstrom=resolution_angstrom)
        click.echo(json.dumps(found_json(found), indent=2) if as_json else found_text(found))
        return
    turned = turn_onto_axes(
        source, output, group, class_number=class_number, resolution_angstrom=resolution_angstrom,
        symmetrize=symmetrize,
    )  # fmt: skip
    click.echo(json.dumps(turned_json(turned), indent=2) if as_json else turned_text(turned, group, symmetrize))


def found_text(found: "MapSymmetry") -> str:
    """What was found, and the best of the groups that were tried."""
    lines = [f"{found.path}, to {resolution_text(found.resolution_angstrom)}:", symmetry_sentence(found.report)]
    if found.report.candidates:
        lines.append(f"  {'group':<6}{'correlation':<13}axis x, y, z")
    lines += [
        f"  {candidate.group:<6}{candidate.correlation:<13.2f}{axis_text(candidate.axis)}"
        for candidate in found.report.candidates[:_SHOWN]
    ]
    return "\n".join(lines)


def found_json(found: "MapSymmetry") -> dict[str, Any]:
    """What was found, all groups that were tried among it."""
    return {
        "map": str(found.path),
        "voxel_size_angstrom": found.voxel_size_angstrom,
        "resolution_angstrom": found.resolution_angstrom,
        "group": found.report.group,
        "is_conclusive": found.report.is_conclusive,
        "cycles_across_particle": found.report.detail,
        "candidates": [
            {
                "group": candidate.group,
                "holds": candidate.holds,
                "correlation": candidate.correlation,
                "correlation_around": candidate.around,
                "axis": candidate.axis.tolist(),
                "rotation": candidate.rotation.tolist(),
                "shift_voxels": candidate.shift_voxels.tolist(),
            }
            for candidate in found.report.candidates
        ],
    }


def turned_text(turned: "TurnedMap", group: str, symmetrized: bool) -> str:
    """What was written."""
    how = f"averaged over {group}" if symmetrized else f"on the axes of {group}"
    lines = [f"{turned.path}: the map, {how} (correlation {turned.found.correlation:.2f})."]
    if turned.table_path is not None:
        lines.append(f"{turned.table_path}: its particles, with their poses on it.")
    return "\n".join(lines)


def turned_json(turned: "TurnedMap") -> dict[str, Any]:
    """What was written, and how the map lay."""
    return {
        "map": str(turned.path),
        "particles": None if turned.table_path is None else str(turned.table_path),
        "group": turned.found.group,
        "correlation": turned.found.correlation,
        "rotation": turned.found.rotation.tolist(),
        "shift_voxels": turned.found.shift_voxels.tolist(),
    }
