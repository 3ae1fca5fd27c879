"""Several runs on the same particles: runs.json in the folder that holds their run folders says what was asked for.

They are starts, halves of the particles, or numbers of classes. From the plan, and from what is in these folders, runs
that were left go on.
"""

import json
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from coldstart.errors import OutputError
from coldstart.io.files import write_text_atomically
from coldstart.io.run_paths import RunPaths
from coldstart.params import AbInitioParams

_NAME = "runs.json"
CONSENSUS_NAME = "consensus.json"


class Kind(Enum):
    """In what several runs differ."""

    STARTS = "starts"
    HALVES = "halves"
    CLASSES = "classes"


_CALLED = {Kind.STARTS: ("start", "starts"), Kind.HALVES: ("half", "halves"), Kind.CLASSES: ("job", "jobs")}
_FOLDER = {Kind.STARTS: "start", Kind.HALVES: "half", Kind.CLASSES: "classes"}


@dataclass(frozen=True, slots=True)
class RunsPlan:
    """Several runs on the same particles, or on the halves of them.

    Attributes
    ----------
    kind : Kind
    particles : Path
    data_root : Path or None
    params : AbInitioParams
        What all of them have in common, and the seed of the first.
    numbers : tuple of int
        Of each run, from which it has its name: of starts and halves 1, 2, ...; otherwise its number of classes.
    """

    kind: Kind
    particles: Path
    data_root: Path | None
    params: AbInitioParams
    numbers: tuple[int, ...]

    @property
    def name(self) -> str:
        """What one of them is called: "start", "half" or "job"."""
        return _CALLED[self.kind][0]

    @property
    def plural(self) -> str:
        """What they are called together."""
        return _CALLED[self.kind][1]

    @property
    def jobs(self) -> list[AbInitioParams]:
        """Parameters of each run: starts and halves have one seed after the other; halves pose all their particles."""
        return [self.params.model_copy(update=self._changes(number)) for number in self.numbers]

    def _changes(self, number: int) -> dict[str, Any]:
        if self.kind is Kind.CLASSES:
            return {"classes": number}
        seed = {"seed": self.params.seed + number - 1}
        return seed | ({"half": number, "all_particles": True} if self.kind is Kind.HALVES else {})

    def folders(self, output: Path) -> list[Path]:
        """The folder of each run."""
        return [_folder(output, self.kind, number) for number in self.numbers]


def job_folder(output: Path, classes: int) -> Path:
    """The run folder of the job with this many classes."""
    return _folder(output, Kind.CLASSES, classes)


def _folder(output: Path, kind: Kind, number: int) -> Path:
    return output / f"{_FOLDER[kind]}_{number}"


def has_plan(output: Path) -> bool:
    """Whether the folder holds several runs."""
    return (output / _NAME).is_file()


def has_consensus(output: Path) -> bool:
    """Whether the starts in a folder have been compared."""
    return (output / CONSENSUS_NAME).is_file()


def has_halves(output: Path) -> bool:
    """Whether the two halves in a folder have been compared."""
    return RunPaths(output).halves_path.is_file()


def write_plan(output: Path, plan: RunsPlan) -> None:
    """Write the plan.

    Raises
    ------
    OutputError
        If the folder may not be written.
    """
    record = {
        "kind": plan.kind.value,
        "particles": str(plan.particles.absolute()),
        "data_root": None if plan.data_root is None else str(plan.data_root.absolute()),
        "numbers": plan.numbers,
        "params": plan.params.model_dump(mode="json"),
    }
    write_text_atomically(output / _NAME, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def read_plan(output: Path) -> RunsPlan:
    """The plan of the runs in a folder.

    Raises
    ------
    OutputError
        If there is none, or it cannot be read.
    """
    path = output / _NAME
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        root = None if record["data_root"] is None else Path(record["data_root"])
        params = AbInitioParams.model_validate(record["params"])
        return RunsPlan(Kind(record["kind"]), Path(record["particles"]), root, params, tuple(record["numbers"]))
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise OutputError(
            f"{path} cannot be read: {error}. Begin again with coldstart run and another folder."
        ) from error
