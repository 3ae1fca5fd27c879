"""Particles back into a RELION STAR file: the layout that RELION 3.1, 4 and 5 read, and programs that read theirs.

A run fills or replaces the columns of `POSE_LABELS`; every other column is written as the text that it was read as, but
for the program's own columns of an earlier run, and half sets of which the run left one empty; these are left out.
"""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldstart.io.cryosparc_star import star_tables
from coldstart.io.image_names import distinct_in_order, renamed_image, stack_of
from coldstart.io.mrc import MrcStackSource
from coldstart.io.star_columns import (
    CLASS_POSTERIOR,
    IMAGE_DIMENSIONALITY,
    IMAGE_NAME,
    IMAGE_SIZE,
    LABEL,
    OLD_ORIGIN_LABELS,
    OPTICS_GROUP,
    OPTICS_GROUP_NAME,
    OWN_PREFIX,
    PIXEL_SIZE,
    POSE_LABELS,
    RANDOM_SUBSET,
    UNUSED_LABEL,
    decimal,
)
from coldstart.io.star_text import write_blocks
from coldstart.model.carried import CarriedTable
from coldstart.model.particles import Particles
from coldstart.model.state import PoseTable


def particles_table(particles: Particles, poses: PoseTable) -> dict[str, CarriedTable]:
    """Tables of the particles that have a pose.

    Parameters
    ----------
    particles : Particles
    poses : PoseTable
        Rows of `particles`, with their poses.

    Returns
    -------
    dict of CarriedTable
        "optics" and "particles"; one row of "particles" a pose, image names as they were read.
    """
    optics, table = _tables(particles, poses.particle)
    return {"optics": optics, "particles": table.without(*OLD_ORIGIN_LABELS).having(_pose_columns(poses))}


