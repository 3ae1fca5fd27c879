"""A subset of a run's particles as a table of its own: the clean stack for the next program."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldstart.errors import OutputError, ParameterError, ParticleFileError
from coldstart.io.cryosparc_files import read_dataset
from coldstart.io.cryosparc_write import write_part_of_dataset, write_posed_dataset
from coldstart.io.inputs import changes_text, read_inputs
from coldstart.io.particle_files import read_particles
from coldstart.io.results import RunFolder
from coldstart.io.star_columns import (
    CLASS_MARGIN,
    CLASS_NUMBER,
    CLASS_POSTERIOR,
    IMAGE_NAME,
    LABEL,
    PARTICLE_LABELS,
    UNUSED_LABEL,
    numbers,
    whole_numbers,
)
from coldstart.io.star_poses import read_poses
from coldstart.io.star_text import read_blocks, write_blocks
from coldstart.io.star_write import moved_image_names
from coldstart.model.carried import CarriedTable

Criteria = Mapping[str, NDArray[np.bool_]]

DATASET_SUFFIX = ".cs"

_FINISHED = ("completed", "stopped")


@dataclass(frozen=True, slots=True)
class PickedClass:
    """How many of a class were picked, and how many it has."""

    number: int
    picked: int
    particles: int


@dataclass(frozen=True, slots=True)
class PickedParticles:
    """What was picked: the table, and the count of every class of the run."""

    path: Path
    classes: tuple[PickedClass, ...]

    @property
    def picked(self) -> int:
        """How many particles are in the table."""
        return sum(entry.picked for entry in self.classes)

    @property
    def particles(self) -> int:
        """How many particles of the run have a pose."""
        return sum(entry.particles for entry in self.classes)


def pick_particles(
    run: Path,
    output: Path,
    *,
    classes: Sequence[int] | None = None,
    min_posterior: float = 0.0,
    min_margin: float = 0.0,
    labels: Sequence[str] | None = None,
    accept_changes: bool = False,
) -> PickedParticles:
    """Write the particles of a run that meet every criterion, with all columns and their poses, for the next program.

    Parameters
    ----------
    run : Path
        Folder of a finished run. The particles to choose from are those that have a pose.
    output : Path
        New STAR file; or new cryoSPARC dataset (.cs), which gets its group (.csg) beside it. Relative image names lead
        from its folder to the stacks.
    classes : sequence of int, optional
        Numbers of classes, from 1; all when None or empty.
    min_posterior : float
        Least posterior of the particle's class, from 0 to 1.
    min_margin : float
        Least posterior of its class less that of the second, from 0 to 1.
    labels : sequence of str, optional
        Out of "used", "unused" and "low_confidence"; all when None or empty.
    accept_changes : bool
        Pick though the table or a stack that the run read has changed since.

    Returns
    -------
    PickedParticles

    Raises
    ------
    OutputError
        If `run` is no run folder or the run did not finish, or the output exists or cannot be written.
    ParameterError
        If the run has no such class, there is no such label, or no particle is left.
    ParticleFileError
        If the run's table cannot be read, or lacks a column that a criterion needs; if a file that the run read has
        changed since.
    """
    folder, output = RunFolder(Path(run)), Path(output)
    _check_output(output)
    classes, labels = classes or (), labels or ()
    class_count = _class_count(folder)
    _check_choices(folder, class_count, classes, labels)
    if not accept_changes:
        _check_inputs(folder)
    source = folder.table_path(class_count)
    blocks = read_blocks(source)
    table = blocks["particles"]
    criteria = _criteria(table, source, classes, min_posterior, min_margin, labels)
    chosen = np.logical_and.reduce([np.ones(len(table), dtype=bool), *criteria.values()])
    if not chosen.any():
        raise _nothing_left(folder, source, criteria, len(table), labels)
    if output.suffix == DATASET_SUFFIX:
        _write_dataset(output, folder, source, table, chosen, class_count)
    else:
        picked = table.take(chosen)
        names = moved_image_names(picked.utf8(IMAGE_NAME), source.parent, output.parent)
        write_blocks(output, {**blocks, "particles": picked.having({IMAGE_NAME: names})})
    class_numbers = whole_numbers(table, CLASS_NUMBER, str(source))
    return PickedParticles(output, _counts(class_numbers, chosen, class_count))


def _check_output(output: Path) -> None:
    if output.suffix not in (".star", DATASET_SUFFIX):
        raise OutputError(f"{output} is no name of a particle table: end it in .star, or in .cs for cryoSPARC.")
    written = [output, output.with_suffix(".csg")] if output.suffix == DATASET_SUFFIX else [output]
    for path in written:
        if path.exists():
            raise OutputError(f"{path} is there already: choose another name, or remove it first.")


def _write_dataset(
    output: Path, folder: RunFolder, source: Path, table: CarriedTable, chosen: NDArray[np.bool_], class_count: int
) -> None:
    """Write rows of the run's table for cryoSPARC: out of the run's own dataset, where the input was one."""
    dataset, rows = source.with_suffix(DATASET_SUFFIX), np.flatnonzero(chosen)
    if dataset.is_file():
        write_part_of_dataset(output, read_dataset(dataset)[rows], dataset.parent, output.stem)
        return
    params = folder.load_params()
    particles, images = read_particles(source, use_ctf=params.ctf)
    poses = read_poses(table, str(source), class_count).rows(chosen)
    write_posed_dataset(output, particles, poses, images, output.stem, invert=params.invert)


def _check_inputs(folder: RunFolder) -> None:
    inputs = read_inputs(folder.inputs_path)
    changed = [] if inputs is None else inputs.changes()
    if changed:
        raise ParticleFileError(
            f"{changes_text(changed)} The table would name images that are no longer those of the run: put back what "
            "it read, or say --accept-changes."
        )


def _class_count(folder: RunFolder) -> int:
    summary = folder.load_summary()
    if summary.status not in _FINISHED:
        raise OutputError(
            f"the run in {folder.path} has no particle tables: its summary.json says {summary.status!r}. "
            "Give the folder of a finished run."
        )
    return len(summary.classes)


def _check_choices(folder: RunFolder, class_count: int, classes: Sequence[int], labels: Sequence[str]) -> None:
    missing = [number for number in classes if not 1 <= number <= class_count]
    if missing:
        there = "class 1 alone" if class_count == 1 else f"classes 1 to {class_count}"
        raise ParameterError(f"class {missing[0]} is not in {folder.path}, which has {there}.")
    unknown = [label for label in labels if label not in PARTICLE_LABELS]
    if unknown:
        raise ParameterError(f"there is no label {unknown[0]!r}: labels are {', '.join(PARTICLE_LABELS)}.")


def _criteria(
    table: CarriedTable,
    source: Path,
    classes: Sequence[int],
    min_posterior: float,
    min_margin: float,
    labels: Sequence[str],
) -> Criteria:
    """Each criterion that was given, in words, and which rows of the table meet it."""
    where, met = str(source), {}
    if classes:
        in_words = " or ".join(map(str, sorted(set(classes))))
        met[f"are in class {in_words}"] = np.isin(whole_numbers(table, CLASS_NUMBER, where), classes)
    for name, label, least in (("posterior", CLASS_POSTERIOR, min_posterior), ("margin", CLASS_MARGIN, min_margin)):
        if least > 0.0:
            met[f"have a class {name} of at least {least:g}"] = (
                numbers(_having(table, label, where), label, where) >= least
            )
    if labels:
        found = _having(table, LABEL, where).columns[LABEL]
        met[f"are labelled {' or '.join(labels)}"] = np.isin(found, labels)
    return met


def _having(table: CarriedTable, label: str, where: str) -> CarriedTable:
    """The table, which must have this column."""
    if label not in table:
        raise ParticleFileError(
            f"{where} has no column {label}, as it is of an earlier version of coldstart: "
            "leave this criterion out, or run again."
        )
    return table


def _nothing_left(
    folder: RunFolder, source: Path, criteria: Criteria, count: int, labels: Sequence[str]
) -> ParameterError:
    meeting = ", ".join(f"{int(mask.sum()):,} {words}" for words, mask in criteria.items())
    message = f"no particle is left: of the {count:,} in {source}, {meeting}"
    if len(criteria) > 1:
        message += ", none all of these"
    if UNUSED_LABEL in labels and folder.unused_path.is_file():
        message += f". Those that have no pose are in {folder.unused_path}"
    return ParameterError(f"{message}. Ask for less.")


def _counts(class_numbers: NDArray[np.int64], chosen: NDArray[np.bool_], class_count: int) -> tuple[PickedClass, ...]:
    counts, picked = (np.bincount(rows, minlength=class_count + 1) for rows in (class_numbers, class_numbers[chosen]))
    return tuple(PickedClass(number, int(picked[number]), int(counts[number])) for number in range(1, class_count + 1))
