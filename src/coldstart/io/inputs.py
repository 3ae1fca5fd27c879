"""Where the input of a run came from: the record that `inputs.json` holds, and what has changed since it was made."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from coldstart.errors import OutputError, ParticleFileError
from coldstart.io.cryosparc_files import read_group
from coldstart.io.files import write_text_atomically
from coldstart.io.suffixes import GROUP_SUFFIX, ends_in

FileKind = Literal["table", "stack", "map"]


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file as it was when the run began.

    Attributes
    ----------
    kind : {"table", "stack", "map"}
    path : str
        Absolute.
    bytes : int
        Size.
    modified : str
        Time of the last modification, in UTC to the microsecond.
    sha256 : str or None
        Checksum of the content; None for stacks, which are too large to be read for it.
    """

    kind: FileKind
    path: str
    bytes: int
    modified: str
    sha256: str | None = None

    @classmethod
    def of(cls, kind: FileKind, path: Path) -> "InputFile":
        """A file as it is now.

        Raises
        ------
        OSError
            If it is not there or cannot be read.
        """
        status = path.stat()
        modified = datetime.fromtimestamp(status.st_mtime_ns // 1000 / 1e6, UTC).isoformat(timespec="microseconds")
        checksum = None
        if kind != "stack":
            with path.open("rb") as file:
                checksum = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(kind, str(path.absolute()), status.st_size, modified, checksum)

    def change(self, path: Path | None = None) -> str | None:
        """What has changed of this file, or of its copy at another path; None where nothing has.

        A table or map whose content is the same has not changed, whatever its time says.
        """
        path = Path(self.path) if path is None else path
        try:
            now = InputFile.of(self.kind, path)
        except OSError as error:
            return f"the {self.kind} {path} cannot be read any more: {error.strerror or error}"
        if now.bytes != self.bytes:
            return f"the {self.kind} {path} had {self.bytes:,} bytes, and now has {now.bytes:,}"
        if self.sha256 is not None:
            return None if now.sha256 == self.sha256 else f"the content of the {self.kind} {path} has changed"
        if now.modified != self.modified:
            then, later = _times_text(self.modified, now.modified)
            return f"the {self.kind} {path} was last modified on {then}, and now on {later}"
        return None


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a run read.

    Attributes
    ----------
    particles : str
        The particle file as the user named it, or the folder of stacks.
    path : str
        The same, absolute.
    data_root : str or None
        Folder that the stack paths of the table are relative to, absolute, where one was given.
    files : tuple of InputFile
        The table, if there is one, with the datasets of a group; the stacks in the order of the table; the initial
        volume.
    warnings : tuple of str
        What the check before the run warned of, which goes on to be said of its result.
    """

    particles: str
    path: str
    data_root: str | None
    files: tuple[InputFile, ...]
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, particles: Path, data_root: Path | None, stacks: Sequence[Path], initial_volume: Path | None = None
    ) -> "Inputs":
        """The files as they are now.

        Raises
        ------
        ParticleFileError
            If one of them cannot be read.
        """
        tables = [] if particles in stacks or particles.is_dir() else [particles]
        if ends_in(particles, (GROUP_SUFFIX,)):
            tables += dict.fromkeys(read_group(particles).values())
        kinds: list[tuple[FileKind, Path]] = [("table", path) for path in tables]
        kinds += [("stack", path) for path in stacks]
        if initial_volume is not None:
            kinds.append(("map", initial_volume))
        root = None if data_root is None else str(data_root.absolute())
        files = tuple(_described(kind, path) for kind, path in kinds)
        return cls(str(particles), str(particles.absolute()), root, files)

    def changes(self, *kinds: FileKind) -> list[str]:
        """What has changed of the files of these kinds, or of all where none is named, one sentence's part each."""
        return _known(file.change() for file in self.files if not kinds or file.kind in kinds)

    def stack_changes(self, stacks: Sequence[Path]) -> list[str]:
        """What has changed of the stacks, which may lie elsewhere now; in the order of the table."""
        known = [file for file in self.files if file.kind == "stack"]
        if len(stacks) != len(known):
            return [f"there were {len(known):,} stacks, and now there are {len(stacks):,}"]
        return _known(file.change(path) for file, path in zip(known, stacks, strict=True))


def changes_text(changes: Sequence[str]) -> str:
    """Changes as a sentence that names the first one."""
    others = len(changes) - 1
    more = f" ({others:,} more {'file has' if others == 1 else 'files have'} changed)" if others else ""
    return f"the input is not what it was when the run began: {changes[0]}{more}."


def write_inputs(path: Path, inputs: Inputs) -> None:
    """Write `inputs.json`; escapes keep file names that are no valid text.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    write_text_atomically(path, json.dumps(asdict(inputs), indent=2) + "\n")


def read_inputs(path: Path) -> Inputs | None:
    """Read `inputs.json`; None where there is none, as in the run folders of earlier versions.

    Raises
    ------
    OutputError
        If it is no record of a run's input.
    """
    try:
        record: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        files = tuple(InputFile(**file) for file in record["files"])
        warnings = tuple(record.get("warnings", ()))
        return Inputs(record["particles"], record["path"], record["data_root"], files, warnings)
    except FileNotFoundError:
        return None
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise OutputError(f"{path} cannot be read: {error}. It is no record of a run's input.") from error


def _described(kind: FileKind, path: Path) -> InputFile:
    try:
        return InputFile.of(kind, path)
    except OSError as error:
        raise ParticleFileError(f"{path} cannot be read: {error.strerror or error}. Check the path.") from error


def _times_text(*times: str) -> tuple[str, ...]:
    """Times to the second, and as they are recorded where that does not tell them apart."""
    short = tuple(f"{datetime.fromisoformat(time):%Y-%m-%d %H:%M:%S} UTC" for time in times)
    return short if len(set(short)) == len(times) else times


def _known(changes: Iterable[str | None]) -> list[str]:
    return [change for change in changes if change is not None]
