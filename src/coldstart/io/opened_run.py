"""A run folder as far as it can be read: of a run that finished, stopped, failed or still goes on, of any version.

What is missing or damaged is named in `OpenedRun.problems` instead of raised, so that the rest can be looked at.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from coldstart.errors import ColdstartError, OutputError
from coldstart.io.consensus_files import read_consensus
from coldstart.io.result_files import SnapshotFile
from coldstart.io.results import RunFolder
from coldstart.io.run_records import Summary
from coldstart.io.runs_plan import has_consensus, read_plan
from coldstart.model.starts import ConsensusRecord
from coldstart.model.state import IterationStats
from coldstart.params import AbInitioParams

_MAP_NAME = re.compile(r"volume(?:_class_(\d+))?\.mrc")
_RUN_FILES = ("summary.json", "log.jsonl", "params.json")

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class MapFile:
    """The map of a class.

    Attributes
    ----------
    class_number : int
        From 1.
    path : Path
    iteration : int or None
        Of a snapshot; None for a result.
    """

    class_number: int
    path: Path
    iteration: int | None = None


@dataclass(frozen=True, slots=True)
class OpenedRun:
    """What could be read of a run folder.

    Attributes
    ----------
    folder : RunFolder
    summary : Summary or None
    params : AbInitioParams or None
    iterations : tuple of IterationStats
    snapshots : tuple of SnapshotFile
    maps : tuple of MapFile
        One a class: the results, or where there are none the last snapshots.
    table_path : Path or None
        Particles with their poses.
    problems : tuple of str
        What could not be read, and why.
    consensus : ConsensusRecord or None
        Where the folder is that of several starts: the maps are then their mean, and `summary` is that of the best.
    """

    folder: RunFolder
    summary: Summary | None
    params: AbInitioParams | None
    iterations: tuple[IterationStats, ...]
    snapshots: tuple[SnapshotFile, ...]
    maps: tuple[MapFile, ...]
    table_path: Path | None
    problems: tuple[str, ...]
    consensus: ConsensusRecord | None = None

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.path.absolute().name

    @property
    def has_results(self) -> bool:
        """Whether the maps are those of the end of the run."""
        return any(entry.iteration is None for entry in self.maps)


def is_run_folder(path: Path) -> bool:
    """Whether a folder looks like that of a run, from the names in it alone."""
    return path.is_dir() and sum((path / name).is_file() for name in _RUN_FILES) >= 2


def open_run(path: Path) -> OpenedRun:
    """Read what there is of a run, except the maps and tables themselves.

    Raises
    ------
    OutputError
        If the folder is none of a run, nor of starts that have been compared.
    """
    path = Path(path)
    if has_consensus(path):
        return _open_consensus(path)
    if not is_run_folder(path):
        raise OutputError(f"{path} is no run folder: it lacks {' and '.join(_RUN_FILES[:2])}. Give one that has them.")
    folder = RunFolder(path)
    problems: list[str] = []
    snapshots = folder.load_snapshots()
    return OpenedRun(
        folder=folder,
        summary=_tried(folder.load_summary, problems),
        params=_tried(folder.load_params, problems),
        iterations=_tried(folder.load_iterations, problems) or (),
        snapshots=snapshots,
        maps=_result_maps(path) or _last_snapshots(snapshots),
        table_path=_first_file(folder.table_path(2), folder.table_path(1)),
        problems=tuple(problems),
    )


def _open_consensus(path: Path) -> OpenedRun:
    """What several starts agree on, with what the best of them says of classes and particles."""
    problems: list[str] = []
    folder, plan = RunFolder(path), _tried(partial(read_plan, path), problems)
    record = _tried(partial(read_consensus, path), problems)
    best = None if record is None else RunFolder(path / record.starts[record.best - 1].folder)
    return OpenedRun(
        folder=folder,
        summary=None if best is None else _tried(best.load_summary, problems),
        params=None if plan is None else plan.params,
        iterations=(),
        snapshots=(),
        maps=_result_maps(path),
        table_path=_first_file(folder.table_path(2), folder.table_path(1)),
        problems=tuple(problems),
        consensus=record,
    )


def _tried(load: Callable[[], Value], problems: list[str]) -> Value | None:
    """What a loader gives; None where it fails, and why among the problems."""
    try:
        return load()
    except ColdstartError as error:
        problems.append(str(error))
    except ValidationError as error:
        problems.append(f"params.json is of another version and cannot be loaded: {_refused(error)}")
    return None


def _refused(error: ValidationError) -> str:
    """The fields and why each was refused; pydantic's own text fills many lines."""
    return "; ".join(f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in error.errors())


def _result_maps(path: Path) -> tuple[MapFile, ...]:
    found = []
    for file in path.glob("volume*.mrc"):
        match = _MAP_NAME.fullmatch(file.name)
        if match is not None:
            found.append(MapFile(int(match[1] or 1), file))
    return tuple(sorted(found, key=lambda entry: entry.class_number))


def _last_snapshots(snapshots: tuple[SnapshotFile, ...]) -> tuple[MapFile, ...]:
    last = max((snapshot.iteration for snapshot in snapshots), default=0)
    return tuple(
        MapFile(snapshot.class_number, snapshot.path, iteration=last)
        for snapshot in snapshots
        if snapshot.iteration == last
    )


def _first_file(*paths: Path) -> Path | None:
    return next((path for path in paths if path.is_file()), None)
