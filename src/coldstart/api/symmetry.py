"""The symmetry of a map that is there: which point group it shows, and the map and its poses brought onto the axes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldstart.errors import OutputError, ParameterError
from coldstart.io.class_records import ClassSummary
from coldstart.io.mrc import read_map, write_map
from coldstart.io.opened_run import is_run_folder
from coldstart.io.results import RunFolder, check_unused, make_folder
from coldstart.io.star_columns import ANGLE_LABELS, ORIGIN_LABELS, decimal
from coldstart.io.star_poses import read_poses
from coldstart.io.star_subset import read_with_particles, write_subset
from coldstart.model.alignment import Placement, place_map
from coldstart.model.frame import poses_in_frame
from coldstart.model.symmetry import PointGroup, point_group
from coldstart.model.symmetry_detection import detect_symmetry, find_group
from coldstart.model.symmetry_report import SymmetryCandidate, SymmetryReport
from coldstart.params import AbInitioParams

_VOXELS_A_DETAIL = 3.0
"""Where nobody says how fine a map is, detail of so many voxels is taken for signal, or of a run's finest."""


@dataclass(frozen=True, slots=True)
class MapSymmetry:
    """What a map shows of symmetry.

    Attributes
    ----------
    path : Path
        Of the map.
    voxel_size_angstrom : float
    resolution_angstrom : float
        The finest detail that was to be gone by.
    report : SymmetryReport
    """

    path: Path
    voxel_size_angstrom: float
    resolution_angstrom: float
    report: SymmetryReport


@dataclass(frozen=True, slots=True)
class TurnedMap:
    """A map on the axes of its point group.

    Attributes
    ----------
    path : Path
        Of the new map.
    table_path : Path or None
        Of the particles with their poses on it, where the map was that of a run.
    found : SymmetryCandidate
        How it lay.
    """

    path: Path
    table_path: Path | None
    found: SymmetryCandidate


@dataclass(frozen=True, slots=True)
class _Source:
    """A map, and where its particles are."""

    path: Path
    volume: NDArray[np.float32]
    voxel_size_angstrom: float
    resolution_angstrom: float
    table_path: Path | None = None
    classes: int = 1

    @property
    def radius(self) -> float:
        """The finest detail, in cycles a box."""
        return float(self.volume.shape[0] * self.voxel_size_angstrom / self.resolution_angstrom)


def map_symmetry(
    source: Path, *, class_number: int | None = None, resolution_angstrom: float | None = None
) -> MapSymmetry:
    """Look for the point group of a map.

    Parameters
    ----------
    source : Path
        A map (.mrc), or the folder of a finished run.
    class_number : int, optional
        Which of the run's maps, from 1, where there are several.
    resolution_angstrom : float, optional
        Finest detail to go by, in Å: no finer than what is signal. When None, that to which the halves of a run's map
        agree; of another map 12 Å, or 3 voxels where that is coarser.

    Raises
    ------
    ColdstartError
        If the map cannot be read or is no cube, the run did not finish or has no such class, or the class is noise and
        no resolution was given.
    """
    of = _source(Path(source), class_number, resolution_angstrom)
    return MapSymmetry(of.path, of.voxel_size_angstrom, of.resolution_angstrom, detect_symmetry(of.volume, of.radius))


def turn_onto_axes(
    source: Path,
    output: Path,
    group: str,
    *,
    class_number: int | None = None,
    resolution_angstrom: float | None = None,
    symmetrize: bool = False,
) -> TurnedMap:
    """Write a map on RELION's axes of a point group, and of a run its particles with the poses that go with it.

    Parameters
    ----------
    source, class_number, resolution_angstrom
        As in `map_symmetry`.
    output : Path
        New map (.mrc); for a run a new or empty folder, which gets volume.mrc and particles.star.
    group : str
        Point group that the map shows.
    symmetrize : bool
        Average the map over the group as well.

    Raises
    ------
    ColdstartError
        As `map_symmetry`, and if the map does not show the group or the output is there already.
    """
    wanted, output = point_group(group), Path(output)
    if wanted.order == 1:
        raise ParameterError("C1 is no symmetry to turn a map onto: give the group that it shows, such as D7")
    of = _source(Path(source), class_number, resolution_angstrom)
    _check_output(output, of)
    found = _shown(of, wanted)
    placement = Placement(found.rotation, found.shift_voxels, False, found.correlation)
    turned = place_map(of.volume, placement, wanted.operators if symmetrize else wanted.operators[:1])
    if of.table_path is None:
        write_map(output, turned.astype(np.float32), of.voxel_size_angstrom)
        return TurnedMap(output, None, found)
    make_folder(output)
    write_map(output / "volume.mrc", turned.astype(np.float32), of.voxel_size_angstrom)
    _write_table(of.table_path, output / "particles.star", found, of)
    return TurnedMap(output / "volume.mrc", output / "particles.star", found)


