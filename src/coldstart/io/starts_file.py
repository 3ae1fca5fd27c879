"""What several starts, or two halves, were asked for: starts.json in the folder that holds their run folders.

From it, and from what is in these folders, runs that were left go on.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from coldstart.errors import OutputError
from coldstart.io.files import write_text_atomically
from coldstart.io.run_paths import RunPaths
from coldstart.params import AbInitioParams

_NAME = "starts.json"
CONSENSUS_NAME = "consensus.json"


@dataclass(frozen=True, slots=True)
class StartsPlan:
    """Several starts on the same particles, or on the halves of them.

    Attributes
    ----------
    particles : Path
    data_root : Path or None
    params : AbInitioParams
        Of the first start; each further one has the next seed.
    starts : int
        How many.
    halves : bool
        Whether each has a half of the particles to itself; there are two then.
    """

    particles: Path
    data_root: Path | None
    params: AbInitioParams
    starts: int
    halves: bool = False

    @property
    def name(self) -> str:
        """What one of them is called: "start" or "half"."""
        return "half" if self.halves else "start"

    @property
    def plural(self) -> str:
        """What they are called together."""
        return "halves" if self.halves else "starts"

    def job(self, number: int) -> AbInitioParams:
        """Parameters of a start, from 0; a half poses all of its particles."""
        changes: dict[str, Any] = {"seed": self.params.seed + number}
        if self.halves:
            changes |= {"half": number + 1, "all_particles": True}
        return self.params.model_copy(update=changes)

    def folder(self, output: Path, number: int) -> Path:
        """The run folder of a start, from 0."""
        return output / f"{self.name}_{number + 1}"


def has_starts(output: Path) -> bool:
    """Whether the folder holds several starts, or two halves."""
    return (output / _NAME).is_file()


def has_consensus(output: Path) -> bool:
    """Whether the starts in a folder have been compared."""
    return (output / CONSENSUS_NAME).is_file()


def has_halves(output: Path) -> bool:
    """Whether the two halves in a folder have been compared."""
    return RunPaths(output).halves_path.is_file()


def write_starts(output: Path, plan: StartsPlan) -> None:
    """Write the plan.

    Raises
    ------
    OutputError
        If the folder may not be written.
    """
    record = {
        "particles": str(plan.particles.absolute()),
        "data_root": None if plan.data_root is None else str(plan.data_root.absolute()),
        "starts": plan.starts,
        "halves": plan.halves,
        "params": plan.params.model_dump(mode="json"),
    }
    write_text_atomically(output / _NAME, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def read_starts(output: Path) -> StartsPlan:
    """The plan of the starts in a folder.

    Raises
    ------
    OutputError
        If there is none, or it cannot be read.
    """
    path = output / _NAME
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        root = record["data_root"]
        params = AbInitioParams.model_validate(record["params"])
        root = None if root is None else Path(root)
        return StartsPlan(Path(record["particles"]), root, params, record["starts"], record.get("halves", False))
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise OutputError(
            f"{path} cannot be read: {error}. Begin again with coldstart run and another folder."
        ) from error
