"""Particles back into a RELION STAR file: the layout that RELION 3.1, 4 and 5 read, and programs that read theirs.

A run fills or replaces the columns of `POSE_LABELS`; every other column is written as the strings it was read as, but
for the program's own columns of an earlier run, which are left out.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from coldstart.io.files import write_text_atomically
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
    UNUSED_LABEL,
)
from coldstart.io.star_text import blocks_to_text
from coldstart.model.particles import CarriedTable, Particles
from coldstart.model.state import PoseTable


def particles_table(particles: Particles, poses: PoseTable) -> dict[str, pd.DataFrame]:
    """Tables of the particles that have a pose.

    Parameters
    ----------
    particles : Particles
    poses : PoseTable
        Rows of `particles`, with their poses.

    Returns
    -------
    dict of DataFrame of str
        "optics" and "particles"; one row of "particles" a pose, image names as they were read.
    """
    table = _rows(particles, poses.particle).drop(columns=list(OLD_ORIGIN_LABELS), errors="ignore")
    for label, values in _pose_columns(poses).items():
        table[label] = values
    return {"optics": _optics_table(particles), "particles": table}


def write_particles(path: Path, particles: Particles, poses: PoseTable, source: MrcStackSource | None = None) -> None:
    """Write the particles that have a pose.

    Parameters
    ----------
    path : Path
        The STAR file; appears whole, or not at all.
    particles : Particles
    poses : PoseTable
    source : MrcStackSource, optional
        The stacks that were read, so that image names can be made relative to the new file (see `image_names`);
        without it they are written as they were read.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    blocks = particles_table(particles, poses)
    _write(path, particles, poses.particle, blocks, source)


def write_unused(
    path: Path, particles: Particles, rows: NDArray[np.int64], source: MrcStackSource | None = None
) -> None:
    """Write particles that have no pose, labelled unused, as they were read; arguments as in `write_particles`."""
    table = _rows(particles, rows).assign(**{LABEL: UNUSED_LABEL})
    blocks = {"optics": _optics_table(particles), "particles": table}
    _write(path, particles, rows, blocks, source)


def image_names(
    particles: Particles, rows: NDArray[np.int64], source: MrcStackSource, folder: Path
) -> NDArray[np.str_]:
    """Image names that are right for a table in `folder`.

    An absolute path, and a relative one that leads from `folder` to the same stack, stay as they were. Any other
    relative path is rewritten to lead from `folder` to the stack that was read. RELION resolves image names from the
    folder it is started in, so it has to be started in `folder`.

    Parameters
    ----------
    particles : Particles
        With the column rlnImageName.
    rows : (M,) int64
        Rows of `particles`.
    source : MrcStackSource
        The stacks of all rows of `particles`.
    folder : Path
        Where the table will be.

    Returns
    -------
    (M,) str
        `000001@path`, the number as it was.
    """
    rewritten: dict[tuple[int, str], str] = {}
    names = []
    for row, name in zip(rows.tolist(), particles.table.columns[IMAGE_NAME][rows].tolist(), strict=True):
        number, _, stack = name.partition("@")
        key = (int(source.path_index[row]), stack)
        if key not in rewritten:
            rewritten[key] = _stack_name(stack, source.paths[key[0]], folder)
        names.append(f"{number}@{rewritten[key]}")
    return np.array(names, dtype=np.str_)


def moved_image_names(names: Sequence[str], old_folder: Path, new_folder: Path) -> list[str]:
    """Image names of a table in `old_folder`, right for one in `new_folder`; absolute paths stay.

    Unlike `image_names` it asks for no stack: a relative path leads from `old_folder` to its own.
    """
    moved: dict[str, str] = {}
    for stack in {name.partition("@")[2] for name in names}:
        moved[stack] = _stack_name(stack, old_folder / stack, new_folder)
    return [f"{number}@{moved[stack]}" for number, _, stack in (name.partition("@") for name in names)]


