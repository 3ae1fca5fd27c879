"""The files that a finished run leaves: its maps and tables in both hands, and the archive of its snapshots."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np

from coldstart.io.cryosparc_write import write_posed_dataset, write_unposed_dataset
from coldstart.io.files import atomic_path, remove_file
from coldstart.io.mrc import MrcStackSource, write_map
from coldstart.io.run_paths import RunPaths
from coldstart.io.star_write import write_particles, write_unused
from coldstart.model.fourier import resampled
from coldstart.model.hand import flip_map, flip_poses
from coldstart.model.particles import Particles
from coldstart.model.state import RunResult
from coldstart.model.symmetry import mirror_axis, point_group

_EARLIEST_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_READABLE_FILE = 0o100644


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """A map written during the run: its iteration, the 1-based number of its class, and its file."""

    iteration: int
    class_number: int
    path: Path


def write_maps(paths: RunPaths, result: RunResult) -> None:
    """Write the map of each class, and its mirror image beside it."""
    classes, axis = len(result.volumes), _mirror_axis(result)
    for number, volume in enumerate(result.volumes, 1):
        write_map(paths.volume_path(number, classes), volume, result.pixel_size_angstrom)
        mirrored = flip_map(volume, axis)
        write_map(paths.volume_path(number, classes, flipped=True), mirrored, result.pixel_size_angstrom)


def write_halves(paths: RunPaths, result: RunResult) -> None:
    """Write the two half maps of each class, in the box and the grey scale of the map; none where there are none."""
    if result.half_volumes is None:
        return
    classes, box = len(result.volumes), result.volumes.shape[-1]
    for number, halves in enumerate(result.half_volumes, 1):
        for half, volume in enumerate(halves, 1):
            enlarged = resampled(volume, box) * np.float32(box)
            write_map(paths.half_path(number, classes, half), enlarged, result.pixel_size_angstrom)


def write_tables(
    paths: RunPaths, particles: Particles, result: RunResult, source: MrcStackSource | None = None
) -> None:
    """Write the table of all particles with a pose in both hands, that of each class, and that of the others.

    Parameters
    ----------
    paths : RunPaths
    particles : Particles
        All particles of the run: each stands in the table of all, or in that of the unused ones.
    result : RunResult
    source : MrcStackSource, optional
        The stacks that were read, so that relative image names can lead from the run folder to them.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    poses, classes = result.poses, len(result.volumes)
    mirrored = replace(poses, euler_deg=flip_poses(poses.euler_deg, _mirror_axis(result)))
    write_particles(paths.table_path(classes), particles, poses, source)
    write_particles(paths.table_path(classes, flipped=True), particles, mirrored, source)
    if classes > 1:
        for index in range(classes):
            of_class = poses.rows(poses.class_index == index)
            write_particles(paths.class_table_path(index + 1), particles, of_class, source)
    unposed = np.setdiff1d(np.arange(particles.count, dtype=np.int64), poses.particle)
    if len(unposed):
        write_unused(paths.unused_path, particles, unposed, source)
    else:
        remove_file(paths.unused_path)  # of a result that this one replaces


def write_datasets(
    paths: RunPaths, particles: Particles, result: RunResult, source: MrcStackSource, *, invert: bool
) -> None:
    """Write for cryoSPARC what `write_tables` writes for RELION: a dataset and a group for each table.

    Parameters
    ----------
    paths, particles, result, source
        As in `write_tables`.
    invert : bool
        Whether particles are dark in the stacks of a STAR file.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    poses, classes = result.poses, len(result.volumes)
    mirrored = replace(poses, euler_deg=flip_poses(poses.euler_deg, _mirror_axis(result)))
    every = "particles" if classes == 1 else "particles of all classes"
    written = {paths.table_path(classes): (poses, every), paths.table_path(classes, flipped=True): (mirrored, every)}
    if classes > 1:
        for index in range(classes):
            of_class = poses.rows(poses.class_index == index)
            written[paths.class_table_path(index + 1)] = of_class, f"particles of class {index + 1}"
    for path, (some, title) in written.items():
        write_posed_dataset(path.with_suffix(".cs"), particles, some, source, title, invert=invert)
    unposed = np.setdiff1d(np.arange(particles.count, dtype=np.int64), poses.particle)
    path = paths.unused_path.with_suffix(".cs")
    if len(unposed):
        write_unposed_dataset(path, particles, unposed, source, "unused particles", invert=invert)
    else:
        remove_file(path)  # of a result that this one replaces
        remove_file(path.with_suffix(".csg"))


def write_archive(path: Path, snapshots: Sequence[SnapshotFile]) -> None:
    """Write snapshots into a zip file, as volume_class_N_iteration_NNNNN.mrc; the same maps give the same bytes.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with atomic_path(path) as temporary, ZipFile(temporary, "w") as archive:
        for snapshot in snapshots:
            name = f"volume_class_{snapshot.class_number}_iteration_{snapshot.iteration:05d}.mrc"
            with snapshot.path.open("rb") as map_file, archive.open(_entry(name, snapshot.path), "w") as entry:
                shutil.copyfileobj(map_file, entry)


def _entry(name: str, path: Path) -> ZipInfo:
    """Entry without the time of day, and with the rights of a plain file on every system."""
    entry = ZipInfo(name, _EARLIEST_ZIP_DATE)
    entry.compress_type = ZIP_DEFLATED
    entry.create_system = _UNIX
    entry.external_attr = _READABLE_FILE << 16
    # The size decides ahead whether the entry needs the fields of files beyond 2 GiB.
    entry.file_size = path.stat().st_size
    return entry


def _mirror_axis(result: RunResult) -> int:
    return mirror_axis(point_group(result.symmetry))
