"""What is known of several starts on the same particles, and what to make of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coldstart.model.state import IterationStats

JUDGED_ITERATIONS = 20
"""Iterations of the final phase after which a start is judged."""

CLEARLY = 4.0
"""Standard errors by which the evidence of a start must fall short for it to be left."""

LEAST_SHORTFALL = 0.05
"""And at least such a share of the best evidence: equally good starts differ by chance."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Mean log evidence an image over the judged iterations, and its standard error, in nats."""

    mean: float
    error: float

    @classmethod
    def of(cls, iterations: Sequence[IterationStats]) -> "Evidence":
        """From a run's log."""
        final = [row for row in iterations if row.phase == "final"][:JUDGED_ITERATIONS]
        values = [row.log_likelihood for row in final or iterations[-JUDGED_ITERATIONS:]]
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        return cls(float(np.mean(values)), spread / float(np.sqrt(len(values))))

    def is_behind(self, best: "Evidence") -> bool:
        """Whether it clearly falls short of that of the best start."""
        clearly = CLEARLY * float(np.hypot(self.error, best.error))
        return best.mean - self.mean > max(clearly, LEAST_SHORTFALL * abs(best.mean))


@dataclass(frozen=True, slots=True)
class StartRecord:
    """A start, as consensus.json has it.

    Attributes
    ----------
    folder : str
    seed : int
    status : str
        "completed", "stopped", or "left" where the race went on without it.
    iterations : int
    evidence : float
        Mean log evidence an image at which the starts were judged, in nats.
    group : int
        Starts of one group have the same map; from 1.
    agrees_to_angstrom : float or None
        Where the correlation of its map with that of the best start falls below 0.5; None outside of its group.
    """

    folder: str
    seed: int
    status: str
    iterations: int
    evidence: float
    group: int
    agrees_to_angstrom: float | None = None


@dataclass(frozen=True, slots=True)
class ConsensusRecord:
    """What several starts agree on, as consensus.json has it.

    Attributes
    ----------
    verdict : str
        In words.
    agreeing : int
        Starts in the group of the best one.
    best : int
        Number of the start in whose frame the maps and the poses are, from 1.
    resolution_angstrom : float or None
        Up to which all of these agree; None where there is one.
    poses_agreed : float or None
        Share of the particles whose pose and class at least half of the other agreeing starts share.
    similarity : tuple of tuple of float
        Correlation of the maps of any two starts.
    starts : tuple of StartRecord
    """

    verdict: str
    agreeing: int
    best: int
    resolution_angstrom: float | None
    poses_agreed: float | None
    similarity: tuple[tuple[float, ...], ...]
    starts: tuple[StartRecord, ...]


def verdict(evidence: Sequence[Evidence], best: int, agreeing: int, resolution_angstrom: float | None) -> str:
    """What to make of several starts, in words.

    Parameters
    ----------
    evidence : sequence of Evidence
        Of each start.
    best : int
        The best one, from 0.
    agreeing : int
        Starts that ended with its maps, itself among them.
    resolution_angstrom : float or None
        Up to which they agree; None where there is no other.
    """
    count = len(evidence)
    if resolution_angstrom is None:
        return (
            f"No other of the {count} starts agrees with the best one, start {best + 1}: do not trust its map alone. "
            "Try more starts, more or cleaner particles, or a smaller number of Å for the initial resolution."
        )
    who = f"All {count} starts agree" if agreeing == count else f"{agreeing} of {count} starts agree"
    behind = [own.mean for own in evidence if own.is_behind(evidence[best])]
    text = f"{who} to {resolution_angstrom:.0f} Å."
    if behind:
        ahead = evidence[best].mean - max(behind)
        text += f" Their map explains an image better than the others' by {ahead:.1f} nats or more."
    return text
