"""The two half sets of particles: those of the input where it has them, every second particle otherwise."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from coldstart.io.cryosparc_files import with_fields
from coldstart.io.star_columns import RANDOM_SUBSET, numbers
from coldstart.model.particles import Particles

SPLIT = "alignments3D/split"
"""Half set in a cryoSPARC dataset, 0 or 1."""


def given_half_sets(particles: Particles) -> NDArray[np.int64] | None:
    """Half set of each particle, (N,) int64 of 1 and 2, as the input has them; None where it has none."""
    if particles.records is not None:
        has_split = SPLIT in (particles.records.dtype.names or ())
        return particles.records[SPLIT].astype(np.int64) + 1 if has_split else None
    if RANDOM_SUBSET not in particles.table:
        return None
    return np.where(numbers(particles.table, RANDOM_SUBSET, particles.name) == 2, 2, 1)


def half_sets(particles: Particles) -> NDArray[np.int64]:
    """Half set of each particle, (N,) int64: 1, 2, 1, 2 ... where the input has no particles of both."""
    given = given_half_sets(particles)
    if given is None or set(np.unique(given).tolist()) != {1, 2}:
        return np.arange(particles.count) % 2 + 1
    return given


def with_half_sets(particles: Particles, sets: NDArray[np.int64]) -> Particles:
    """Particles whose tables say which half set (1 or 2) each is of."""
    if particles.records is None:
        return replace(particles, table=particles.table.having({RANDOM_SUBSET: sets.astype(np.str_)}))
    records = with_fields(particles.records, {SPLIT: (sets - 1).astype(np.uint32)})
    return replace(particles, records=records)
