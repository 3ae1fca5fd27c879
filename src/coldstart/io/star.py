"""Particles out of a RELION STAR file, or out of a plain stack of images.

RELION 3.1, 4 and 5 write one layout, an optics table and a particle table, which is read as it is; the single table of
RELION up to 3.0 is turned into the same first. CTF signs and units are RELION's, which are the program's own.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from coldstart.errors import ParticleFileError
from coldstart.io.mrc import MrcStackSource, find_stack, read_stack_header
from coldstart.io.star_columns import (
    CTF_COLUMNS,
    CTF_PREMULTIPLIED,
    IMAGE_DIMENSIONALITY,
    IMAGE_NAME,
    IMAGE_SIZE,
    OPTICS_GROUP,
    OPTICS_GROUP_NAME,
    PIXEL_SIZE,
    bad_value,
    numbers,
    whole_numbers,
)
from coldstart.io.star_relion30 import split_single_table
from coldstart.io.star_text import read_blocks
from coldstart.model.particles import CarriedTable, Ctf, Particles

_STACK_SUFFIXES = (".mrcs", ".mrc")
_IMAGE_NAME_PATTERN = re.compile(r"(\d+)@(.+)")


def read_particles(
    path: Path,
    *,
    data_root: Path | None = None,
    pixel_size_angstrom: float | None = None,
    use_ctf: bool = True,
) -> tuple[Particles, MrcStackSource]:
    """Read what is known of each particle, and open the stacks that hold the images.

    Parameters
    ----------
    path : Path
        A RELION STAR file; or a plain stack (.mrcs, .mrc), whose images carry no CTF.
    data_root : Path, optional
        Folder that image names are relative to, tried before the STAR file's own folder.
    pixel_size_angstrom : float, optional
        Takes the place of the pixel size in the table or the header.
    use_ctf : bool
        Without it, CTF columns are neither needed nor read.

    Returns
    -------
    particles : Particles
        Rows in the order of the file.
    source : MrcStackSource
        The images of these rows.

    Raises
    ------
    ParticleFileError
        If the table or a stack is missing, not readable, incomplete, or contradicts itself.
    """
    path = Path(path)
    if path.suffix.lower() in _STACK_SUFFIXES:
        return _read_plain_stack(path, pixel_size_angstrom, use_ctf)
    optics, table = _read_tables(path)
    group = _optics_rows(path, optics, table)
    used = optics.iloc[np.unique(group)].reset_index(drop=True)
    pixel_size = pixel_size_angstrom or _pixel_size(path, used)
    _check_images_are_2d(path, used, use_ctf)
    ctf = _read_ctf(path, optics, table, group) if use_ctf else None
    source = _open_stacks(path, table, data_root)
    _check_box(path, used, source)
    carried, carried_optics = (CarriedTable(_columns(frame)) for frame in (table, optics))
    return Particles(len(table), source.box_px, pixel_size, ctf, carried, carried_optics, str(path)), source


def _read_plain_stack(path: Path, pixel_size_angstrom: float | None, use_ctf: bool) -> tuple[Particles, MrcStackSource]:
    """Every image of a stack is a particle; the table is made up of image names alone."""
    if use_ctf:
        raise ParticleFileError(
            f"{path} is a plain stack, which holds no CTF: give the STAR file that belongs to it, "
            "or say --no-ctf for images without a CTF (class averages, phase-flipped images)."
        )
    count = read_stack_header(path).count
    rows = np.arange(count, dtype=np.int64)
    source = MrcStackSource([path], np.zeros_like(rows), rows)
    pixel_size = pixel_size_angstrom or source.pixel_size_angstrom
    if pixel_size <= 0:
        raise ParticleFileError(f"{path}: the header gives no pixel size. Say it with --pixel-size, in Å.")
    names = np.array([f"{row + 1:06d}@{path.name}" for row in rows])
    return Particles(count, source.box_px, pixel_size, None, CarriedTable({IMAGE_NAME: names}), name=str(path)), source


def _read_tables(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Optics and particle tables, both of str; a RELION 3.0 table is split into the two."""
    blocks = read_blocks(path)
    name = _particle_block(path, blocks)
    table = blocks[name].reset_index(drop=True)
    if not len(table):
        raise ParticleFileError(f"{path}: data_{name} lists no particles. Choose or export the particles again.")
    if "optics" in blocks:
        if OPTICS_GROUP not in blocks["optics"]:
            raise ParticleFileError(f"{path}: data_optics has no column {OPTICS_GROUP}. Export the particles again.")
        return blocks["optics"], table
    if OPTICS_GROUP in table:
        raise ParticleFileError(
            f"{path} has the column {OPTICS_GROUP} but no block data_optics, which holds voltage and pixel size. "
            "Export the particles again with their optics groups."
        )
    return split_single_table(table, f"{path}, data_{name}")


