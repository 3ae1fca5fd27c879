"""The run folder: what is in it, and how it is written and read.

    params.json                      the parameters
    inputs.json                      where the particles came from
    checkpoint.npz                   what the run goes on from, while there is something left to do
    summary.json                     status and figures of the run; there from the start, with status "running"
    log.jsonl                        one line an iteration
    snapshots/                       the maps while the run goes on, iteration_NNNNN_class_N.mrc
    all_volumes.zip                  the same maps in one file, volume_class_N_iteration_NNNNN.mrc
    volume.mrc                       the map; volume_class_N.mrc where there are several classes
    volume_flipped.mrc               its mirror image; volume_class_N_flipped.mrc
    volume_half1.mrc, _half2.mrc     the same from half of the particles each; volume_class_N_half1.mrc, _half2.mrc
    particles.star                   the particles that have a pose; particles_all_classes.star
    particles_flipped.star           the same with the poses on the mirror image; particles_all_classes_flipped.star
    particles_class_N.star           those of each class, where there are several
    particles_unused.star            the particles that have no pose, if any
    particles*.cs, particles*.csg    the same tables for cryoSPARC, where the input was one of its datasets
    report.html                      the run as a page

`run_paths` has the names, `result_files` writes what a finished run leaves, `run_records` knows the JSON.
Every file appears whole or not at all, except log.jsonl, which grows by whole lines. `lock` keeps other runs out.
"""

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coldstart.errors import OutputError
from coldstart.io.files import cannot_write, is_temporary, remove_temporary_files, write_text_atomically
from coldstart.io.lock import LOCK_NAME
from coldstart.io.mrc import MrcStackSource, write_map
from coldstart.io.params_file import write_params_file
from coldstart.io.result_files import (
    SnapshotFile,
    write_archive,
    write_datasets,
    write_halves,
    write_maps,
    write_tables,
)
from coldstart.io.run_paths import RunPaths
from coldstart.io.run_records import (
    Summary,
    read_stats,
    read_summary,
    stats_record,
    summary_record,
)
from coldstart.model.particles import Particles
from coldstart.model.state import IterationStats, RunResult, Snapshot
from coldstart.params import AbInitioParams

_SNAPSHOTS = "snapshots"
_SNAPSHOT_PATTERN = re.compile(r"iteration_(\d+)_class_(\d+)\.mrc")


