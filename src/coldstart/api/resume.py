"""Going on with a job that was left: suspended, stopped, killed or failed."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from coldstart.api.checkpoint import CheckpointKeeper, ShouldSuspend, read_job, read_point
from coldstart.api.drive import OnIteration, ShouldStop
from coldstart.api.job import JobData, read_data, run_recorded
from coldstart.api.record import JobRecord
from coldstart.api.usage import Usage
from coldstart.errors import ChangedInputError, OutputError
from coldstart.io.files import remove_file
from coldstart.io.inputs import Inputs, changes_text
from coldstart.io.lock import FolderLock
from coldstart.io.results import RunFolder
from coldstart.io.run_records import Summary
from coldstart.params import AbInitioParams

if TYPE_CHECKING:
    from coldstart.cluster.request import ClusterRequest


def resume_job(
    output: Path,
    *,
    data_root: Path | None = None,
    on_iteration: OnIteration | None = None,
    should_stop: ShouldStop | None = None,
    should_suspend: ShouldSuspend | None = None,
    accept_changes: bool = False,
    cluster: "ClusterRequest | None" = None,
) -> Summary:
    """Go on with a run that was suspended, stopped, killed or failed, from its checkpoint.

    The result is that of a run that was never left, to the byte, but for times and memory. A run that was left in its
    posing pass begins that pass again.

    Parameters
    ----------
    output : Path
        The run folder.
    data_root : Path, optional
        Folder that the stack paths of the table are relative to; that of the run where it is left out.
    on_iteration, should_stop, should_suspend : callable, optional
        As in `run_job`.
    accept_changes : bool
        Go on though the input, the device or a version has changed. The result may then be another one, and says so.
    cluster : ClusterRequest, optional
        As in `run_job`; the run need not have begun so.

    Raises
    ------
    OutputError
        If the folder has no checkpoint, or one that cannot be read, or another run writes into it.
    ChangedInputError
        If a file of the input has changed.
    ChangedDeviceError
        If the device or a version is another one.
    RunSuspended, ColdstartError
        As `run_job`.
    """
    output = Path(output)
    check_resumable(output)
    path = RunFolder(output).checkpoint_path
    lock = FolderLock(output)
    try:
        job = read_job(path)
        if _is_completed(output):  # killed between its last two files
            remove_file(path)
            return RunFolder(output).load_summary()
        usage = Usage(job.used)
        data = read_data_again(job.inputs, job.params, data_root, accept_changes=accept_changes)
        keeper = CheckpointKeeper(
            path, job.params, data.inputs, usage, should_suspend, job.environment, accept_changes,
            (*job.changes, *data.changes),
        )  # fmt: skip
        record = JobRecord(output, keeper, on_iteration, should_stop, lock)
        point = read_point(path)
        record.resume_at(point, data.particles.box_angstrom)
        return run_recorded(data, record, point, cluster)
    finally:
        lock.release()


def check_resumable(output: Path) -> None:
    """Refuse a folder without a checkpoint, and say why there is none.

    Raises
    ------
    OutputError
    """
    folder = RunFolder(output)
    if folder.checkpoint_path.is_file():
        return
    if not output.is_dir():
        raise OutputError(f"there is no folder {output}: begin the run with coldstart run.")
    status = folder.load_summary().status
    if status == "completed":
        raise OutputError(f"the run in {output} is completed: there is nothing left to go on with.")
    raise OutputError(
        f"the run in {output} has no checkpoint, though its summary.json says {status!r}: begin again with "
        "coldstart run and another folder."
    )


def _is_completed(output: Path) -> bool:
    """Whether everything is written; a run that was killed early may not even have a summary."""
    folder = RunFolder(output)
    return folder.summary_path.is_file() and folder.load_summary().status == "completed"


def read_data_again(then: Inputs, params: AbInitioParams, data_root: Path | None, *, accept_changes: bool) -> JobData:
    """Read the particles of an earlier run.

    Parameters
    ----------
    then : Inputs
        When the run began.
    params : AbInitioParams
    data_root : Path or None
        Where the stacks are now, if that is elsewhere.
    accept_changes : bool

    Raises
    ------
    ParticleFileError
        As `read_particles`; a ChangedInputError if a file has changed, unless that is accepted.
    """
    root = data_root
    if root is None and then.data_root is not None:
        root = Path(then.data_root)
    changed = then.changes("table", "map")
    _accept(changed, accept_changes)  # a table that has changed may not even be readable
    data = read_data(Path(then.path), params, root)
    changed += then.stack_changes(data.images.paths)
    _accept(changed, accept_changes)
    return replace(
        data,
        particles=replace(data.particles, name=then.particles),
        inputs=replace(data.inputs, particles=then.particles, warnings=then.warnings),
        notes=(*data.notes, *then.warnings),
        changes=(f"The run was taken up although {changes_text(changed)}",) if changed else (),
    )


def _accept(changed: Sequence[str], accepted: bool) -> None:
    if changed and not accepted:
        raise ChangedInputError(
            changes_text(changed),
            "Put back what the run began with, or say --accept-changes: the result may then differ from that of an "
            "unbroken run.",
        )
