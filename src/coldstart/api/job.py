"""A run with its files: particles in, a run folder out.

Whatever can be refused (input, parameters, device, memory) is refused before the folder exists.
"""

import os
from dataclasses import replace
from pathlib import Path

from coldstart.api.drive import OnIteration, ShouldStop, reconstruct
from coldstart.api.record import JobRecord
from coldstart.api.usage import Usage
from coldstart.errors import OutputError
from coldstart.io.mrc import MrcStackSource
from coldstart.io.run_records import Summary
from coldstart.io.star import read_particles
from coldstart.model.particles import Particles
from coldstart.params import AbInitioParams


def run_job(
    particles_path: Path,
    output: Path,
    params: AbInitioParams,
    *,
    data_root: Path | None = None,
    on_iteration: OnIteration | None = None,
    should_stop: ShouldStop | None = None,
) -> Summary:
    """Reconstruct the particles of a file and write a run folder: maps, tables, snapshots, log, summary and report.

    Where `params.particles_to_use` says how many, only these, the first of the file, are in the run and its outputs.

    Parameters
    ----------
    particles_path : Path
        RELION STAR file, or a plain stack.
    output : Path
        New or empty folder.
    params : AbInitioParams
    data_root : Path, optional
        Folder that the stack paths of the table are relative to.
    on_iteration, should_stop : callable, optional
        As in `reconstruct`.

    Raises
    ------
    ColdstartError
        As `reconstruct`, and OutputError if the folder is not empty or cannot be written. If the run fails once the
        folder is made, its summary.json says so.
    """
    usage, output = Usage(), Path(output)
    check_output(output)
    particles, images, notes = read_wanted(Path(particles_path), params, data_root)
    record = JobRecord(output, params, usage, on_iteration)
    try:
        result = reconstruct(particles, images, params, on_iteration=record.add, should_stop=should_stop)
        return record.finish(replace(result, notes=notes + result.notes), particles, images)
    except BaseException as error:
        record.fail(error)
        raise


def read_wanted(
    path: Path, params: AbInitioParams, data_root: Path | None
) -> tuple[Particles, MrcStackSource, tuple[str, ...]]:
    """The particles to use and their images, and a note where there are fewer than wanted.

    Raises
    ------
    ParticleFileError
        As `read_particles`.
    """
    particles, images = read_particles(
        path, data_root=data_root, pixel_size_angstrom=params.pixel_size_angstrom, use_ctf=params.ctf
    )
    wanted = params.particles_to_use
    if wanted is None:
        return particles, images, ()
    if wanted > particles.count:
        note = f"{wanted:,} particles were to be used, but the input has only {particles.count:,}."
        return particles, images, (note,)
    return particles.first(wanted), images, ()


def check_output(path: Path) -> None:
    """Refuse an output folder that could not be made, before any work is done.

    Raises
    ------
    OutputError
        If the path is a file or a folder with something in it, or its parent may not be written.
    """
    if path.is_dir() and not any(path.iterdir()):
        return
    if path.exists() and not path.is_dir():
        raise OutputError(f"the output folder {path} is a file: choose another path.")
    if path.is_dir():
        raise OutputError(f"the output folder {path} is not empty: choose another one, or empty it first.")
    parent = next(folder for folder in path.absolute().parents if folder.exists())
    if not os.access(parent, os.W_OK):
        raise OutputError(f"the output folder {path} cannot be made: {parent} may not be written. Choose another one.")
