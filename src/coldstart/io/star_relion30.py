"""The single table of RELION up to 3.0, turned into the optics and particle tables of 3.1."""

import numpy as np
from numpy.typing import NDArray

from coldstart.io.grouping import group_rows
from coldstart.io.star_columns import OLD_ORIGIN_LABELS, OPTICS_GROUP, OPTICS_GROUP_NAME, PIXEL_SIZE, decimal, numbers
from coldstart.model.carried import CarriedTable

_MAGNIFICATION = "rlnMagnification"
_DETECTOR_PIXEL_SIZE = "rlnDetectorPixelSize"
# Rows that agree in all of these share an optics group.
_OPTICS_LABELS = (
    "rlnAmplitudeContrast",
    "rlnBeamTiltX",
    "rlnBeamTiltY",
    "rlnSphericalAberration",
    "rlnVoltage",
    _DETECTOR_PIXEL_SIZE,
    _MAGNIFICATION,
)


def split_single_table(table: CarriedTable, where: str) -> tuple[CarriedTable, CarriedTable]:
    """Split a RELION 3.0 table as RELION's own converter does.

    The optical constants, one a row, become one optics group for each combination that occurs, in the order of
    appearance; pixel size = 10000 x detector pixel size (µm) / magnification; shifts in pixels become shifts in Å.

    Parameters
    ----------
    table : CarriedTable
        At least one row.
    where : str
        File and block, for messages.

    Returns
    -------
    optics, particles : CarriedTable

    Raises
    ------
    ParticleFileError
        If an optical constant or a shift is not a number.
    """
    present = [label for label in _OPTICS_LABELS if label in table]
    group, first_rows = group_rows([numbers(table, label, where) for label in present], len(table))
    count = range(1, len(first_rows) + 1)
    named = {OPTICS_GROUP: [str(number) for number in count], OPTICS_GROUP_NAME: [f"opticsGroup{n}" for n in count]}
    constants = {label: table.utf8(label)[first_rows] for label in present}
    optics = CarriedTable({**named, **constants})
    particles = table.without(*present).having({OPTICS_GROUP: optics.utf8(OPTICS_GROUP)[group]})
    if _MAGNIFICATION in optics and _DETECTOR_PIXEL_SIZE in optics:
        magnification = numbers(optics, _MAGNIFICATION, where)
        # A magnification of 0 leaves a pixel size of 0, which the reader refuses by name.
        pixel_size = np.divide(
            1e4 * numbers(optics, _DETECTOR_PIXEL_SIZE, where),
            magnification,
            out=np.zeros(len(optics)),
            where=magnification > 0,
        )
        optics = optics.having({PIXEL_SIZE: decimal(pixel_size)})
        particles = _origins_in_angstrom(particles, pixel_size[group], where)
    return optics, particles


def _origins_in_angstrom(table: CarriedTable, pixel_size: NDArray[np.float64], where: str) -> CarriedTable:
    """Replace rlnOriginX and Y (px) by rlnOriginXAngst and YAngst (Å), in their places."""
    labels = [label for label in OLD_ORIGIN_LABELS if label in table]
    converted = {label: decimal(numbers(table, label, where) * pixel_size) for label in labels}
    return table.having(converted).renamed({label: f"{label}Angst" for label in labels})
