"""A subset of a run's particles as a table of its own: the clean stack for the next program."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldstart.api.merge import Groups, check_groups, merge_classes
from coldstart.errors import ChangedInputError, OutputError, ParameterError, ParticleFileError
from coldstart.io.consensus_files import read_consensus
from coldstart.io.cryosparc_files import read_dataset
from coldstart.io.cryosparc_read import read_cryosparc_table
from coldstart.io.cryosparc_write import MergedClasses, write_part_of_dataset, write_posed_dataset
from coldstart.io.inputs import changes_text, read_inputs
from coldstart.io.particle_files import read_particles
from coldstart.io.results import RunFolder
from coldstart.io.runs_plan import has_consensus
from coldstart.io.star_columns import (
    CLASS_MARGIN,
    CLASS_NUMBER,
    CLASS_POSTERIOR,
    LABEL,
    PARTICLE_LABELS,
    UNUSED_LABEL,
    numbers,
    whole_numbers,
)
from coldstart.io.star_poses import read_poses
from coldstart.io.star_subset import check_new_table, read_with_particles, write_subset
from coldstart.io.suffixes import CRYOSPARC_SUFFIXES, ends_in
from coldstart.model.carried import CarriedTable

Criteria = dict[str, NDArray[np.bool_]]

STAR_SUFFIX, DATASET_SUFFIX = ".star", ".cs"


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
    merge: Groups = (),
    other_hand: bool = False,
    overwrite: bool = False,
) -> PickedParticles:
    """Write the particles of a run that meet every criterion, with all columns and their poses, for the next program.

    Parameters
    ----------
    run : Path
        Folder of a finished run, or of several starts that were compared. The particles to choose from are those that
        have a pose.
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
        Out of "used", "unused", "low_confidence" and, of several starts, "starts_disagree"; all when None or empty.
    accept_changes : bool
        Pick though the table or a stack that the run read has changed since.
    merge : sequence of sequence of int
        Groups of classes, from 1, to write as one under the smallest of their numbers; `classes` are those of the run,
        the other criteria are of the merged ones.
    other_hand : bool
        Write the poses on the mirror images of the maps.
    overwrite : bool
        Whether the output may take the place of another file, though never that of a table of the run.

    Returns
    -------
    PickedParticles

    Raises
    ------
    OutputError
        If `run` is no run folder or the run did not finish, or the output exists or cannot be written.
    ParameterError
        If the run has no such class, there is no such label, a merge makes no sense, or no particle is left.
    ParticleFileError
        If the run's table cannot be read, or lacks a column that a criterion needs; if a file that the run read has
        changed since.
    """
    folder, output = RunFolder(Path(run)), Path(output)
    posed = _posed_run(folder)
    _check_output(folder, output, overwrite=overwrite)
    classes, labels = classes or (), labels or ()
    class_count = _class_count(posed)
    _check_choices(folder, class_count, classes, labels)
    if not accept_changes:
        _check_inputs(posed)
    check_groups(merge, class_count)
    source = folder.table_path(class_count, flipped=other_hand)
    blocks, table = read_with_particles(source)
    merged = merge_classes(table, merge, str(source))
    criteria = _criteria(table, merged, source, classes, min_posterior, min_margin, labels)
    chosen = _meeting_all(criteria, len(table))
    if not chosen.any():
        raise _nothing_left(folder, source, criteria, len(table), labels)
    if output.suffix == DATASET_SUFFIX:
        whole = None if not merge else merged.take(chosen)
        _write_dataset(output, posed, source, table, chosen, class_count, whole, other_hand=other_hand)
    else:
        write_subset(output, blocks, merged.take(chosen), source)
    class_numbers = whole_numbers(table, CLASS_NUMBER, str(source))
    return PickedParticles(output, _counts(class_numbers, chosen, class_count))


def _check_output(folder: RunFolder, output: Path, *, overwrite: bool) -> None:
    own = (*folder.path.glob("particles*.star"), *folder.path.glob("particles*.cs"))
    check_new_table(output, own, (STAR_SUFFIX, DATASET_SUFFIX), overwrite=overwrite)


def copy_particles(source: Path, output: Path, rows: NDArray[np.integer], *, overwrite: bool = False) -> None:
    """Write some rows of a particle table, with all columns, as a table of the same kind.

    Parameters
    ----------
    source : Path
        Any RELION table of particles, or a cryoSPARC dataset or group.
    output : Path
        STAR file, or dataset; relative image names lead from its folder to the stacks.
    rows : (M,) int
        From 0; the order of the table is kept.
    overwrite : bool
        Whether the output may take the place of another file than the source.

    Raises
    ------
    OutputError
        If the output is of another kind, or exists, or cannot be written.
    ParameterError
        If there are no rows.
    ParticleFileError
        If the table cannot be read.
    """
    of_cryosparc = ends_in(source, CRYOSPARC_SUFFIXES)
    check_new_table(output, (source,), (DATASET_SUFFIX if of_cryosparc else STAR_SUFFIX,), overwrite=overwrite)
    if not len(rows):
        raise ParameterError("no particle is left to write: choose some first.")
    if of_cryosparc:
        records = read_cryosparc_table(source, use_ctf=False).records
        write_part_of_dataset(output, records[np.unique(rows)], source.parent, output.stem)
        return
    blocks, table = read_with_particles(source)
    write_subset(output, blocks, table.take(np.unique(rows)), source)


def _write_dataset(
    output: Path, posed: RunFolder, source: Path, table: CarriedTable, chosen: NDArray[np.bool_], class_count: int,
    merged: CarriedTable | None, *, other_hand: bool,
) -> None:  # fmt: skip
    """Write rows of the run's table for cryoSPARC: out of the run's own dataset, where the input was one.

    `merged` has the chosen rows where classes are written as one.
    """
    dataset = posed.table_path(class_count, flipped=other_hand).with_suffix(DATASET_SUFFIX)
    where, rows = str(source), np.flatnonzero(chosen)
    classes: MergedClasses | None = None
    if merged is not None:
        posterior = numbers(_having(merged, CLASS_POSTERIOR, where), CLASS_POSTERIOR, where)
        classes = whole_numbers(merged, CLASS_NUMBER, where), posterior
    if dataset.is_file():
        write_part_of_dataset(output, read_dataset(dataset)[rows], dataset.parent, output.stem, classes)
        return
    params = posed.load_params()
    particles, images = read_particles(source, use_ctf=params.ctf)
    poses = read_poses(table, where, class_count).rows(chosen)
    write_posed_dataset(output, particles, poses, images, output.stem, invert=params.invert, classes=classes)


def _posed_run(folder: RunFolder) -> RunFolder:
    """The run that found the poses of the tables in a folder: the best of several starts, or the run of the folder."""
    if not has_consensus(folder.path):
        return folder
    consensus = read_consensus(folder.path)
    return RunFolder(folder.path / consensus.starts[consensus.best - 1].folder)


def _check_inputs(folder: RunFolder) -> None:
    inputs = read_inputs(folder.inputs_path)
    changed = [] if inputs is None else inputs.changes()
    if changed:
        raise ChangedInputError(
            f"{changes_text(changed)} The table would name images that are no longer those of the run:",
            "put back what it read, or say --accept-changes.",
        )


def _class_count(folder: RunFolder) -> int:
    summary = folder.load_summary()
    if not summary.has_result:
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


def kept_particles(
    table: CarriedTable,
    source: Path,
    *,
    classes: Sequence[int] = (),
    min_posterior: float = 0.0,
    min_margin: float = 0.0,
    labels: Sequence[str] = (),
    merge: Groups = (),
) -> NDArray[np.bool_]:
    """Which particles `pick_particles` would write, (N,) bool, from the columns that a run fills.

    Parameters
    ----------
    table : CarriedTable
    source : Path
        Where it comes from, for messages.
    classes, min_posterior, min_margin, labels, merge
        As in `pick_particles`.

    Raises
    ------
    ParticleFileError
        If it lacks a column that a criterion needs.
    """
    merged = merge_classes(table, merge, str(source))
    return _meeting_all(_criteria(table, merged, source, classes, min_posterior, min_margin, labels), len(table))


def _meeting_all(criteria: Criteria, count: int) -> NDArray[np.bool_]:
    return np.asarray(np.logical_and.reduce([np.ones(count, dtype=bool), *criteria.values()]))


def _criteria(
    table: CarriedTable,
    merged: CarriedTable,
    source: Path,
    classes: Sequence[int],
    min_posterior: float,
    min_margin: float,
    labels: Sequence[str],
) -> Criteria:
    """Each criterion that was given, in words, and which rows meet it: the class in the table, the others merged."""
    where, met = str(source), Criteria()
    if classes:
        in_words = " or ".join(map(str, sorted(set(classes))))
        met[f"are in class {in_words}"] = np.isin(whole_numbers(table, CLASS_NUMBER, where), classes)
    for name, label, least in (("posterior", CLASS_POSTERIOR, min_posterior), ("margin", CLASS_MARGIN, min_margin)):
        if least > 0.0:
            met[f"have a class {name} of at least {least:g}"] = (
                numbers(_having(merged, label, where), label, where) >= least
            )
    if labels:
        found = _having(merged, LABEL, where).columns[LABEL]
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
