"""Particles: what is known of each image before the run, as immutable columns.

Rows keep the order of the input table. Columns that the program does not interpret are carried as
the strings they were, so that a written table can hold them unchanged.
"""

from dataclasses import dataclass, field, fields, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from coldstart.model.carried import CarriedTable

FloatColumn = NDArray[np.float64]
Rows = NDArray[np.int64] | slice


class ImageSource(Protocol):
    """Where pixels come from: the engine asks for rows, `io` answers from memory-mapped stacks."""

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Images of these particle rows, (len(rows), box, box) float32, [y, x]."""
        ...


@dataclass(frozen=True, slots=True)
class Ctf:
    """Contrast transfer parameters, one row a particle.

    Attributes
    ----------
    defocus_u_angstrom, defocus_v_angstrom : (N,) float64
        Defocus along and across the astigmatism direction; positive is underfocus.
    defocus_angle_deg : (N,) float64
        Angle between x and the direction of `defocus_u`.
    voltage_kv, cs_mm, amplitude_contrast, phase_shift_deg, b_factor_angstrom2, scale : (N,) float64
        Voltage, spherical aberration, amplitude contrast (fraction), phase plate shift, envelope B factor and scale.
    premultiplied : (N,) float64
        1 where the image was multiplied by its CTF, noise and all; 0 where it was not.
    """

    defocus_u_angstrom: FloatColumn
    defocus_v_angstrom: FloatColumn
    defocus_angle_deg: FloatColumn
    voltage_kv: FloatColumn
    cs_mm: FloatColumn
    amplitude_contrast: FloatColumn
    phase_shift_deg: FloatColumn
    b_factor_angstrom2: FloatColumn
    scale: FloatColumn
    premultiplied: FloatColumn

    def take(self, rows: Rows) -> "Ctf":
        """Some of the rows, by index or slice."""
        return Ctf(*(getattr(self, item.name)[rows] for item in fields(self)))


@dataclass(frozen=True, slots=True)
class Particles:
    """One row an image, in the order of the input.

    Attributes
    ----------
    box_px : int
        Side of the square images, even.
    pixel_size_angstrom : float
        Å a pixel of the stack.
    ctf : Ctf or None
        None where the images carry no CTF (class averages, `--no-ctf`).
    table, optics : CarriedTable
        The input's particle and optics tables, uninterpreted; empty where the input was no STAR file.
    name : str
        Where the particles came from, for messages.
    records : (N,) structured array or None
        The rows of the cryoSPARC dataset that the particles came from.
    notes : tuple of str
        What the user should know of how the input was read.
    """

    count: int
    box_px: int
    pixel_size_angstrom: float
    ctf: Ctf | None
    table: CarriedTable = field(default_factory=CarriedTable)
    optics: CarriedTable = field(default_factory=CarriedTable)
    name: str = "particles"
    records: NDArray[np.void] | None = None
    notes: tuple[str, ...] = ()

    @property
    def box_angstrom(self) -> float:
        """Side of the box in Å: the unit of Fourier radii is one over this."""
        return self.box_px * self.pixel_size_angstrom

    def first(self, count: int) -> "Particles":
        """The first `count` particles, or all where there are fewer; rows of the image source stay the same."""
        return self._rows(slice(count), min(count, self.count))

    def take(self, rows: NDArray[np.int64]) -> "Particles":
        """Some of the particles; the image source has to be told of these rows too."""
        return self._rows(rows, len(rows))

    def _rows(self, rows: Rows, count: int) -> "Particles":
        return replace(
            self,
            count=count,
            ctf=None if self.ctf is None else self.ctf.take(rows),
            table=self.table.take(rows),
            records=None if self.records is None else self.records[rows],
        )
