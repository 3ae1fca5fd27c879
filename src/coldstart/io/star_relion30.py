"""The single table of RELION up to 3.0, turned into the optics and particle tables of 3.1."""

import numpy as np
import pandas as pd

from coldstart.io.star_columns import OLD_ORIGIN_LABELS, OPTICS_GROUP, OPTICS_GROUP_NAME, PIXEL_SIZE, numbers

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


def split_single_table(table: pd.DataFrame, where: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split a RELION 3.0 table as RELION's own converter does.

    The optical constants, one a row, become one optics group for each combination that occurs, in the order of
    appearance; pixel size = 10000 x detector pixel size (µm) / magnification; shifts in pixels become shifts in Å.

    Parameters
    ----------
    table : DataFrame of str
        At least one row.
    where : str
        File and block, for messages.

    Returns
    -------
    optics, particles : DataFrame of str

    Raises
    ------
    ParticleFileError
        If an optical constant or a shift is not a number.
    """
    present = [label for label in _OPTICS_LABELS if label in table]
    constants = np.array([numbers(table, label, where) for label in present]).reshape(len(present), len(table))
    _, first, group = np.unique(constants, axis=1, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    first_rows = np.sort(first)
    optics = table.iloc[first_rows][present].reset_index(drop=True)
    optics.insert(0, OPTICS_GROUP, [str(number + 1) for number in range(len(optics))])
    optics.insert(1, OPTICS_GROUP_NAME, [f"opticsGroup{number + 1}" for number in range(len(optics))])
    particles = table.drop(columns=present)
    particles[OPTICS_GROUP] = (rank[group.reshape(-1)] + 1).astype(str)
    if _MAGNIFICATION in present and _DETECTOR_PIXEL_SIZE in present:
        magnification = numbers(optics, _MAGNIFICATION, where)
        # A magnification of 0 leaves a pixel size of 0, which the reader refuses by name.
        pixel_size = np.divide(
            1e4 * numbers(optics, _DETECTOR_PIXEL_SIZE, where),
            magnification,
            out=np.zeros(len(optics)),
            where=magnification > 0,
        )
        optics[PIXEL_SIZE] = np.char.mod("%.6f", pixel_size)
        particles = _origins_in_angstrom(particles, pixel_size[rank[group.reshape(-1)]], where)
    return optics, particles


def _origins_in_angstrom(table: pd.DataFrame, pixel_size: np.ndarray, where: str) -> pd.DataFrame:
    """Replace rlnOriginX and Y (px) by rlnOriginXAngst and YAngst (Å), in their places."""
    converted = {
        label: np.char.mod("%.6f", numbers(table, label, where) * pixel_size)
        for label in OLD_ORIGIN_LABELS
        if label in table
    }
    return table.assign(**converted).rename(columns={label: f"{label}Angst" for label in converted})
