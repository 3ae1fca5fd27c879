"""Whether the images recognise the map: what the march waits for (docs/method.md, "Waiting for the map").

A wrong map explains the images hardly any better with finer detail. Where the right one takes hold, it comes quickly:
within a few dozen iterations the evidence rises by half. The agreement of the map's halves does not tell: both were
posed on one map, and where the noise is strong they agree on a wrong one too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RISE, LEAST_RISE, MOST_RISE = 0.25, 1.0, 4.0
"""The images recognise the map once the evidence is above its least value by this share of it, but by no less and no
more than so many nats an image: a low-resolution outline, a micelle, may hold much of the evidence."""

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

    @property
    def has_come(self) -> bool:
        """Whether the images recognise a map."""
        return bool(self.evidence - self.least > np.clip(RISE * abs(self.least), LEAST_RISE, MOST_RISE))


NOTHING_KNOWN = Recognition()
"""Before the first iteration."""
