"""Several starts on the same particles: a race, and how far those that reach its end agree.

Every start is a run folder of its own, with the next seed. All of them run until they have worked at the maximum
resolution for a while, or have waited for the map in vain. Those that explain the images clearly worse than the best
one of those that are as far are left there, with a checkpoint; the others run to their end and are compared
(consensus.py).
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from coldstart.api.check import OnCheck
from coldstart.api.checkpoint import ShouldSuspend
from coldstart.api.consensus import find_consensus
from coldstart.api.drive import ShouldStop
from coldstart.api.job import check_output
from coldstart.api.planned_run import Gate
from coldstart.api.together import OnJobIteration, RunsTogether
from coldstart.errors import ParameterError
from coldstart.io.results import RunFolder
from coldstart.io.runs_plan import Kind, RunsPlan
from coldstart.model.starts import ConsensusRecord, not_behind, not_given_up
from coldstart.model.state import IterationStats
from coldstart.params import AbInitioParams

if TYPE_CHECKING:
    from coldstart.cluster.request import ClusterRequest


def run_starts(
    particles_path: Path,
    output: Path,
    params: AbInitioParams,
    starts: int,
    *,
    data_root: Path | None = None,
    on_check: OnCheck | None = None,
    on_iteration: OnJobIteration | None = None,
    should_stop: ShouldStop | None = None,
    should_suspend: ShouldSuspend | None = None,
    cluster: "ClusterRequest | None" = None,
) -> ConsensusRecord:
    """Reconstruct the particles of a file from several random starts, and say how far the maps can be trusted.

    Parameters
    ----------
    particles_path, data_root, on_check, should_suspend
        As in `run_job`.
    output : Path
        New or empty folder. It gets a run folder for each start, the mean of the maps that agree, a particle table that
        says which poses they agree on, and a report.
    params : AbInitioParams
        Of the first start; each further one has the next seed.
    starts : int
        At least two.
    on_iteration : callable, optional
        Called after every iteration with the number of the start, from 0, and the maps and figures; with a cluster
        there are no maps, (0, 0, 0, 0).
    should_stop : callable, optional
        Asked after every iteration; once it says True, no other start begins, the one that runs and the promising ones
        of those before it end with what they have, and they are compared.
    cluster : ClusterRequest, optional
        Each of its workers takes one start at a time. The result is the same.

    Raises
    ------
    ColdstartError
        As `run_job`, and ParameterError if there are fewer than two starts.
    """
    if starts < 2:
        raise ParameterError(f"--starts {starts} leaves nothing to compare: give 2 or more.")
    check_output(Path(output))
    plan = RunsPlan(Kind.STARTS, Path(particles_path), data_root, params, tuple(range(1, starts + 1)))
    return race(RunsTogether(Path(output), plan, on_iteration, should_stop, should_suspend, cluster, on_check))


def race(runs: RunsTogether) -> ConsensusRecord:
    """Run what is left of the race, and compare the starts."""
    with runs.kept():
        with runs.runners() as advance:
            everyone = range(len(runs.plan.numbers))
            advance([runs.run(number, Gate.RECOGNITION) for number in everyone])
            hopeful = not_given_up(_iterations(runs, everyone))
            advance([runs.run(number, Gate.JUDGEMENT) for number in hopeful])
            promising = not_behind(_iterations(runs, hopeful))
            advance([runs.run(number, Gate.END) for number in promising])
        return find_consensus(runs.output, runs.plan)


def _iterations(runs: RunsTogether, numbers: Iterable[int]) -> dict[int, tuple[IterationStats, ...]]:
    """What those of these starts that have begun have logged."""
    every = runs.plan.folders(runs.output)
    folders = {number: RunFolder(every[number]) for number in numbers}
    logged = {number: folder.load_iterations() for number, folder in folders.items() if folder.path.is_dir()}
    return {number: rows for number, rows in logged.items() if rows}
