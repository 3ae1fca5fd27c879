"""A run with its files: particles in, a run folder out.

Whatever can be refused (input, parameters, device, memory) is refused before the folder exists.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from coldstart.api.check import OnCheck, check_first
from coldstart.api.checkpoint import CheckpointKeeper, ShouldSuspend
from coldstart.api.drive import OnIteration, ShouldStop, reconstruct_watched
from coldstart.api.record import JobRecord
from coldstart.api.usage import Usage
from coldstart.api.wanted import read_wanted
from coldstart.errors import OutputError
from coldstart.io.inputs import Inputs
from coldstart.io.mrc import MrcStackSource
from coldstart.io.results import check_unused
from coldstart.io.run_paths import RunPaths
from coldstart.io.run_records import Summary
from coldstart.model.particles import Particles
from coldstart.params import AbInitioParams

if TYPE_CHECKING:
    from coldstart.cluster.request import ClusterRequest
    from coldstart.engine.parts import RunPoint


def run_job(
    particles_path: Path,
    output: Path,
    params: AbInitioParams,
    *,
    data_root: Path | None = None,
    on_check: OnCheck | None = None,
    warnings: tuple[str, ...] = (),
    on_iteration: OnIteration | None = None,
    should_stop: ShouldStop | None = None,
    should_suspend: ShouldSuspend | None = None,
    cluster: "ClusterRequest | None" = None,
) -> Summary:
    """Reconstruct the particles of a file and write a run folder: maps, tables, snapshots, log, summary and report.

    Where `params.particles_to_use` says how many, only these, the first of the file, are in the run and its outputs.
    While it runs, and after it was stopped, the folder has a checkpoint: `resume_job` goes on from there.

    Parameters
    ----------
    particles_path : Path
        RELION STAR file, cryoSPARC dataset or group, plain stack, or folder of stacks.
    output : Path
        New or empty folder.
    params : AbInitioParams
    data_root : Path, optional
        Folder that the stack paths of the table are relative to.
    on_check : callable, optional
        Called with what a quick check of the particles found, before anything else; what it raises ends the run.
        Warnings are among the notes of the summary. Without it, nothing is checked.
    warnings : tuple of str, optional
        Of a check that was made before; they are noted as those of this one are.
    on_iteration, should_stop : callable, optional
        As in `reconstruct`.
    should_suspend : callable, optional
        Asked after every iteration, and between the minibatches of the posing pass; once it says True, a checkpoint is
        written and the run is left without a result.
    cluster : ClusterRequest, optional
        Workers that the minibatches are dealt out to, in place of the devices of this process. The result is the same.

    Raises
    ------
    RunSuspended
        If `should_suspend` said so. The folder's summary.json has the status "suspended".
    ColdstartError
        As `reconstruct`, and OutputError if the folder is not empty or cannot be written. If the run fails once the
        folder is made, its summary.json says so.
    """
    usage, output = Usage(), Path(output)
    check_output(output)
    data = read_data(Path(particles_path), params, data_root).warned_of(warnings).checked(params, on_check)
    keeper = CheckpointKeeper(RunPaths(output).checkpoint_path, params, data.inputs, usage, should_suspend)
    return run_recorded(data, JobRecord(output, keeper, on_iteration, should_stop), cluster=cluster)


@dataclass(frozen=True, slots=True)
class JobData:
    """What a job reads.

    Attributes
    ----------
    particles : Particles
    images : MrcStackSource
    inputs : Inputs
        The record of the files.
    notes : tuple of str
        For the user.
    changes : tuple of str
        What has changed since an earlier part of the run.
    """

    particles: Particles
    images: MrcStackSource
    inputs: Inputs
    notes: tuple[str, ...]
    changes: tuple[str, ...] = ()

    def checked(self, params: AbInitioParams, on_check: OnCheck | None) -> "JobData":
        """With what a quick check warns of."""
        return self.warned_of(check_first(self.particles, self.images, params, on_check))

    def warned_of(self, warnings: tuple[str, ...]) -> "JobData":
        """With these among the notes, and in the record of the inputs."""
        recorded = replace(self.inputs, warnings=(*self.inputs.warnings, *warnings))
        return replace(self, notes=(*self.notes, *warnings), inputs=recorded)


def run_recorded(
    data: JobData, record: JobRecord, point: "RunPoint | None" = None, cluster: "ClusterRequest | None" = None
) -> Summary:
    """Run a job, from a point where one is given, and write its folder."""
    try:
        result = reconstruct_watched(data.particles, data.images, record.params, record, point, cluster)
        summary = record.finish(replace(result, notes=data.notes + result.notes), data.particles, data.images)
        if not result.stopped_early:
            record.remove_checkpoint()
        return summary
    except BaseException as error:
        record.fail(error)
        raise
    finally:
        record.close()


def read_data(path: Path, params: AbInitioParams, data_root: Path | None) -> JobData:
    """Read the particles to use, and take note of the files.

    Raises
    ------
    ParticleFileError
        As `read_particles`.
    """
    particles, images, notes = read_wanted(path, params, data_root)
    volume = None if params.initial_volume is None else Path(params.initial_volume)
    return JobData(particles, images, Inputs.of(path, data_root, images.paths, volume), notes)


def check_output(path: Path) -> None:
    """Refuse an output folder that could not be made, before any work is done.

    Raises
    ------
    OutputError
        If the path is a file or a folder with something in it, or its parent may not be written.
    """
    try:
        check_unused(path)
    except OSError as error:
        raise OutputError(f"the output folder {path} cannot be read: {error.strerror or error}.") from error
    folder = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
    if not os.access(folder, os.W_OK):
        raise OutputError(f"the output folder {path} cannot be made: {folder} may not be written. Choose another one.")
