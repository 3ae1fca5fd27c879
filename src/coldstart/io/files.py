"""Atomic writing: a file appears under its name whole, or not at all, whatever becomes of program and machine."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from coldstart.errors import OutputError

_TEMPORARY = ".{name}.{process}.tmp"


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, and move it there when the block ends without an error.

    The content is on the disk before it has the name.

    Raises
    ------
    OutputError
        If the file cannot be written: no permission, no space, no such folder.
    """
    temporary = path.with_name(_TEMPORARY.format(name=path.name, process=os.getpid()))
    try:
        yield temporary
        _put_on_disk(temporary)
        temporary.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with suppress(OSError):  # where the disk has become read-only, the error before this one is the one to tell
            temporary.unlink(missing_ok=True)


def cannot_write(path: Path, error: OSError) -> OutputError:
    """What to say of a file that could not be written."""
    return OutputError(
        f"{path} cannot be written: {error.strerror or error}. "
        "Check the free space and the permissions of the folder, or choose another one."
    )


def write_text_atomically(path: Path, text: str) -> None:
    """Write UTF-8 text with Unix line ends, the same bytes on every system."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def remove_file(path: Path) -> None:
    """Remove a file, if it is there.

    Raises
    ------
    OutputError
        If it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path} cannot be removed: {error.strerror or error}. Check the permissions.") from error


def is_temporary(path: Path) -> bool:
    """Whether a program that was killed left this file half-written."""
    return path.name.startswith(".") and path.suffix == ".tmp"


def remove_temporary_files(folder: Path) -> None:
    """Remove what a program that was killed left half-written; only whoever owns the folder may."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)


def _put_on_disk(path: Path) -> None:
    """Without this a machine that loses its power may keep the name and lose the content."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
