"""Particles that are there twice: they count twice, and both halves of a later refinement may see them."""

import numpy as np

from coldstart.check.evidence import Evidence
from coldstart.check.text import numbered, plural
from coldstart.model.check_report import Finding


def check_duplicate_rows(evidence: Evidence) -> list[Finding]:
    """Rows that name the same image."""
    number = evidence.stack.image_number
    order = np.argsort(number, kind="stable")
    again = np.sort(order[1:][number[order[1:]] == number[order[:-1]]])
    if not len(again):
        return []
    return [
        Finding(
            "duplicates",
            "warning",
            f"{plural(len(again), 'row')} of {len(number):,} name an image that an earlier row has named "
            f"(particle rows {numbered(again)}).",
            "Remove the repeated rows from the table (cryoSPARC: Remove Duplicate Particles).",
            tuple(again.tolist()),
        )
    ]


def check_copied_images(evidence: Evidence) -> list[Finding]:
    """Images with equal pixels under different names."""
    copies = sorted(evidence.scan.copies)
    if not copies:
        return []
    row, first = copies[0]
    return [
        Finding(
            "copies",
            "warning",
            f"{plural(len(copies), 'image')} of {evidence.scan.images:,} looked at are pixel by pixel the same as "
            f"another one under another name; the first in particle row {row + 1}, the same as in row {first + 1}.",
            "Remove the copies from the table, and see whether a stack was joined twice.",
            tuple(row for row, _ in copies),
        )
    ]