def _source(path: Path, class_number: int | None, resolution_angstrom: float | None) -> _Source:
    if resolution_angstrom is not None and resolution_angstrom <= 0:
        raise ParameterError(f"the resolution is {resolution_angstrom:g} Å: give a positive number of Å")
    if not path.is_dir():
        if class_number is not None:
            raise ParameterError(f"{path} is a single map: a class can be chosen of a run folder alone")
        volume, voxel_size_angstrom = _checked_map(path)
        default = AbInitioParams.model_fields["max_resolution_angstrom"].default
        finest = max(float(default), _VOXELS_A_DETAIL * voxel_size_angstrom)
        return _Source(path, volume, voxel_size_angstrom, resolution_angstrom or finest)
    folder = RunFolder(path)
    classes = _classes(folder)
    number = _class_number(folder, len(classes), class_number)
    volume, voxel_size_angstrom = _checked_map(folder.volume_path(number, len(classes)))
    table = folder.table_path(1) if len(classes) == 1 else folder.class_table_path(number)
    resolution_angstrom = resolution_angstrom or _agreed_resolution(folder, classes[number - 1])
    return _Source(
        folder.volume_path(number, len(classes)), volume, voxel_size_angstrom, resolution_angstrom, table, len(classes)
    )


def _agreed_resolution(folder: RunFolder, of_class: ClassSummary) -> float:
    """That to which the halves of a run's map agree, in Å."""
    if of_class.is_noise:
        raise ParameterError(
            f"class {of_class.number} of {folder.path} is noise: its map has no detail to go by. Choose another "
            "class, or say with --resolution to what detail to look all the same."
        )
    return of_class.resolution_angstrom or folder.load_params().initial_resolution_angstrom


def _checked_map(path: Path) -> tuple[NDArray[np.float32], float]:
    volume, voxel_size_angstrom = read_map(path)
    n = volume.shape[0]
    if volume.shape != (n, n, n) or n % 2:
        raise ParameterError(f"{path} is {volume.shape[::-1]} voxels, but must be a cube with an even side")
    if not np.isfinite(volume).all() or not np.ptp(volume) > 0.0:
        raise ParameterError(f"{path} is empty or holds values that are not numbers: give another map")
    if not voxel_size_angstrom > 0.0:
        raise ParameterError(f"the header of {path} has no voxel size: set it, for example with relion_image_handler")
    return volume, voxel_size_angstrom


def _classes(folder: RunFolder) -> tuple[ClassSummary, ...]:
    if not is_run_folder(folder.path):
        raise OutputError(f"{folder.path} is no folder of a run: give one, or a map.")
    summary = folder.load_summary()
    if not summary.has_result:
        raise OutputError(f"the run in {folder.path} has no maps: its summary.json says {summary.status!r}.")
    return summary.classes


def _class_number(folder: RunFolder, classes: int, wanted: int | None) -> int:
    if wanted is None and classes > 1:
        raise ParameterError(f"{folder.path} has {classes} classes: say which one, from 1 to {classes}")
    number = wanted or 1
    if not 1 <= number <= classes:
        there = "class 1 alone" if classes == 1 else f"classes 1 to {classes}"
        raise ParameterError(f"class {number} is not in {folder.path}, which has {there}.")
    return number


def _check_output(output: Path, of: _Source) -> None:
    if of.table_path is not None:
        check_unused(output)
    elif output.suffix != ".mrc":
        raise OutputError(f"{output} is no name of a map: end it in .mrc.")
    elif output.exists():
        raise OutputError(f"{output} is there already: choose another name, or remove it first.")


def _shown(of: _Source, group: PointGroup) -> SymmetryCandidate:
    """How the map lies on the axes of a group that it shows."""
    found = find_group(of.volume, group, of.radius)
    if found is not None and found.holds:
        return found
    how = "no axis of its highest fold" if found is None else f"it correlates with itself by {found.correlation:.2f}"
    raise ParameterError(
        f"{of.path} does not show {group.name} at {of.resolution_angstrom:.1f} Å: {how}. See what it shows without "
        "--apply, or give a coarser --resolution where the map is noisy."
    )


def _write_table(source: Path, output: Path, found: SymmetryCandidate, of: _Source) -> None:
    """The run's table with the poses in the frame of the turned map."""
    blocks, table = read_with_particles(source)
    poses = read_poses(table, str(source), of.classes)
    angles, origins = poses_in_frame(
        poses.euler_deg, poses.origin_angstrom, found.rotation, found.shift_voxels * of.voxel_size_angstrom
    )
    columns = dict(zip((*ANGLE_LABELS, *ORIGIN_LABELS), (*angles.T, *origins.T), strict=True))
    write_subset(output, blocks, table.having({label: decimal(values) for label, values in columns.items()}), source)
