"""The poses in a table that a run has written, back as a record."""

import numpy as np
from numpy.typing import NDArray

from coldstart.io.star_columns import (
    ANGLE_LABELS,
    CLASS_NUMBER,
    CLASS_POSTERIOR,
    LABEL,
    LOG_LIKELIHOOD,
    MAX_POSTERIOR,
    ORIGIN_LABELS,
    POSE_ESS,
    UNUSED_LABEL,
    numbers,
    whole_numbers,
)
from coldstart.model.carried import CarriedTable
from coldstart.model.state import PoseTable


def read_poses(table: CarriedTable, where: str, classes: int) -> PoseTable:
    """Read the poses of every row of a run's table, but for what it does not hold: a doubtful particle counts as used.

    Parameters
    ----------
    table : CarriedTable
    where : str
        File and block, for messages.
    classes : int
        Number of classes of the run.

    Raises
    ------
    ParticleFileError
        If a value is not a number.
    """

    def column(label: str) -> NDArray[np.float64]:
        return numbers(table, label, where) if label in table else np.ones(len(table))

    return PoseTable(
        particle=np.arange(len(table)),
        euler_deg=np.stack([column(label) for label in ANGLE_LABELS], axis=1),
        origin_angstrom=np.stack([column(label) for label in ORIGIN_LABELS], axis=1),
        class_posterior=_class_posterior(table, where, classes),
        log_likelihood=column(LOG_LIKELIHOOD),
        ess=column(POSE_ESS),
        max_posterior=column(MAX_POSTERIOR),
        used=table.utf8(LABEL) != UNUSED_LABEL.encode() if LABEL in table else np.ones(len(table), dtype=bool),
    )


def _class_posterior(table: CarriedTable, where: str, classes: int) -> NDArray[np.float64]:
    """(rows, classes) float64; 1 for the class that the table names where it has no posterior of each."""
    labels = [f"{CLASS_POSTERIOR}{number}" for number in range(1, classes + 1)]
    if classes > 1 and all(label in table for label in labels):
        return np.stack([numbers(table, label, where) for label in labels], axis=1)
    return np.eye(classes)[whole_numbers(table, CLASS_NUMBER, where) - 1]
