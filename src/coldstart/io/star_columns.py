"""RELION's labels: which field each one fills, its unit, its block and its default; and numbers out of columns."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from coldstart.errors import ParticleFileError
from coldstart.model.carried import CarriedTable

IMAGE_NAME = "rlnImageName"
RANDOM_SUBSET = "rlnRandomSubset"
OPTICS_GROUP = "rlnOpticsGroup"
OPTICS_GROUP_NAME = "rlnOpticsGroupName"
PIXEL_SIZE = "rlnImagePixelSize"
IMAGE_SIZE = "rlnImageSize"
IMAGE_DIMENSIONALITY = "rlnImageDimensionality"
CTF_PREMULTIPLIED = "rlnCtfDataAreCtfPremultiplied"
PHASE_FLIPPED = "rlnCtfDataArePhaseFlipped"
CLASS_NUMBER = "rlnClassNumber"
CLASS_POSTERIOR = "coldstartClassPosterior"
CLASS_MARGIN = "coldstartClassMargin"
POSE_ESS = "coldstartPoseEss"
LOG_LIKELIHOOD = "rlnLogLikeliContribution"
MAX_POSTERIOR = "rlnMaxValueProbDistribution"
LABEL = "coldstartLabel"

# All columns that are the program's own begin with it: those of an earlier run must not be taken for this run's.
OWN_PREFIX = "coldstart"

# What coldstartLabel says; without a blank, which would need quotes in a STAR file.
UNUSED_LABEL = "unused"
DISAGREE_LABEL = "starts_disagree"
PARTICLE_LABELS = ("used", UNUSED_LABEL, "low_confidence", DISAGREE_LABEL)


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
    limits : tuple of float
        Least and largest value that can be right.
    """

    label: str
    field: str
    unit: str
    block: Literal["optics", "particles"]
    default: float | None = None
    limits: tuple[float, float] = (-math.inf, math.inf)


CTF_COLUMNS = (
    CtfColumn("rlnDefocusU", "defocus_u_angstrom", "Å", "particles"),
    CtfColumn("rlnDefocusV", "defocus_v_angstrom", "Å", "particles"),
    CtfColumn("rlnDefocusAngle", "defocus_angle_deg", "degrees", "particles"),
    CtfColumn("rlnPhaseShift", "phase_shift_deg", "degrees", "particles", 0.0),
    CtfColumn("rlnCtfBfactor", "b_factor_angstrom2", "Å^2", "particles", 0.0),
    CtfColumn("rlnCtfScalefactor", "scale", "", "particles", 1.0),
    CtfColumn("rlnVoltage", "voltage_kv", "kV", "optics", limits=(1.0, 5000.0)),
    CtfColumn("rlnSphericalAberration", "cs_mm", "mm", "optics", limits=(0.0, 1000.0)),
    CtfColumn("rlnAmplitudeContrast", "amplitude_contrast", "fraction", "optics", limits=(0.0, 1.0)),
    CtfColumn(CTF_PREMULTIPLIED, "premultiplied", "(0 or 1)", "optics", 0.0, (0.0, 1.0)),
)

MAGNIFICATION_LABELS = ("rlnMagMat00", "rlnMagMat01", "rlnMagMat10", "rlnMagMat11")

ANGLE_LABELS = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
ORIGIN_LABELS = ("rlnOriginXAngst", "rlnOriginYAngst")

# The columns that a run fills, one row a pose.
POSE_LABELS = (
    *ANGLE_LABELS,
    *ORIGIN_LABELS,
    CLASS_NUMBER,
    LOG_LIKELIHOOD,
    MAX_POSTERIOR,
    POSE_ESS,
    CLASS_POSTERIOR,
    CLASS_MARGIN,
    LABEL,
)

# Every whole number up to it is a float64.
_LARGEST_WHOLE = 2.0**53

# Shifts in pixels, which RELION 3.1 and later ignore beside an optics table.
OLD_ORIGIN_LABELS = ("rlnOriginX", "rlnOriginY")


def numbers(table: CarriedTable, label: str, where: str) -> NDArray[np.float64]:
    """Read a column as numbers.

    Parameters
    ----------
    table : CarriedTable
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
    text = table.utf8(label)
    try:
        # Python's underscores between digits are no numbers in a STAR file.
        values = text.astype(np.float64) if not (text.view(np.uint8) == ord("_")).any() else _one_by_one(text)
    except ValueError:
        values = _one_by_one(text)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise bad_value(table, label, int(bad[0]), where, "is not a number. Correct or remove that row")
    return values


def _one_by_one(text: NDArray[np.bytes_]) -> NDArray[np.float64]:
    """Numbers, and NaN for what is none."""
    return np.array([_number_or_nan(value) for value in text.tolist()])


def _number_or_nan(value: bytes) -> float:
    try:
        return np.nan if b"_" in value else float(value)
    except ValueError:
        return np.nan


def whole_numbers(table: CarriedTable, label: str, where: str) -> NDArray[np.int64]:
    """Read a column as whole numbers, (rows,) int64; errors as in `numbers`."""
    values = numbers(table, label, where)
    bad = np.flatnonzero((values != np.rint(values)) | (np.abs(values) > _LARGEST_WHOLE))
    if len(bad):
        raise bad_value(table, label, int(bad[0]), where, "is not a whole number. Correct or remove that row")
    return values.astype(np.int64)


def decimal(values: NDArray[np.floating]) -> NDArray[np.bytes_]:
    """Six decimals, as RELION writes; adding 0 turns a negative zero into zero."""
    rounded = np.round(np.asarray(values, dtype=np.float64), 6) + 0.0
    return np.array([b"%.6f" % value for value in rounded.tolist()], dtype=np.bytes_)


def bad_value(table: CarriedTable, label: str, row: int, where: str, what: str) -> ParticleFileError:
    """Make an error that names the row, counted from 1, the column and the value; `what` says why and what to do."""
    return ParticleFileError(f"{where}, row {row + 1}, {label} = {table.value(label, row)!r} {what}.")
