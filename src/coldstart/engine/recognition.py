"""Whether the images recognise the map: what the march waits for (docs/method.md, "Waiting for the map").

A wrong map explains the images by what it has learnt of their noise. It explains them hardly any better with finer
detail, and its halves part there. Where the right map takes hold, it comes quickly: within a few dozen iterations the
evidence rises by half.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

AGREES = 0.8
"""Correlation of a map's halves at the edge of the band from which the images recognise it."""

RISE, LEAST_RISE = 0.25, 1.0
"""They do as well once the evidence is above its least value by this share of it, and by so many nats an image."""

MEMORY = 0.9
"""Share of an iteration in the running mean that is left at the next."""


@dataclass(frozen=True, slots=True)
class Recognition:
    """What the images have said of the maps.

    Attributes
    ----------
    evidence : float
        Running mean over the iterations of the log evidence an image, in nats; NaN before the first.
    least : float
        Its least value since it counts.
    """

    evidence: float = float("nan")
    least: float = float("inf")

    def after(self, evidence: float, *, counts: bool) -> Recognition:
        """After an iteration of this mean log evidence an image; it counts once the start has settled."""
        known = evidence if np.isnan(self.evidence) else MEMORY * self.evidence + (1.0 - MEMORY) * evidence
        return Recognition(known, min(self.least, known) if counts else self.least)

    def has_come(self, edge: float) -> bool:
        """Whether the images recognise a map whose halves correlate by `edge` at the edge of the band."""
        return edge >= AGREES or self.evidence - self.least > max(RISE * abs(self.least), LEAST_RISE)


NOTHING_KNOWN = Recognition()
"""Before the first iteration."""
