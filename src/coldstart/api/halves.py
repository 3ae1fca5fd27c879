"""Half maps that were separate from the start: each half of the particles finds a map of its own.

A half is a run folder of its own, with its own random start, minibatches, noise and resolution; nothing passes between
the two. Both are then brought into one frame and compared (joined_halves.py).
"""

from pathlib import Path
from typing import TYPE_CHECKING

from coldstart.api.check import OnCheck
from coldstart.api.checkpoint import ShouldSuspend
from coldstart.api.drive import ShouldStop
from coldstart.api.job import check_output
from coldstart.api.joined_halves import join_halves
from coldstart.api.planned_run import Gate
from coldstart.api.together import OnJobIteration, RunsTogether
from coldstart.errors import ParameterError
from coldstart.io.runs_plan import Kind, RunsPlan
from coldstart.model.halves import HalvesRecord
from coldstart.params import AbInitioParams

if TYPE_CHECKING:
    from coldstart.cluster.request import ClusterRequest


def run_halves(
    particles_path: Path,
    output: Path,
    params: AbInitioParams,
    *,
    data_root: Path | None = None,
    on_check: OnCheck | None = None,
    on_iteration: OnJobIteration | None = None,
    should_stop: ShouldStop | None = None,
    should_suspend: ShouldSuspend | None = None,
    cluster: "ClusterRequest | None" = None,
) -> HalvesRecord:
    """Reconstruct each half of the particles by itself, and compare the two.

    The halves are those of the table's rlnRandomSubset (of a cryoSPARC dataset, alignments3D/split) where it has both,
    and every second particle where it has not.

    Parameters
    ----------
    particles_path, data_root, on_check, should_suspend
        As in `run_job`; it is all particles that are checked.
    output : Path
        New or empty folder. It gets a run folder for each half, and where they agree what a run folder has: maps, half
        maps, tables with the half set of each particle, summary and report.
    params : AbInitioParams
        Of the first half; the second has the next seed. Every particle is posed.
    on_iteration : callable, optional
        Called after every iteration with the number of the half, from 0, and the maps and figures; with a cluster
        there are no maps, (0, 0, 0, 0).
    should_stop : callable, optional
        Asked after every iteration; once it says True, the half that runs ends with what it has, and no other begins.
    cluster : ClusterRequest, optional
        Each half runs on a worker of its own. The result is the same.

    Raises
    ------
    ColdstartError
        As `run_job`; ParameterError if the parameters name a half or a map to start from, which both would share;
        OutputError if the second half had not begun when it was stopped.
    """
    if params.half is not None:
        raise ParameterError("--halves runs both half sets: leave --half away.")
    if params.initial_volume is not None:
        raise ParameterError("--halves needs two starts of their own: leave --initial-volume away.")
    output = Path(output)
    check_output(output)
    plan = RunsPlan(Kind.HALVES, Path(particles_path), data_root, params, (1, 2))
    return run_both(RunsTogether(output, plan, on_iteration, should_stop, should_suspend, cluster, on_check))


def run_both(runs: RunsTogether) -> HalvesRecord:
    """Run what is left of both halves, and compare them."""
    with runs.kept():
        with runs.runners() as advance:
            advance([runs.run(number, Gate.END) for number in range(2)])
        return join_halves(runs.output, runs.plan)