@dataclass(frozen=True, slots=True)
class RunFolder(RunPaths):
    """A run folder at `path`. `create` makes a new one; the constructor takes one that is there, for reading."""

    @classmethod
    def create(cls, path: Path) -> "RunFolder":
        """Make the folder, with its parents.

        Raises
        ------
        OutputError
            If the path is a file or a folder with something in it, or cannot be made or written.
        """
        folder = cls(Path(path))
        make_folder(folder.path)
        make_folder(folder.path / _SNAPSHOTS)
        return folder

    def write_params(self, params: AbInitioParams) -> None:
        """Write params.json."""
        write_params_file(self.path / "params.json", params)

    def write_summary(self, summary: Summary) -> None:
        """Write summary.json, in place of an earlier one."""
        self._write_json("summary.json", summary_record(summary))

    def append_iteration(self, stats: IterationStats) -> None:
        """Add a line to log.jsonl.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        path = self._log_path
        size = path.stat().st_size if path.exists() else 0
        try:
            with path.open("a", encoding="utf-8", newline="\n") as log:
                log.write(_log_line(stats))
        except OSError as error:
            with suppress(OSError):
                os.truncate(path, size)
            raise cannot_write(path, error) from error

    def rewind(self, iterations: Sequence[IterationStats], is_kept: Callable[[int], bool]) -> None:
        """Put the folder back to where a run goes on: after these iterations, with their snapshots alone.

        Parameters
        ----------
        iterations : sequence of IterationStats
            All before the one that follows; log.jsonl holds these and no others.
        is_kept : callable
            Whether a run keeps the maps of an iteration.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        """
        last = iterations[-1].iteration if iterations else 0
        try:
            remove_temporary_files(self.path)
            (self.path / _SNAPSHOTS).mkdir(exist_ok=True)
            remove_temporary_files(self.path / _SNAPSHOTS)
            for snapshot in self.load_snapshots():
                if snapshot.iteration > last or not is_kept(snapshot.iteration):
                    snapshot.path.unlink()
        except OSError as error:
            raise cannot_write(self.path, error) from error
        write_text_atomically(self._log_path, "".join(map(_log_line, iterations)))

    def write_snapshot(self, snapshot: Snapshot) -> tuple[SnapshotFile, ...]:
        """Write the maps after an iteration, one file a class."""
        files = []
        for number, volume in enumerate(snapshot.volumes, 1):
            path = self.snapshot_path(snapshot.stats.iteration, number)
            write_map(path, volume, snapshot.voxel_size_angstrom)
            files.append(SnapshotFile(snapshot.stats.iteration, number, path))
        return tuple(files)

    def write_result(self, particles: Particles, result: RunResult, source: MrcStackSource | None = None) -> None:
        """Write the maps, the particle tables, and the archive of the snapshots that there are.

        Parameters
        ----------
        particles : Particles
            All particles of the run.
        result : RunResult
        source : MrcStackSource, optional
            The stacks that were read; with it, relative image names in the tables lead from this folder to them.

        Raises
        ------
        OutputError
            If a file cannot be written.
        """
        write_maps(self, result)
        write_halves(self, result)
        write_tables(self, particles, result, source)
        if particles.records is not None and source is not None:
            write_datasets(self, particles, result, source, invert=False)
        snapshots = self.load_snapshots()
        if snapshots:
            write_archive(self.archive_path, snapshots)

    def load_params(self) -> AbInitioParams:
        """Read params.json."""
        return AbInitioParams.model_validate(self._read_json("params.json"))

    def load_summary(self) -> Summary:
        """Read summary.json, of this version or an earlier one.

        Raises
        ------
        OutputError
            If it is missing or is no summary of a run.
        """
        record = self._read_json("summary.json")
        try:
            return read_summary(record)
        except ValueError as error:
            raise _not_a_run(self.summary_path, error) from error

    def load_iterations(self) -> tuple[IterationStats, ...]:
        """Read log.jsonl, of this version or an earlier one; a last line that was cut off by a crash is left out.

        Raises
        ------
        OutputError
            If a line is no record of an iteration.
        """
        path = self._log_path
        if not path.is_file():
            return ()
        whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
        return tuple(_iteration(line, number, path) for number, line in enumerate(whole.splitlines(), 1))

    def load_snapshots(self) -> tuple[SnapshotFile, ...]:
        """List the snapshots, by iteration and class."""
        found = []
        for path in (self.path / _SNAPSHOTS).glob("*.mrc"):
            match = _SNAPSHOT_PATTERN.fullmatch(path.name)
            if match is not None:
                found.append(SnapshotFile(int(match[1]), int(match[2]), path))
        return tuple(sorted(found, key=lambda snapshot: (snapshot.iteration, snapshot.class_number)))

    @property
    def _log_path(self) -> Path:
        return self.path / "log.jsonl"

    def _write_json(self, name: str, record: Mapping[str, Any]) -> None:
        text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)
        write_text_atomically(self.path / name, text + "\n")

    def _read_json(self, name: str) -> dict[str, Any]:
        path = self.path / name
        try:
            return _parsed(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise _not_a_run(path, error) from error


def make_folder(path: Path) -> None:
    """Make an output folder, with its parents.

    Raises
    ------
    OutputError
        If the path is a file or a folder with something in it, or cannot be made.
    """
    try:
        check_unused(path)
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the output folder {path} cannot be made: {error.strerror or error}. Choose a folder that you may write."
        ) from error


def check_unused(path: Path) -> None:
    """Refuse an output folder that has something in it; what a run leaves that was killed at its start is nothing.

    Raises
    ------
    OutputError
        If the path is a file, or a folder with something in it.
    OSError
        If the folder cannot be read.
    """
    if path.exists() and not path.is_dir():
        raise OutputError(f"the output folder {path} is a file: choose another path.")
    if not path.is_dir() or all(_is_nothing(entry) for entry in path.iterdir()):
        return
    if RunPaths(path).checkpoint_path.is_file():
        raise OutputError(
            f"the output folder {path} holds a run that can go on: continue it with 'coldstart resume', "
            "or choose another folder."
        )
    raise OutputError(f"the output folder {path} is not empty: choose another one, or empty it first.")


def _is_nothing(path: Path) -> bool:
    """Whether an entry of a folder is what a run leaves that was killed before it had written anything."""
    if path.is_dir():
        return path.name == _SNAPSHOTS and not any(path.iterdir())
    return path.name == LOCK_NAME or is_temporary(path)


def _log_line(stats: IterationStats) -> str:
    return json.dumps(stats_record(stats), ensure_ascii=False, allow_nan=False) + "\n"


def _parsed(text: str) -> dict[str, Any]:
    record = json.loads(text)
    if not isinstance(record, dict):
        raise ValueError("it holds no JSON object")
    return record


def _iteration(line: str, number: int, path: Path) -> IterationStats:
    try:
        return read_stats(_parsed(line))
    except ValueError as error:
        raise OutputError(f"{path}, line {number}, is no record of an iteration: {error}.") from error


def _not_a_run(path: Path, error: Exception) -> OutputError:
    return OutputError(f"{path} cannot be read: {error}. Give the folder of a coldstart run.")
