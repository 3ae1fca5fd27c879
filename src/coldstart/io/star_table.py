"""The tables of a RELION STAR file, whether or not the stacks that they name are there.

RELION 3.1, 4 and 5 write one layout, an optics table and a particle table, which is read as it is; the single table of
RELION up to 3.0 is turned into the same first. CTF signs and units are RELION's, which are the program's own.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldstart.errors import ParticleFileError
from coldstart.io.image_names import ImagePlaces, split_image_names
from coldstart.io.star_columns import (
    CTF_COLUMNS,
    IMAGE_DIMENSIONALITY,
    IMAGE_NAME,
    OPTICS_GROUP,
    PIXEL_SIZE,
    bad_value,
    numbers,
    whole_numbers,
)
from coldstart.io.star_relion30 import split_single_table
from coldstart.io.star_text import read_blocks
from coldstart.model.carried import CarriedTable
from coldstart.model.particles import Ctf

_SAME = 1e-4


@dataclass(frozen=True, slots=True)
class StarTable:
    """A particle table, whether or not its stacks are there.

    Attributes
    ----------
    path : Path
    optics, particles : CarriedTable
    group : (rows,) int64
        Row of `optics` that each particle belongs to.
    used : (groups,) int64
        Rows of `optics` that have particles, ascending.
    pixel_size_angstrom : (groups,) float64
        Of the rows `used`.
    ctf : Ctf or None
    places : ImagePlaces
    """

    path: Path
    optics: CarriedTable
    particles: CarriedTable
    group: NDArray[np.int64]
    used: NDArray[np.int64]
    pixel_size_angstrom: NDArray[np.float64]
    ctf: Ctf | None
    places: ImagePlaces

    @property
    def where_optics(self) -> str:
        """File and block of the optics, for messages."""
        return f"{self.path}, data_optics"


def read_star_table(path: Path, *, pixel_size_angstrom: float | None = None, use_ctf: bool = True) -> StarTable:
    """Read the table alone; arguments and errors as in `read_star`."""
    optics, table = _read_tables(path)
    group = _optics_rows(path, optics, table)
    used = np.unique(group)
    optics = _with_pixel_size(optics, pixel_size_angstrom)
    sizes = _pixel_sizes(path, optics.take(used))
    _check_images_are_2d(path, optics.take(used))
    ctf = _read_ctf(path, optics, table, group) if use_ctf else None
    places = split_image_names(table, f"{path}, data_particles")
    return StarTable(path, optics, table, group, used, sizes, ctf, places)


def _read_tables(path: Path) -> tuple[CarriedTable, CarriedTable]:
    """Optics and particle tables; a RELION 3.0 table is split into the two."""
    blocks = read_blocks(path)
    name = _particle_block(path, blocks)
    table = blocks[name]
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


def _particle_block(path: Path, blocks: dict[str, CarriedTable]) -> str:
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


def _optics_rows(path: Path, optics: CarriedTable, table: CarriedTable) -> NDArray[np.int64]:
    """Row of the optics table that each particle belongs to, (N,)."""
    if OPTICS_GROUP not in table:
        raise ParticleFileError(
            f"{path}: data_particles has no column {OPTICS_GROUP}, though there is a data_optics. "
            "Export the particles again with their optics groups."
        )
    defined = whole_numbers(optics, OPTICS_GROUP, f"{path}, data_optics")
    wanted = whole_numbers(table, OPTICS_GROUP, f"{path}, data_particles")
    if len(np.unique(defined)) < len(defined):
        raise ParticleFileError(
            f"{path}: data_optics defines a group twice, among {defined.tolist()}. Number them apart."
        )
    unknown = np.flatnonzero(~np.isin(wanted, defined))
    if len(unknown):
        what = f"is not defined in data_optics, which has {defined.tolist()}. Export the particles again"
        raise bad_value(table, OPTICS_GROUP, int(unknown[0]), f"{path}, data_particles", what)
    order = np.argsort(defined)
    return order[np.searchsorted(defined[order], wanted)]


def _with_pixel_size(optics: CarriedTable, given: float | None) -> CarriedTable:
    """The optics with the pixel size that the user gave in place of the table's, unless that says the same."""
    if given is None:
        return optics
    if PIXEL_SIZE in optics:
        stated = [_float_or_nan(value) for value in optics.columns[PIXEL_SIZE].tolist()]
        if np.allclose(stated, given, rtol=_SAME, atol=0):
            return optics
    return optics.having({PIXEL_SIZE: [f"{given:.6f}"] * len(optics)})


def _float_or_nan(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def _pixel_sizes(path: Path, used: CarriedTable) -> NDArray[np.float64]:
    """Pixel sizes of the optics groups in use."""
    if PIXEL_SIZE not in used:
        raise ParticleFileError(f"{path} gives no pixel size ({PIXEL_SIZE}). Say it with --pixel-size, in Å.")
    sizes = numbers(used, PIXEL_SIZE, f"{path}, data_optics")
    if (sizes <= 0).any():
        what = "is no pixel size. Say it with --pixel-size, in Å"
        raise bad_value(used, PIXEL_SIZE, int(np.argmin(sizes)), f"{path}, data_optics", what)
    return sizes


def _check_images_are_2d(path: Path, used: CarriedTable) -> None:
    """Refuse subtomograms."""
    where = f"{path}, data_optics"
    if IMAGE_DIMENSIONALITY in used and (numbers(used, IMAGE_DIMENSIONALITY, where) != 2).any():
        raise ParticleFileError(f"{where}: {IMAGE_DIMENSIONALITY} is not 2. Only 2D particle images can be used.")


def _read_ctf(path: Path, optics: CarriedTable, table: CarriedTable, group: NDArray[np.int64]) -> Ctf:
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
                "Estimate the CTF first, or say --no-ctf for images without one (class averages)."
            )
    _check_ctf_range(path, fields)
    return Ctf(**fields)


def _check_ctf_range(path: Path, fields: dict[str, NDArray[np.float64]]) -> None:
    for column in CTF_COLUMNS:
        low, high = column.limits
        values = fields[column.field]
        bad = np.flatnonzero((values < low) | (values > high))
        if len(bad):
            raise ParticleFileError(
                f"{path}, particle row {bad[0] + 1}: {column.label} is {values[bad[0]]:g}, "
                f"but must be from {low:g} to {high:g} {column.unit}. Correct the table."
            )
