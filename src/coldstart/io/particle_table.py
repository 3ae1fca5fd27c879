"""A particle table as numbers, for looking at: poses and what a run says of each particle, without opening a stack.

Columns that a table lacks are left out of `features`, and a value that is no number becomes NaN: tables of other
programs and of older versions can be shown as far as they go.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from coldstart.io.cryosparc_star import star_tables
from coldstart.io.star_columns import (
    ANGLE_LABELS,
    CLASS_MARGIN,
    CLASS_NUMBER,
    CLASS_POSTERIOR,
    LABEL,
    LOG_LIKELIHOOD,
    MAX_POSTERIOR,
    ORIGIN_LABELS,
    POSE_ESS,
)
from coldstart.io.star_subset import read_with_particles
from coldstart.model.carried import CarriedTable
from coldstart.model.particles import Particles

_DEFOCUS = ("rlnDefocusU", "rlnDefocusV")

# Feature -> label, of those that are one column of numbers.
_NUMBERS = {
    "posterior": CLASS_POSTERIOR,
    "margin": CLASS_MARGIN,
    "ess": POSE_ESS,
    "pose_posterior": MAX_POSTERIOR,
    "log_likelihood": LOG_LIKELIHOOD,
}
_MICROGRAPH = "rlnMicrographName"


@dataclass(frozen=True, slots=True)
class ParticleTable:
    """The particles of a table, one row each.

    Attributes
    ----------
    path : Path
    euler_deg : (N, 3) float64 or None
        RELION rot, tilt, psi; None where the table has no poses.
    origin_angstrom : (N, 2) float64
        0 where the table has none.
    features : DataFrame
        row and class (both from 1), and as far as the table has them label, posterior (of the class), margin, ess,
        pose_posterior, log_likelihood, defocus_angstrom (mean of U and V) and micrograph.
    judgement : CarriedTable
        The columns that particles are picked by.
    """

    path: Path
    euler_deg: NDArray[np.float64] | None
    origin_angstrom: NDArray[np.float64]
    features: pd.DataFrame
    judgement: CarriedTable

    @property
    def count(self) -> int:
        """How many particles there are."""
        return len(self.features)

    @property
    def class_number(self) -> NDArray[np.int64]:
        """(N,) int64: the class of each particle, from 1."""
        return np.asarray(self.features["class"], dtype=np.int64)


def load_particle_table(path: Path) -> ParticleTable:
    """Read a table of RELION 3.1 or newer, such as a run writes.

    Raises
    ------
    ParticleFileError
        If the file cannot be read or lists no particles.
    """
    return particle_table(read_with_particles(path)[1], path)


def table_of(particles: Particles, path: Path) -> ParticleTable:
    """The table that particles were read from: a STAR file, or a dataset of cryoSPARC in RELION's terms."""
    columns = particles.table if particles.records is None else star_tables(particles.records)[1]
    return particle_table(columns, path)


def particle_table(columns: CarriedTable, path: Path) -> ParticleTable:
    """A table out of its columns, by RELION's labels; at least one column."""
    count = len(columns)
    posed = all(label in columns for label in ANGLE_LABELS)
    shifted = all(label in columns for label in ORIGIN_LABELS)
    return ParticleTable(
        path=path,
        euler_deg=_stacked(columns, ANGLE_LABELS) if posed else None,
        origin_angstrom=np.nan_to_num(_stacked(columns, ORIGIN_LABELS)) if shifted else np.zeros((count, 2)),
        features=_features(columns, count),
        judgement=_judgement(columns),
    )


def _features(columns: CarriedTable, count: int) -> pd.DataFrame:
    found: dict[str, NDArray[np.generic]] = {"row": np.arange(1, count + 1)}
    known = CLASS_NUMBER in columns
    found["class"] = np.nan_to_num(_numbers(columns, CLASS_NUMBER)).astype(np.int64) if known else np.ones(count, int)
    if LABEL in columns:
        found["label"] = np.char.replace(columns[LABEL], "_", " ").astype(object)
    for name, label in _NUMBERS.items():
        if label in columns:
            found[name] = _numbers(columns, label)
    if all(label in columns for label in _DEFOCUS):
        found["defocus_angstrom"] = _stacked(columns, _DEFOCUS).mean(axis=1)
    if _MICROGRAPH in columns:
        found["micrograph"] = columns[_MICROGRAPH].astype(object)
    return pd.DataFrame(found)


def _judgement(columns: CarriedTable) -> CarriedTable:
    wanted = {CLASS_NUMBER, CLASS_MARGIN, LOG_LIKELIHOOD, LABEL}
    return columns.without(*(label for label in columns if label not in wanted and CLASS_POSTERIOR not in label))


def _stacked(columns: CarriedTable, labels: tuple[str, ...]) -> NDArray[np.float64]:
    return np.stack([_numbers(columns, label) for label in labels], axis=1)


def _numbers(columns: CarriedTable, label: str) -> NDArray[np.float64]:
    """A column as numbers, and NaN for what is none."""
    try:
        return columns.utf8(label).astype(np.float64)
    except ValueError:
        return np.asarray(pd.to_numeric(pd.Series(columns[label]), errors="coerce"), dtype=np.float64)
