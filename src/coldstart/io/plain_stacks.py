"""Particles out of stacks that no table comes with: one stack, or all stacks of a folder."""

from pathlib import Path

import numpy as np

from coldstart.errors import ParticleFileError
from coldstart.io.locate import packed_note
from coldstart.io.mrc import MrcStackSource, read_stack_header
from coldstart.io.star_columns import IMAGE_NAME
from coldstart.io.suffixes import STACK_SUFFIXES, ends_in
from coldstart.model.carried import CarriedTable
from coldstart.model.particles import Particles


def read_plain_stacks(
    path: Path, *, pixel_size_angstrom: float | None, use_ctf: bool
) -> tuple[Particles, MrcStackSource]:
    """Every image of a stack, or of all stacks of a folder in the order of their names, is a particle without a CTF.

    Raises
    ------
    ParticleFileError
        If a CTF is wanted, there is no stack, one is not readable, they differ in box, or no pixel size is known.
    """
    files = _files(path)
    if use_ctf:
        kind = "a folder of stacks" if path.is_dir() else "a plain stack"
        raise ParticleFileError(
            f"{path} is {kind}, which holds no CTF: give the STAR or .cs file that belongs to it, "
            "or say --no-ctf for images without a CTF (class averages)."
        )
    headers = [read_stack_header(file) for file in files]
    counts = [header.count for header in headers]
    stack = np.repeat(np.arange(len(files)), counts)
    image = np.concatenate([np.arange(count) for count in counts])
    source = MrcStackSource(files, stack, image, headers=headers)
    sizes = {round(header.pixel_size_angstrom, 3) for header in headers}
    if pixel_size_angstrom is None and (len(sizes) > 1 or min(sizes) <= 0):
        found = "give no pixel size" if max(sizes) <= 0 else f"give different pixel sizes, {sorted(sizes)} Å"
        one = "the header gives no pixel size" if len(files) == 1 else f"the headers {found}"
        raise ParticleFileError(f"{path}: {one}. Say it with --pixel-size, in Å.")
    names = np.array(
        [f"{n + 1:06d}@{file.name}" for file, count in zip(files, counts, strict=True) for n in range(count)]
    )
    particles = Particles(
        len(names),
        source.box_px,
        pixel_size_angstrom or source.pixel_size_angstrom,
        None,
        CarriedTable({IMAGE_NAME: names}),
        name=str(path),
        notes=packed_note(headers),
    )
    return particles, source


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    try:
        files = sorted(file for file in path.iterdir() if ends_in(file, STACK_SUFFIXES) and file.is_file())
    except OSError as error:
        raise ParticleFileError(f"{path} cannot be read: {error.strerror or error}.") from error
    if not files:
        raise ParticleFileError(
            f"{path} is a folder without stacks (.mrcs): give a particle table, or a folder of stacks."
        )
    return files
