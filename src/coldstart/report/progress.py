"""Progress of a run in words and in time left, for the terminal and for the plugin."""

from collections import deque
from collections.abc import Sequence

from coldstart.model.state import IterationStats

_PHASES = {"initial": "initial", "marching": "rising", "final": "final", "posing": "posing"}
_RECENT = 25


class TimeLeft:
    """Seconds to go, from what the latest iterations took and from what the run expects to come."""

    def __init__(self) -> None:
        self._recent: deque[IterationStats] = deque(maxlen=_RECENT)
        self._iterations = 0

    def after(self, stats: IterationStats) -> float:
        """Take in an iteration and estimate what is left: nothing, once the particles are posed."""
        if stats.phase == "posing":
            return stats.visits_ahead * stats.seconds / max(stats.minibatch, 1)
        if self._iterations == 1:
            self._recent.clear()  # of the first iteration, which compiles the kernels
        self._iterations += 1
        self._recent.append(stats)
        seconds = sum(recent.seconds for recent in self._recent)
        return stats.visits_ahead * seconds / sum(recent.minibatch for recent in self._recent)


def figures(stats: IterationStats) -> str:
    """The figures of an iteration: phase, resolution, minibatch and effective sample size."""
    phase = "waiting" if stats.waiting else _PHASES[stats.phase]
    return (
        f"{phase:<7}  {stats.resolution_angstrom:5.1f} Å  {stats.minibatch:4d} images  ESS {stats.ess_rotations:7.1f}"
    )


def shares_text(stats: IterationStats) -> str:
    """How the classes share the images, 'classes 34/31/35 %'; nothing where there is one class."""
    shares = stats.class_shares
    return f"classes {'/'.join(f'{100.0 * share:.0f}' for share in shares)} %" if len(shares) > 1 else ""


def run_titles(name: str, numbers: Sequence[int]) -> list[str]:
    """What several runs are called: 'start 3 of 8', 'half 1 of 2', or '3 classes, job 3 of 3'."""
    if name != "job":
        return [f"{name} {number} of {len(numbers)}" for number in numbers]
    counts = [f"{number} {'class' if number == 1 else 'classes'}" for number in numbers]
    return [f"{count}, job {place} of {len(counts)}" for place, count in enumerate(counts, 1)]