def _stack_name(stack: str, file: Path, folder: Path) -> str:
    """How a table in `folder` names the stack that its input named `stack` and that was found as `file`."""
    # The folders are resolved, since ".." out of a symbolic link leads elsewhere; the file keeps its own name.
    parent = file.parent.resolve()
    if Path(stack).is_absolute() or (folder / stack).parent.resolve() == parent:
        return stack
    try:
        return (Path(os.path.relpath(parent, folder.resolve())) / Path(stack).name).as_posix()
    except ValueError:  # on Windows there is no relative path to another drive
        return (parent / Path(stack).name).as_posix()


def _write(
    path: Path,
    particles: Particles,
    rows: NDArray[np.int64],
    blocks: dict[str, pd.DataFrame],
    source: MrcStackSource | None,
) -> None:
    if source is not None and IMAGE_NAME in blocks["particles"]:
        blocks["particles"][IMAGE_NAME] = image_names(particles, rows, source, path.parent)
    write_text_atomically(path, blocks_to_text(blocks))


def _pose_columns(poses: PoseTable) -> dict[str, NDArray[np.str_]]:
    """Columns of `POSE_LABELS`, and the posterior of each class where there are several, as text."""
    values = (
        *(_decimal(poses.euler_deg[:, axis]) for axis in range(3)),
        *(_decimal(poses.origin_angstrom[:, axis]) for axis in range(2)),
        np.char.mod("%d", poses.class_index + 1),
        _decimal(poses.log_likelihood),
        _decimal(poses.max_posterior),
        _decimal(poses.ess),
        _decimal(poses.class_posterior.max(axis=1, initial=0.0)),
        _decimal(poses.class_margin),
        np.array([label.replace(" ", "_") for label in poses.label.tolist()], dtype=np.str_),
    )
    columns = dict(zip(POSE_LABELS, values, strict=True))
    if poses.classes > 1:
        for number, posterior in enumerate(poses.class_posterior.T, 1):
            columns[f"{CLASS_POSTERIOR}{number}"] = _decimal(posterior)
    return columns


def _decimal(values: NDArray[np.float64]) -> NDArray[np.str_]:
    """Six decimals, as RELION writes; adding 0 turns a negative zero into zero."""
    return np.char.mod("%.6f", np.round(values, 6) + 0.0)


def _rows(particles: Particles, rows: NDArray[np.int64]) -> pd.DataFrame:
    """Carried columns of these rows, with an optics group if the input had none."""
    table = _frame(particles.table).iloc[rows].reset_index(drop=True)
    table = table.drop(columns=[label for label in table if label.startswith(OWN_PREFIX)])
    if OPTICS_GROUP not in table:
        table[OPTICS_GROUP] = np.full(len(rows), "1")
    return table


def _optics_table(particles: Particles) -> pd.DataFrame:
    """Carried optics, with the pixel size that the run used, and with the box that later RELION jobs ask for."""
    optics = _frame(particles.optics)
    if not len(optics):
        optics = pd.DataFrame({OPTICS_GROUP: ["1"], OPTICS_GROUP_NAME: ["opticsGroup1"]})
    if PIXEL_SIZE not in optics or not _all_equal(optics[PIXEL_SIZE], particles.pixel_size_angstrom):
        optics[PIXEL_SIZE] = f"{particles.pixel_size_angstrom:.6f}"
    if IMAGE_SIZE not in optics:
        optics[IMAGE_SIZE] = str(particles.box_px)
    if IMAGE_DIMENSIONALITY not in optics:
        optics[IMAGE_DIMENSIONALITY] = "2"
    return optics


def _all_equal(column: pd.Series, value: float) -> bool:
    return bool(np.allclose(pd.to_numeric(column, errors="coerce"), value, rtol=1e-4, atol=0))


def _frame(carried: CarriedTable) -> pd.DataFrame:
    return pd.DataFrame({label: values.astype(object) for label, values in carried.columns.items()})
