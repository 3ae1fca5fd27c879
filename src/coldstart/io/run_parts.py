"""Folders that hold several runs on the same particles: the starts of `--starts`, and the jobs of several `--classes`.

Their own runs are parts, each in a run folder of its own. What the starts agree on is a part too: in the outer folder.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from coldstart.errors import OutputError
from coldstart.io.consensus_files import read_consensus
from coldstart.io.files import write_text_atomically
from coldstart.io.opened_run import is_run_folder
from coldstart.io.starts_file import has_consensus, has_starts, read_starts

_JOB_NAME = re.compile(r"classes_(\d+)")
_SHOWN_NAME = "shown.json"


@dataclass(frozen=True, slots=True)
class RunPart:
    """One of several runs on the same particles.

    Attributes
    ----------
    title : str
        What it is, for a list.
    path : Path
        Its folder; the outer one for what the starts agree on.
    """

    title: str
    path: Path


def run_parts(outer: Path) -> tuple[RunPart, ...]:
    """The parts of a folder that can be shown, that which says most first; none where it holds no runs.

    Raises
    ------
    OutputError
        If the record of the starts cannot be read.
    """
    return _starts(outer) if has_starts(outer) else _jobs(outer)


def holds_runs(path: Path) -> bool:
    """Whether a folder holds several runs, from the names in it alone."""
    return path.is_dir() and (has_starts(path) or bool(_jobs(path)))


def last_shown(outer: Path, parts: tuple[RunPart, ...]) -> RunPart:
    """The part that was last looked at; the first where that is not known."""
    try:
        name = json.loads((outer / _SHOWN_NAME).read_text(encoding="utf-8"))["part"]
    except (OSError, ValueError, KeyError, TypeError):
        return parts[0]
    return next((part for part in parts if part.path.name == name), parts[0])


def remember_shown(outer: Path, part: RunPart) -> None:
    """Take note of the part that is looked at.

    Raises
    ------
    OutputError
        If the folder may not be written.
    """
    write_text_atomically(outer / _SHOWN_NAME, json.dumps({"part": part.path.name}) + "\n")


def _starts(outer: Path) -> tuple[RunPart, ...]:
    plan = read_starts(outer)
    consensus = read_consensus(outer) if has_consensus(outer) else None
    parts = [] if consensus is None else [RunPart("Consensus of the starts", outer)]
    if plan.halves and is_run_folder(outer):
        parts = [RunPart("Both halves together", outer)]
    known = {} if consensus is None else {start.folder: start for start in consensus.starts}
    for number in range(plan.starts):
        folder = plan.folder(outer, number)
        if is_run_folder(folder):
            remark = ""
            if consensus is not None and number + 1 == consensus.best:
                remark = ", the best"
            elif folder.name in known:
                agrees = known[folder.name].agrees_to_angstrom
                remark = ", left" if known[folder.name].status == "left" else ", another map"
                remark = remark if agrees is None else f", agrees to {agrees:.0f} Å"
            parts.append(RunPart(f"{plan.name.capitalize()} {number + 1}{remark}", folder))
    if not parts:
        raise OutputError(f"none of the {plan.plural} in {outer} has begun: resume it, or begin again elsewhere.")
    return tuple(parts)


def _jobs(outer: Path) -> tuple[RunPart, ...]:
    """In the order of their numbers of classes."""
    found = {}
    for folder in outer.glob("classes_*"):
        match = _JOB_NAME.fullmatch(folder.name)
        if match is not None and is_run_folder(folder):
            found[int(match[1])] = folder
    return tuple(
        RunPart(f"{number} {'class' if number == 1 else 'classes'}", found[number]) for number in sorted(found)
    )
