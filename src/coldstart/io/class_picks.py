"""What was ticked, merged and asked for when the results of a run were looked at: picks.json in its folder.

It says nothing of the run, and nothing else reads it: it brings a results panel back as it was left.
"""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from coldstart.io.files import write_text_atomically
from coldstart.io.results import RunFolder

_NAME = "picks.json"


@dataclass(frozen=True, slots=True)
class ClassPicks:
    """How a run was left.

    Attributes
    ----------
    discarded : tuple of int
        Classes, from 1, whose particles are not wanted.
    merged : tuple of tuple of int
        Groups of classes to write as one.
    min_posterior : float
        Least posterior of a particle's class.
    labels : tuple of str
        Wanted labels; all where it is empty.
    other_hand : bool
        Whether the mirror images are shown.
    coloring : str
        What the directions are coloured by; empty for the default.
    """

    discarded: tuple[int, ...] = ()
    merged: tuple[tuple[int, ...], ...] = ()
    min_posterior: float = 0.0
    labels: tuple[str, ...] = ()
    other_hand: bool = False
    coloring: str = ""


def save_picks(folder: RunFolder, picks: ClassPicks) -> None:
    """Write the picks into the folder of their run.

    Raises
    ------
    OutputError
        If the folder may not be written.
    """
    write_text_atomically(_path(folder), json.dumps(asdict(picks), indent=2) + "\n")


def load_picks(folder: RunFolder) -> ClassPicks:
    """The picks of a run; the default where there are none, or none that can be read."""
    try:
        record = json.loads(_path(folder).read_text(encoding="utf-8"))
        return _picks(record)
    except (OSError, ValueError, TypeError, AttributeError):
        return ClassPicks()


def _picks(record: dict[str, Any]) -> ClassPicks:
    known = {item.name: record[item.name] for item in fields(ClassPicks) if item.name in record}
    known["discarded"] = tuple(int(number) for number in known.get("discarded", ()))
    known["merged"] = tuple(tuple(int(number) for number in group) for group in known.get("merged", ()))
    known["labels"] = tuple(str(label) for label in known.get("labels", ()))
    known["min_posterior"] = float(known.get("min_posterior", 0.0))
    return ClassPicks(**known)


def _path(folder: RunFolder) -> Path:
    return folder.path / _NAME
