"""Going on with several runs that were left: starts, halves, or numbers of classes."""

from pathlib import Path
from typing import TYPE_CHECKING

from coldstart.api.checkpoint import ShouldSuspend
from coldstart.api.drive import ShouldStop
from coldstart.api.halves import run_both
from coldstart.api.jobs import run_and_compare
from coldstart.api.starts import race
from coldstart.api.together import OnJobIteration, RunsTogether
from coldstart.io.run_records import Summary
from coldstart.io.runs_plan import Kind
from coldstart.model.halves import HalvesRecord
from coldstart.model.starts import ConsensusRecord

if TYPE_CHECKING:
    from coldstart.cluster.request import ClusterRequest

Outcome = ConsensusRecord | HalvesRecord | tuple[Summary, ...]
"""Of starts, of halves, of numbers of classes."""


def resume_runs(
    output: Path,
    *,
    data_root: Path | None = None,
    on_iteration: OnJobIteration | None = None,
    should_stop: ShouldStop | None = None,
    should_suspend: ShouldSuspend | None = None,
    accept_changes: bool = False,
    cluster: "ClusterRequest | None" = None,
) -> Outcome:
    """Go on with several runs that were left, each from its checkpoint, or compare them anew.

    Parameters
    ----------
    output : Path
        The folder of `run_starts`, `run_halves` or `run_jobs`.
    data_root, on_iteration, should_stop, should_suspend, cluster
        As in these.
    accept_changes : bool
        As in `resume_job`.

    Returns
    -------
    ConsensusRecord, HalvesRecord or tuple of Summary
        What `run_starts`, `run_halves` or `run_jobs` would have given.

    Raises
    ------
    ColdstartError
        As `resume_job`, and OutputError if the folder does not hold several runs.
    """
    runs = RunsTogether.left(
        Path(output), data_root, on_iteration, should_stop, should_suspend, cluster, accept_changes=accept_changes
    )
    if runs.plan.kind is Kind.STARTS:
        return race(runs)
    return run_both(runs) if runs.plan.kind is Kind.HALVES else run_and_compare(runs)