def _particle_block(path: Path, blocks: dict[str, pd.DataFrame]) -> str:
    """Name of the block of particles: data_particles, or the first one that names images."""
    named = [name for name, table in blocks.items() if IMAGE_NAME in table]
    if "particles" in blocks and "particles" not in named:
        raise ParticleFileError(
            f"{path}: data_particles has no column {IMAGE_NAME}, so the images cannot be found. "
            "Export extracted particles, not coordinates."
        )
    if not named:
        found = ", ".join(f"data_{name}" for name in blocks)
        raise ParticleFileError(
            f"{path} has no block of particles, only {found}. "
            f"Give a particle table, with data_particles and the column {IMAGE_NAME}."
        )
    return "particles" if "particles" in named else named[0]


def _optics_rows(path: Path, optics: pd.DataFrame, table: pd.DataFrame) -> NDArray[np.int64]:
    """Row of the optics table that each particle belongs to, (N,)."""
    if OPTICS_GROUP not in table:
        raise ParticleFileError(
            f"{path}: data_particles has no column {OPTICS_GROUP}, though there is a data_optics. "
            "Export the particles again with their optics groups."
        )
    defined = whole_numbers(optics, OPTICS_GROUP, f"{path}, data_optics").tolist()
    wanted = whole_numbers(table, OPTICS_GROUP, f"{path}, data_particles")
    row_of_group = {group: row for row, group in enumerate(defined)}
    if len(row_of_group) < len(defined):
        raise ParticleFileError(f"{path}: data_optics defines a group twice, among {defined}. Number them apart.")
    unknown = np.flatnonzero(~np.isin(wanted, defined))
    if len(unknown):
        what = f"is not defined in data_optics, which has {defined}. Export the particles again"
        raise bad_value(table, OPTICS_GROUP, int(unknown[0]), f"{path}, data_particles", what)
    return np.array([row_of_group[group] for group in wanted.tolist()], dtype=np.int64)


def _pixel_size(path: Path, used: pd.DataFrame) -> float:
    """Pixel size of the optics groups in use, which must be one."""
    if PIXEL_SIZE not in used:
        raise ParticleFileError(f"{path} gives no pixel size ({PIXEL_SIZE}). Say it with --pixel-size, in Å.")
    sizes = numbers(used, PIXEL_SIZE, f"{path}, data_optics")
    if (sizes <= 0).any():
        what = "is no pixel size. Say it with --pixel-size, in Å"
        raise bad_value(used, PIXEL_SIZE, int(np.argmin(sizes)), f"{path}, data_optics", what)
    if not np.allclose(sizes, sizes[0], rtol=1e-4, atol=0):
        raise _differing_groups(path, used, PIXEL_SIZE, "rescale the images to one pixel size")
    return float(sizes[0])


def _check_box(path: Path, used: pd.DataFrame, source: MrcStackSource) -> None:
    """Compare the box that the table states, if it does, with that of the stacks."""
    if IMAGE_SIZE not in used:
        return
    boxes = whole_numbers(used, IMAGE_SIZE, f"{path}, data_optics")
    if (boxes != boxes[0]).any():
        raise _differing_groups(path, used, IMAGE_SIZE, "extract them again with one box")
    if boxes[0] != source.box_px:
        raise ParticleFileError(
            f"{path}: {IMAGE_SIZE} is {boxes[0]} px, but the images of {source.paths[0]} are {source.box_px} px. "
            "The table and the stack do not belong together: find the stack that the table was written for."
        )


def _differing_groups(path: Path, used: pd.DataFrame, label: str, remedy: str) -> ParticleFileError:
    names = used[OPTICS_GROUP_NAME] if OPTICS_GROUP_NAME in used else used[OPTICS_GROUP]
    values = ", ".join(f"{name} ({value})" for name, value in zip(names, used[label], strict=True))
    return ParticleFileError(
        f"{path}: the optics groups differ in {label}: {values}. Run each kind by itself, or {remedy}."
    )


