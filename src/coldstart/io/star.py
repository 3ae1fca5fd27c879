"""Particles out of a RELION STAR file, with the stacks that it names."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldstart.errors import ParticleFileError
from coldstart.io.aberrations import relion_notes
from coldstart.io.locate import find_stacks, packed_note
from coldstart.io.mrc import MrcStackSource, StackHeader, read_stack_header
from coldstart.io.star_columns import (
    CTF_PREMULTIPLIED,
    IMAGE_DIMENSIONALITY,
    IMAGE_NAME,
    IMAGE_SIZE,
    MAGNIFICATION_LABELS,
    OPTICS_GROUP,
    OPTICS_GROUP_NAME,
    PHASE_FLIPPED,
    bad_value,
    numbers,
    whole_numbers,
)
from coldstart.io.star_table import StarTable, read_star_table
from coldstart.io.treatment import ImageKind, one_kind
from coldstart.model.carried import CarriedTable
from coldstart.model.particles import Ctf, Particles
from coldstart.model.resample import ImageGrid


def read_star(
    path: Path,
    *,
    data_root: Path | None = None,
    pixel_size_angstrom: float | None = None,
    use_ctf: bool = True,
    phase_flipped: bool = False,
    resolution_angstrom: float,
) -> tuple[Particles, MrcStackSource]:
    """Read a STAR file and open its stacks; arguments, results and errors as in `particle_files.read_particles`."""
    table = read_star_table(path, pixel_size_angstrom=pixel_size_angstrom, use_ctf=use_ctf)
    files = find_stacks(path, table.places, data_root)
    headers = [read_stack_header(file) for file in files]
    _check_unnumbered(table, headers)
    boxes = _boxes(table, headers)
    kinds = _image_kinds(table, boxes, phase_flipped=phase_flipped)
    treatment, notes = one_kind(kinds, np.searchsorted(table.used, table.group), table.ctf)
    source = MrcStackSource(files, table.places.stack, table.places.slice, headers=headers, treatment=treatment)
    pixel_size = float(table.pixel_size_angstrom[0]) if treatment is None else treatment.grid.pixel_size_angstrom
    optics = table.optics.take(table.used)
    particles = Particles(
        len(table.particles),
        source.box_px,
        pixel_size,
        table.ctf,
        table.particles,
        _completed(table, boxes),
        str(path),
        notes=(
            *notes,
            *_premultiplied_note(table.ctf),
            *relion_notes(optics, table.where_optics, resolution_angstrom),
            *packed_note(headers),
        ),
    )
    return particles, source


def _check_unnumbered(table: StarTable, headers: list[StackHeader]) -> None:
    """Refuse names of files of several images that do not say which image is meant."""
    if table.places.unnumbered is None:
        return
    counts = np.array([header.count for header in headers])[table.places.stack]
    bad = np.flatnonzero(table.places.unnumbered & (counts > 1))
    if len(bad):
        row = int(bad[0])
        what = f"does not say which of the {counts[row]:,} images of that stack is meant. Name it 000001@stack.mrcs"
        raise bad_value(table.particles, IMAGE_NAME, row, f"{table.path}, data_particles", what)


def _boxes(table: StarTable, headers: list[StackHeader]) -> NDArray[np.int64]:
    """Box of the images of each optics group in use, compared with what the table states."""
    box_of_row = np.array([header.box_px for header in headers], dtype=np.int64)[table.places.stack]
    used = table.optics.take(table.used)
    stated = whole_numbers(used, IMAGE_SIZE, table.where_optics) if IMAGE_SIZE in used else None
    boxes = np.empty(len(table.used), dtype=np.int64)
    for number, group in enumerate(table.used.tolist()):
        rows = np.flatnonzero(table.group == group)
        boxes[number] = box_of_row[rows[0]] if stated is None else stated[number]
        other = rows[box_of_row[rows] != boxes[number]]
        if len(other):
            raise _wrong_box(table, headers, int(other[0]), int(boxes[number]), is_stated=stated is not None)
    return boxes


def _wrong_box(
    table: StarTable, headers: list[StackHeader], row: int, expected: int, *, is_stated: bool
) -> ParticleFileError:
    header = headers[table.places.stack[row]]
    if is_stated:
        return ParticleFileError(
            f"{table.path}: {IMAGE_SIZE} is {expected} px, but the images of {header.path} are {header.box_px} px. "
            "The table and the stack do not belong together: find the stack that the table was written for."
        )
    return ParticleFileError(
        f"{table.path}, row {row + 1}: {header.path} has a box of {header.box_px} px, other stacks of the same optics "
        f"group one of {expected} px. Give each box an optics group of its own, or extract the particles again."
    )


def _image_kinds(table: StarTable, boxes: NDArray[np.int64], *, phase_flipped: bool) -> tuple[ImageKind, ...]:
    """Sampling of the images of each optics group in use, and whether their phases were flipped."""
    used = table.optics.take(table.used)
    names = used.columns[OPTICS_GROUP_NAME if OPTICS_GROUP_NAME in used else OPTICS_GROUP].tolist()
    matrices = _magnifications(used, table.where_optics)
    grids = [
        ImageGrid(int(box), float(size), matrix)
        for box, size, matrix in zip(boxes, table.pixel_size_angstrom, matrices, strict=True)
    ]
    flipped = np.full(len(used), phase_flipped)
    if PHASE_FLIPPED in used:
        flipped |= whole_numbers(used, PHASE_FLIPPED, table.where_optics) != 0
    return tuple(
        ImageKind(grid, name=name, phase_flipped=bool(flip))
        for grid, name, flip in zip(grids, names, flipped, strict=True)
    )


def _magnifications(used: CarriedTable, where: str) -> list[tuple[float, float, float, float]]:
    """The matrix of anisotropic magnification of each group, where the table has it."""
    if any(label not in used for label in MAGNIFICATION_LABELS):
        return [(1.0, 0.0, 0.0, 1.0)] * len(used)
    entries = np.array([numbers(used, label, where) for label in MAGNIFICATION_LABELS]).T
    bad = np.flatnonzero(np.abs(entries - (1, 0, 0, 1)).max(axis=1) > 0.5)
    if len(bad):
        what = "is no magnification near 1. Correct the table, or remove the rlnMagMat columns"
        raise bad_value(used, MAGNIFICATION_LABELS[0], int(bad[0]), where, what)
    return [(a, b, c, d) for a, b, c, d in entries.tolist()]


def _completed(table: StarTable, boxes: NDArray[np.int64]) -> CarriedTable:
    """The optics with the box and the dimensions, which later RELION jobs ask for, where it lacks them."""
    optics = table.optics
    if IMAGE_SIZE not in optics:
        # No particle says what the box of the other groups is.
        sizes = np.full(len(optics), boxes[0])
        sizes[table.used] = boxes
        optics = optics.having({IMAGE_SIZE: [str(size) for size in sizes.tolist()]})
    if IMAGE_DIMENSIONALITY not in optics:
        optics = optics.having({IMAGE_DIMENSIONALITY: ["2"] * len(optics)})
    return optics


def _premultiplied_note(ctf: Ctf | None) -> tuple[str, ...]:
    if ctf is None or not ctf.premultiplied.any():
        return ()
    share = "" if ctf.premultiplied.all() else f" {int(ctf.premultiplied.sum()):,} of"
    return (f"The table says that{share} the images are multiplied by their CTF ({CTF_PREMULTIPLIED}); allowed for.",)
