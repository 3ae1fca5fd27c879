"""RELION's labels: which field each one fills, its unit, its block and its default; and numbers out of columns."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from coldstart.errors import ParticleFileError

IMAGE_NAME = "rlnImageName"
OPTICS_GROUP = "rlnOpticsGroup"
OPTICS_GROUP_NAME = "rlnOpticsGroupName"
PIXEL_SIZE = "rlnImagePixelSize"
IMAGE_SIZE = "rlnImageSize"
IMAGE_DIMENSIONALITY = "rlnImageDimensionality"
CTF_PREMULTIPLIED = "rlnCtfDataAreCtfPremultiplied"
CLASS_NUMBER = "rlnClassNumber"
CLASS_POSTERIOR = "coldstartClassPosterior"
CLASS_MARGIN = "coldstartClassMargin"
LABEL = "coldstartLabel"

# All columns that are the program's own begin with it: those of an earlier run must not be taken for this run's.
OWN_PREFIX = "coldstart"

# What coldstartLabel says; without a blank, which would need quotes in a STAR file.
UNUSED_LABEL = "unused"
PARTICLE_LABELS = ("used", UNUSED_LABEL, "low_confidence")


@dataclass(frozen=True, slots=True)
class CtfColumn:
    """A RELION label that fills one field of `Ctf`.

    Attributes
    ----------
    label, field, unit : str
        Label in the table, field of `Ctf`, and the unit of both.
    block : {"optics", "particles"}
        Where RELION 3.1 and later keep it.
    default : float or None
        Value where the column is absent; None where it must be there.
    """

    label: str
    field: str
    unit: str
    block: Literal["optics", "particles"]
    default: float | None = None


CTF_COLUMNS = (
    CtfColumn("rlnDefocusU", "defocus_u_angstrom", "Å", "particles"),
    CtfColumn("rlnDefocusV", "defocus_v_angstrom", "Å", "particles"),
    CtfColumn("rlnDefocusAngle", "defocus_angle_deg", "degrees", "particles"),
    CtfColumn("rlnPhaseShift", "phase_shift_deg", "degrees", "particles", 0.0),
    CtfColumn("rlnCtfBfactor", "b_factor_angstrom2", "Å^2", "particles", 0.0),
    CtfColumn("rlnCtfScalefactor", "scale", "", "particles", 1.0),
    CtfColumn("rlnVoltage", "voltage_kv", "kV", "optics"),
    CtfColumn("rlnSphericalAberration", "cs_mm", "mm", "optics"),
    CtfColumn("rlnAmplitudeContrast", "amplitude_contrast", "fraction", "optics"),
)

# The columns that a run fills, one row a pose.
POSE_LABELS = (
    "rlnAngleRot",
    "rlnAngleTilt",
    "rlnAnglePsi",
    "rlnOriginXAngst",
    "rlnOriginYAngst",
    CLASS_NUMBER,
    "rlnLogLikeliContribution",
    "rlnMaxValueProbDistribution",
    "coldstartPoseEss",
    CLASS_POSTERIOR,
    CLASS_MARGIN,
    LABEL,
)

# Shifts in pixels, which RELION 3.1 and later ignore beside an optics table.
OLD_ORIGIN_LABELS = ("rlnOriginX", "rlnOriginY")


def numbers(table: pd.DataFrame, label: str, where: str) -> NDArray[np.float64]:
    """Read a column as numbers.

    Parameters
    ----------
    table : DataFrame of str
    label : str
        A column of `table`.
    where : str
        File and block, for the message.

    Returns
    -------
    (rows,) float64

    Raises
    ------
    ParticleFileError
        If a value is not a finite number; names row, column and value.
    """
    values = np.asarray(pd.to_numeric(table[label], errors="coerce"), dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise bad_value(table, label, int(bad[0]), where, "is not a number. Correct or remove that row")
    return values


def whole_numbers(table: pd.DataFrame, label: str, where: str) -> NDArray[np.int64]:
    """Read a column as whole numbers, (rows,) int64; errors as in `numbers`."""
    values = numbers(table, label, where)
    bad = np.flatnonzero(values != np.rint(values))
    if len(bad):
        raise bad_value(table, label, int(bad[0]), where, "is not a whole number. Correct or remove that row")
    return values.astype(np.int64)


def bad_value(table: pd.DataFrame, label: str, row: int, where: str, what: str) -> ParticleFileError:
    """Make an error that names the row, counted from 1, the column and the value; `what` says why and what to do."""
    return ParticleFileError(f"{where}, row {row + 1}, {label} = {table[label].iloc[row]!r} {what}.")
