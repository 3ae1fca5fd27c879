"""What is known of several starts on the same particles, and what to make of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from coldstart.model.state import IterationStats

JUDGED_ITERATIONS = 6
"""Iterations of the final phase after which a start is judged."""

CLEARLY = 4.0
"""Standard errors by which the evidence of a start must fall short for it to be left."""

WAITED_ITERATIONS = 5
"""Iterations, the last at the resolution at which the march waits, by which starts are compared there."""

SHORTFALL_WHERE_WAITED, SHORTFALL_WHERE_JUDGED = 0.05, 0.15
"""And at least such a share of the best evidence: equally good starts differ by chance. At the maximum resolution, of
few noisy images, they do so by a tenth; wrong maps fall far short."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Mean log evidence an image over some iterations, and its standard error, in nats."""

    mean: float
    error: float

    @classmethod
    def of(cls, iterations: Sequence[IterationStats]) -> "Evidence":
        """Where a start is judged, or where it was left before, from its log."""
        final = [row for row in iterations if row.phase == "final"][:JUDGED_ITERATIONS]
        return cls._over(final or iterations[-JUDGED_ITERATIONS:])

    @classmethod
    def where_waited(cls, iterations: Sequence[IterationStats], radius: float) -> "Evidence":
        """Before the march passed the Fourier radius at which it waits."""
        early = [row for row in iterations if row.phase != "posing" and row.fourier_radius <= radius]
        return cls._over(early[-WAITED_ITERATIONS:])

    @classmethod
    def _over(cls, iterations: Sequence[IterationStats]) -> "Evidence":
        values = [row.log_likelihood for row in iterations]
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        return cls(float(np.mean(values)), spread / float(np.sqrt(len(values))))

    def is_behind(self, best: "Evidence", shortfall: float) -> bool:
        """Whether it clearly falls short of that of the best start, by this share of it at least."""
        clearly = CLEARLY * float(np.hypot(self.error, best.error))
        return best.mean - self.mean > max(clearly, shortfall * abs(best.mean))


def not_given_up(starts: Mapping[int, Sequence[IterationStats]]) -> list[int]:
    """Numbers of the starts that are to go on, given their logs up to where they waited in vain or are judged.

    One that waited in vain does unless its images explain less than those of the best start whose map was recognised
    did at that resolution: a map that was good from the outset has nothing to wait for.
    """
    in_vain = {number: rows for number, rows in starts.items() if rows[-1].waiting}
    others = [rows for number, rows in starts.items() if number not in in_vain]

    def is_given_up(rows: Sequence[IterationStats]) -> bool:
        radius = rows[-1].fourier_radius
        best = max((Evidence.where_waited(other, radius) for other in others), key=lambda found: found.mean)
        return Evidence.where_waited(rows, radius).is_behind(best, SHORTFALL_WHERE_WAITED)

    return [number for number, rows in starts.items() if number not in in_vain or not (others and is_given_up(rows))]


def not_behind(starts: Mapping[int, Sequence[IterationStats]]) -> list[int]:
    """Numbers of the starts that, where they are judged, are not clearly behind the best one."""
    evidence = {number: Evidence.of(rows) for number, rows in starts.items()}
    if not evidence:
        return []
    best = max(evidence.values(), key=lambda found: found.mean)
    return [number for number, found in evidence.items() if not found.is_behind(best, SHORTFALL_WHERE_JUDGED)]


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
        Mean log evidence an image where the starts are judged, or where this one was left before, in nats.
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

    @property
    def number(self) -> int:
        """From 1, as its folder has it: a start that has not begun has none."""
        return int(self.folder.rpartition("_")[2])


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


def verdict(
    evidence: Mapping[int, Evidence | None], best: int, agreeing: int, resolution_angstrom: float | None,
    left_alike: Collection[int] = (),
) -> str:  # fmt: skip
    """What to make of several starts, in words.

    Parameters
    ----------
    evidence : mapping of int to Evidence or None
        Of each start, by its number from 0; None of one that was left where it had waited for the map in vain.
    best : int
        The best one, which was judged.
    agreeing : int
        Starts that ended with its maps, itself among them.
    resolution_angstrom : float or None
        Up to which they agree; None where there is no other.
    left_alike : collection of int
        Starts that the race left though they had the same map: behind the best one, they were on the way to it.
    """
    judged = {number: own for number, own in evidence.items() if own is not None}
    count, in_vain = len(evidence), len(evidence) - len(judged)
    waited = f" {in_vain} waited for the map in vain and {'was' if in_vain == 1 else 'were'} left." if in_vain else ""
    alike = len(left_alike)
    others = f" {alike} more {'was' if alike == 1 else 'were'} left on the way to the same map." if alike else ""
    if resolution_angstrom is None and alike:
        return (
            f"Start {best + 1} of {count} alone was run to its end with this map.{others} With coldstart resume "
            f"{'it runs to its' if alike == 1 else 'they run to their'} end, to see how far they agree.{waited}"
        )
    if resolution_angstrom is None:
        return (
            f"No other of the {count} starts agrees with the best one, start {best + 1}: do not trust its map alone."
            f"{waited} Try more starts, more or cleaner particles, or a smaller number of Å for the initial resolution."
        )
    everyone = "Both starts agree" if count == 2 else f"All {count} starts agree"
    who = everyone if agreeing == count else f"{agreeing} of {count} starts agree"
    rivals = [own for number, own in judged.items() if number not in left_alike]
    behind = [own.mean for own in rivals if own.is_behind(judged[best], SHORTFALL_WHERE_JUDGED)]
    text = f"{who} to {resolution_angstrom:.0f} Å.{others}"
    if behind:
        ahead = judged[best].mean - max(behind)
        text += f" Their map explains an image better than the others' by {ahead:.1f} nats or more."
    return text + waited
