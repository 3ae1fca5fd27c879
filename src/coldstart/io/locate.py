"""Where stacks are that a table names: RELION's and cryoSPARC's names lead from the project's folder."""

from collections.abc import Sequence
from pathlib import Path

from coldstart.errors import ParticleFileError
from coldstart.io.image_names import ImagePlaces
from coldstart.io.mrc import StackHeader, find_stack

EXPORT_MARK = ">"
"""cryoSPARC puts it before the names of files that lie beside the table."""


def find_stacks(table: Path, places: ImagePlaces, data_root: Path | None) -> list[Path]:
    """Find the stacks that a table names: under `data_root`, under the table's folder, or under a folder above it.

    Parameters
    ----------
    table : Path
    places : ImagePlaces
    data_root : Path, optional
        Tried first.

    Returns
    -------
    list of Path
        One file a stack; an absolute name is taken as it is.

    Raises
    ------
    ParticleFileError
        If a stack is missing.
    """
    folder = table.parent
    roots = [Path(data_root)] if data_root is not None else []
    roots += [folder, *folder.absolute().parents]
    files = [_find(name, roots) for name in places.stacks]
    missing = [number for number, file in enumerate(files) if file is None]
    if missing:
        first = missing[0]
        raise _missing(table, places, first, len(missing), roots[: 1 if data_root is None else 2])
    return [file for file in files if file is not None]


def packed_note(headers: Sequence[StackHeader]) -> tuple[str, ...]:
    """What to tell the user of stacks that are compressed."""
    packed = [header for header in headers if header.is_packed]
    if not packed:
        return ()
    images = sum(header.end for header in packed) / 1e9
    return (
        f"{len(packed):,} stacks are compressed (gzip): they were unpacked to a temporary folder, {images:.1f} GB. "
        "RELION reads no compressed stacks.",
    )


def _find(name: str, roots: Sequence[Path]) -> Path | None:
    stack = name.removeprefix(EXPORT_MARK)
    return next((found for root in roots if (found := find_stack(root / stack)) is not None), None)


def _missing(table: Path, places: ImagePlaces, stack: int, count: int, roots: Sequence[Path]) -> ParticleFileError:
    others = f" and {count - 1:,} others are" if count > 1 else " is"
    return ParticleFileError(
        f"{table}, row {places.first_row(stack) + 1}: the stack {places.stacks[stack]}{others} missing; "
        f"looked for it in {', '.join(map(str, roots))} and in the folders above. "
        "Give the folder that the image names are relative to with --data-root."
    )