def write_particles(path: Path, particles: Particles, poses: PoseTable, source: MrcStackSource | None = None) -> None:
    """Write the particles that have a pose.

    Parameters
    ----------
    path : Path
        The STAR file; appears whole, or not at all.
    particles : Particles
    poses : PoseTable
    source : MrcStackSource, optional
        The stacks that were read, so that image names can be made relative to the new file (see `image_names`) and
        origins be those of the images in the stacks; without it they are written as they are.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    if source is not None:
        poses = replace(poses, origin_angstrom=source.origins_in_stacks(poses.origin_angstrom, poses.particle))
    _write(path, poses.particle, particles_table(particles, poses), source)


def write_unused(
    path: Path, particles: Particles, rows: NDArray[np.int64], source: MrcStackSource | None = None
) -> None:
    """Write particles that have no pose, labelled unused, as they were read; arguments as in `write_particles`."""
    optics, table = _tables(particles, rows)
    _write(path, rows, {"optics": optics, "particles": table.having({LABEL: [UNUSED_LABEL] * len(rows)})}, source)


def image_names(
    names: NDArray[np.bytes_], rows: NDArray[np.int64], source: MrcStackSource, folder: Path
) -> NDArray[np.bytes_]:
    """Image names that are right for a table in `folder`.

    An absolute path, and a relative one that leads from `folder` to the same stack, stay as they were. Any other
    relative path is rewritten to lead from `folder` to the stack that was read. RELION resolves image names from the
    folder it is started in, so it has to be started in `folder`. A stack that ends in .mrc is marked as a stack for it.

    Parameters
    ----------
    names : (M,) UTF-8
        As they were read, `000001@path`.
    rows : (M,) int64
        Rows of the particles that they name.
    source : MrcStackSource
        The stacks of all particles.
    folder : Path
        Where the table will be.

    Returns
    -------
    (M,) UTF-8
        `000001@path`, the number as it was.
    """
    stacks = source.path_index[rows]
    _, first = np.unique(stacks, return_index=True)
    renamed = {}
    for row in first.tolist():
        stack = int(stacks[row])
        renamed[stack] = _stack_name(stack_of(names[row]), source.paths[stack], folder)
    return _rejoined(names, stacks, renamed)


def moved_image_names(names: NDArray[np.bytes_], old_folder: Path, new_folder: Path) -> NDArray[np.bytes_]:
    """Image names (M,) of a table in `old_folder`, right for one in `new_folder`; absolute paths stay.

    Unlike `image_names` it asks for no stack: a relative path leads from `old_folder` to its own.
    """
    head, at, tail = np.char.partition(names, b"@").T
    distinct, stacks = distinct_in_order(np.ascontiguousarray(np.where(at == b"@", tail, head)))
    found = [stack_of(path) for path in distinct.tolist()]
    renamed = {n: _stack_name(stack, old_folder / stack, new_folder) for n, stack in enumerate(found)}
    return _rejoined(names, stacks, renamed)


def _rejoined(names: NDArray[np.bytes_], stacks: NDArray[np.int64], renamed: dict[int, str]) -> NDArray[np.bytes_]:
    pairs = zip(names.tolist(), stacks.tolist(), strict=True)
    return np.array([renamed_image(name, renamed[stack]) for name, stack in pairs], dtype=np.bytes_)


def _stack_name(stack: str, file: Path, folder: Path) -> str:
    """How a table in `folder` names the stack that its input named `stack` and that was found as `file`."""
    # The folders are resolved, since ".." out of a symbolic link leads elsewhere; the file keeps its own name.
    parent = file.parent.resolve()
    if Path(stack).is_absolute() or (folder / stack).parent.resolve() == parent:
        return stack.removesuffix(Path(stack).name) + file.name
    try:
        return (Path(os.path.relpath(parent, folder.resolve())) / file.name).as_posix()
    except ValueError:  # on Windows there is no relative path to another drive
        return (parent / file.name).as_posix()


def _write(path: Path, rows: NDArray[np.int64], blocks: dict[str, CarriedTable], source: MrcStackSource | None) -> None:
    table = blocks["particles"]
    if source is not None and IMAGE_NAME in table:
        table = table.having({IMAGE_NAME: image_names(table.utf8(IMAGE_NAME), rows, source, path.parent)})
    write_blocks(path, {**blocks, "particles": table})


def _pose_columns(poses: PoseTable) -> dict[str, NDArray[np.bytes_]]:
    """Columns of `POSE_LABELS`, and the posterior of each class where there are several, as text."""
    values = (
        *(decimal(poses.euler_deg[:, axis]) for axis in range(3)),
        *(decimal(poses.origin_angstrom[:, axis]) for axis in range(2)),
        np.array([b"%d" % number for number in (poses.class_index + 1).tolist()], dtype=np.bytes_),
        decimal(poses.log_likelihood),
        decimal(poses.max_posterior),
        decimal(poses.ess),
        decimal(poses.class_posterior.max(axis=1, initial=0.0)),
        decimal(poses.class_margin),
        np.array([label.replace(" ", "_").encode() for label in poses.label.tolist()], dtype=np.bytes_),
    )
    columns = dict(zip(POSE_LABELS, values, strict=True))
    if poses.classes > 1:
        for number, posterior in enumerate(poses.class_posterior.T, 1):
            columns[f"{CLASS_POSTERIOR}{number}"] = decimal(posterior)
    return columns


def _tables(particles: Particles, rows: NDArray[np.int64]) -> tuple[CarriedTable, CarriedTable]:
    """Optics, and the carried columns of these rows, with an optics group if the input had none."""
    if particles.records is not None:
        return star_tables(particles.records[rows])
    table = particles.table.take(rows)
    table = table.without(*(name for name in table if name.startswith(OWN_PREFIX)))
    if RANDOM_SUBSET in table and _lost_a_half(particles.table.utf8(RANDOM_SUBSET), table.utf8(RANDOM_SUBSET)):
        table = table.without(RANDOM_SUBSET)
    if OPTICS_GROUP not in table:
        table = table.having({OPTICS_GROUP: ["1"] * len(rows)})
    return _optics_table(particles), table


def _lost_a_half(of_all: NDArray[np.bytes_], of_rows: NDArray[np.bytes_]) -> bool:
    """Whether one of two half sets has no particle among the rows: RELION refuses a half set that is empty."""
    return len(np.unique(of_all)) > 1 and len(np.unique(of_rows)) == 1


def _optics_table(particles: Particles) -> CarriedTable:
    """Carried optics, or those of one group where the input had none."""
    if len(particles.optics):
        return particles.optics
    return CarriedTable(
        {
            OPTICS_GROUP: ["1"],
            OPTICS_GROUP_NAME: ["opticsGroup1"],
            PIXEL_SIZE: [f"{particles.pixel_size_angstrom:.6f}"],
            IMAGE_SIZE: [str(particles.box_px)],
            IMAGE_DIMENSIONALITY: ["2"],
        }
    )
