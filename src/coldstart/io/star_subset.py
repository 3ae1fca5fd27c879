"""Some rows of a particle table as a table of their own; every column keeps its text."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from coldstart.errors import OutputError, ParticleFileError
from coldstart.io.star_columns import IMAGE_NAME
from coldstart.io.star_text import read_blocks, write_blocks
from coldstart.io.star_write import moved_image_names
from coldstart.model.carried import CarriedTable

_GROUPS = {".cs": ".csg"}
_KINDS = {".star": ".star", ".cs": ".cs for cryoSPARC"}


def particle_block(blocks: Mapping[str, CarriedTable], path: Path) -> str:
    """Name of the block that lists the particles.

    Raises
    ------
    ParticleFileError
        If no block has a column of image names.
    """
    for name, table in blocks.items():
        if IMAGE_NAME in table:
            return name
    raise ParticleFileError(f"{path} has no block of particles, with the column {IMAGE_NAME}: give a particle table.")


def read_with_particles(path: Path) -> tuple[dict[str, CarriedTable], CarriedTable]:
    """All blocks of a STAR file, and the one of them that lists the particles.

    Raises
    ------
    ParticleFileError
        If the file cannot be read, or no block has a column of image names.
    """
    blocks = read_blocks(path)
    return blocks, blocks[particle_block(blocks, path)]


def write_subset(output: Path, blocks: Mapping[str, CarriedTable], rows: CarriedTable, source: Path) -> None:
    """Write rows of a table with its other blocks.

    Parameters
    ----------
    output : Path
        The STAR file; appears whole, or not at all.
    blocks : mapping of str to CarriedTable
        All blocks of the table that the rows come from.
    rows : CarriedTable
        Take the place of its particles. Relative image names are made to lead from the new table's folder.
    source : Path
        The table that the rows come from.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    names = moved_image_names(rows.utf8(IMAGE_NAME), source.parent, output.parent)
    write_blocks(output, {**blocks, particle_block(blocks, source): rows.having({IMAGE_NAME: names})})


def check_new_table(output: Path, sources: Sequence[Path], suffixes: Sequence[str], *, overwrite: bool) -> None:
    """Refuse a name that is none of a particle table, is taken, or is that of a table to read from.

    Parameters
    ----------
    output : Path
    sources : sequence of Path
        What must not be replaced.
    suffixes : sequence of str
        What the name may end in, out of .star and .cs; the latter gets a group (.csg) beside it.
    overwrite : bool
        Whether other files may be replaced.

    Raises
    ------
    OutputError
    """
    if output.suffix not in suffixes:
        ends = ", or in ".join(_KINDS[suffix] for suffix in suffixes)
        raise OutputError(f"{output} is no name of a particle table: end it in {ends}.")
    written = [output, *(output.with_suffix(group) for table, group in _GROUPS.items() if output.suffix == table)]
    taken = [path for path in written if path.exists()]
    if taken and not overwrite:
        raise OutputError(f"{taken[0]} is there already: choose another name, or remove it first.")
    for path in taken:
        if any(source.exists() and path.samefile(source) for source in sources):
            raise OutputError(f"{path} is the table that the particles come from: choose another name.")
