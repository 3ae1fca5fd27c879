"""Folders that hold several runs on the same particles: the starts of `--starts`, and the jobs of several `--classes`.

Their own runs are parts, each in a run folder of its own. What the starts agree on is a part too: in the outer folder.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from coldstart.errors import OutputError
from coldstart.io.consensus_files import read_consensus
from coldstart.io.files import write_text_atomically
from coldstart.io.opened_run import is_run_folder
from coldstart.io.runs_plan import Kind, RunsPlan, has_consensus, has_plan, read_plan
from coldstart.model.starts import ConsensusRecord

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
    """The parts of a folder that can be shown, that which says most first.

    Raises
    ------
    OutputError
        If it holds no runs, or none has begun; if the record of the starts cannot be read.
    """
    plan = read_plan(outer)
    parts = _jobs(outer, plan) if plan.kind is Kind.CLASSES else _starts(outer, plan)
    if not parts:
        raise OutputError(f"none of the {plan.plural} in {outer} has begun: resume it, or begin again elsewhere.")
    return parts


def holds_runs(path: Path) -> bool:
    """Whether a folder holds several runs, from the names in it alone."""
    return has_plan(path)


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


def _starts(outer: Path, plan: RunsPlan) -> tuple[RunPart, ...]:
    """Starts or halves, and before them what they have in common."""
    consensus = read_consensus(outer) if has_consensus(outer) else None
    parts = [] if consensus is None else [RunPart("Consensus of the starts", outer)]
    if plan.kind is Kind.HALVES and is_run_folder(outer):
        parts = [RunPart("Both halves together", outer)]
    for number, folder in zip(plan.numbers, plan.folders(outer), strict=True):
        if is_run_folder(folder):
            remark = "" if consensus is None else _remark(consensus, number, folder)
            parts.append(RunPart(f"{plan.name.capitalize()} {number}{remark}", folder))
    return tuple(parts)


def _remark(consensus: ConsensusRecord, number: int, folder: Path) -> str:
    """What there is to say of a start beside its number."""
    known = {start.folder: start for start in consensus.starts}
    if number == consensus.best:
        return ", the best"
    if folder.name not in known:
        return ""
    start = known[folder.name]
    if start.agrees_to_angstrom is not None:
        return f", agrees to {start.agrees_to_angstrom:.0f} Å"
    return ", left" if start.status == "left" else ", another map"


def _jobs(outer: Path, plan: RunsPlan) -> tuple[RunPart, ...]:
    """Numbers of classes, the lowest first."""
    begun = sorted(pair for pair in zip(plan.numbers, plan.folders(outer), strict=True) if is_run_folder(pair[1]))
    return tuple(RunPart(f"{number} {'class' if number == 1 else 'classes'}", folder) for number, folder in begun)