def _check_images_are_2d(path: Path, used: pd.DataFrame, use_ctf: bool) -> None:
    """Refuse subtomograms, and images whose CTF was already applied."""
    where = f"{path}, data_optics"
    if IMAGE_DIMENSIONALITY in used and (numbers(used, IMAGE_DIMENSIONALITY, where) != 2).any():
        raise ParticleFileError(f"{where}: {IMAGE_DIMENSIONALITY} is not 2. Only 2D particle images can be used.")
    if use_ctf and CTF_PREMULTIPLIED in used and numbers(used, CTF_PREMULTIPLIED, where).any():
        raise ParticleFileError(
            f"{where}: the images are multiplied by their CTF ({CTF_PREMULTIPLIED}). "
            "Extract the particles again without CTF multiplication."
        )


def _read_ctf(path: Path, optics: pd.DataFrame, table: pd.DataFrame, group: NDArray[np.int64]) -> Ctf:
    """CTF parameters of each particle; those of the optics table are repeated for each row of their group."""
    fields: dict[str, NDArray[np.float64]] = {}
    for column in CTF_COLUMNS:
        frame = optics if column.block == "optics" else table
        if column.label in frame:
            values = numbers(frame, column.label, f"{path}, data_{column.block}")
            fields[column.field] = values[group] if column.block == "optics" else values
        elif column.default is not None:
            fields[column.field] = np.full(len(table), column.default)
        else:
            raise ParticleFileError(
                f"{path} has no column {column.label}, which the CTF needs. "
                "Estimate the CTF first, or say --no-ctf for images without one (class averages, phase-flipped images)."
            )
    _check_ctf_range(path, fields)
    return Ctf(**fields)


def _check_ctf_range(path: Path, fields: dict[str, NDArray[np.float64]]) -> None:
    limits = {"voltage_kv": (1.0, 5000.0), "cs_mm": (0.0, 1000.0), "amplitude_contrast": (0.0, 1.0)}
    for column in CTF_COLUMNS:
        low, high = limits.get(column.field, (-np.inf, np.inf))
        values = fields[column.field]
        bad = np.flatnonzero((values < low) | (values > high))
        if len(bad):
            raise ParticleFileError(
                f"{path}, particle row {bad[0] + 1}: {column.label} is {values[bad[0]]:g}, "
                f"but must be from {low:g} to {high:g} {column.unit}. Correct the table."
            )


def _open_stacks(path: Path, table: pd.DataFrame, data_root: Path | None) -> MrcStackSource:
    """Find the stacks that the image names mean, and open them."""
    roots = [Path(data_root)] if data_root is not None else []
    roots.append(path.parent)
    stack_number: dict[str, int] = {}
    files: list[Path] = []
    path_index = np.empty(len(table), dtype=np.int64)
    slice_index = np.empty(len(table), dtype=np.int64)
    for row, name in enumerate(table[IMAGE_NAME]):
        match = _IMAGE_NAME_PATTERN.fullmatch(name)
        if match is None or int(match[1]) < 1:
            what = "is no image of a stack. Names look like 000001@stack.mrcs, and count from 1"
            raise bad_value(table, IMAGE_NAME, row, f"{path}, data_particles", what)
        if match[2] not in stack_number:
            stack_number[match[2]] = len(files)
            files.append(_locate(path, row, match[2], roots))
        path_index[row] = stack_number[match[2]]
        slice_index[row] = int(match[1]) - 1
    return MrcStackSource(files, path_index, slice_index)


def _locate(path: Path, row: int, stack: str, roots: list[Path]) -> Path:
    """Find a stack under one of the folders; an absolute name is taken as it is."""
    candidates = list(dict.fromkeys(root / stack for root in roots))
    for candidate in candidates:
        found = find_stack(candidate)
        if found is not None:
            return found
    raise ParticleFileError(
        f"{path}, row {row + 1}: the stack {stack} is missing; looked for {', '.join(map(str, candidates))}. "
        "Give the folder that the image names are relative to with --data-root."
    )


def _columns(frame: pd.DataFrame) -> dict[str, NDArray[np.str_]]:
    return {str(label): frame[label].to_numpy(dtype=np.str_) for label in frame.columns}
