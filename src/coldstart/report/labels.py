"""Where the particles went: used, of low confidence, not used, not posed."""

from dataclasses import dataclass

import numpy as np

from coldstart.model.state import PoseTable

LABELS = ("used", "low confidence", "unused")


@dataclass(frozen=True, slots=True)
class LabelRow:
    """How many particles of a class have each of LABELS, and how many it has."""

    number: int
    counts: list[int]
    total: int


def label_rows(poses: PoseTable) -> list[LabelRow]:
    """One row a class."""
    labels, classes = poses.label, poses.class_index
    rows = []
    for index in range(poses.classes):
        own = labels[classes == index]
        rows.append(LabelRow(index + 1, [int(np.sum(own == label)) for label in LABELS], len(own)))
    return rows


def particle_sentence(poses: PoseTable, particle_count: int) -> str:
    """What became of the particles of the input, in a sentence or two."""
    posed, used = len(poses.particle), int(poses.used.sum())
    parts = [f"Of {particle_count:,} particles in the input the run used {used:,}"]
    if posed > used:
        parts.append(f"{posed - used:,} more were posed on its maps but are not in them")
    if particle_count > posed:
        parts.append(f"{particle_count - posed:,} were not needed")
    doubtful = int(np.sum(poses.label == "low confidence"))
    tail = f" {doubtful:,} of those posed {'is' if doubtful == 1 else 'are'} of low confidence." if doubtful else ""
    return "; ".join(parts) + "." + tail
