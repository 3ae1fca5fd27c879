"""What is written of a consensus beside its maps: consensus.json, and a particle table of what the starts agree on."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldstart.errors import OutputError
from coldstart.io.files import write_text_atomically
from coldstart.io.json_records import known_fields, number_row, plain
from coldstart.io.runs_plan import CONSENSUS_NAME
from coldstart.io.star_columns import DISAGREE_LABEL, LABEL, decimal
from coldstart.io.star_subset import read_with_particles, write_subset
from coldstart.model.starts import ConsensusRecord, StartRecord

START_AGREEMENT = "coldstartStartAgreement"
"""Share of the agreeing starts, other than the one whose pose it is, that give a particle the same pose and class."""


def read_consensus(output: Path) -> ConsensusRecord:
    """What the starts in a folder agree on.

    Raises
    ------
    OutputError
        If there is no record of it, or none that can be read.
    """
    path = output / CONSENSUS_NAME
    try:
        record = known_fields(ConsensusRecord, json.loads(path.read_text(encoding="utf-8")))
        starts = tuple(StartRecord(**known_fields(StartRecord, entry)) for entry in record.pop("starts"))
        similarity = tuple(number_row(row) for row in record.pop("similarity"))
        return ConsensusRecord(**record, similarity=similarity, starts=starts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise OutputError(f"{path} cannot be read: {error}. Compare the starts anew: coldstart resume.") from error


def write_consensus(output: Path, record: ConsensusRecord) -> None:
    """Write consensus.json into the folder of the starts.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    write_text_atomically(
        output / CONSENSUS_NAME, json.dumps(plain(asdict(record)), indent=2, ensure_ascii=False) + "\n"
    )


def write_agreed_table(path: Path, source: Path, agreement: NDArray[np.float64] | None) -> None:
    """Write the particle table of a start with what the others say of its poses.

    Parameters
    ----------
    path, source : Path
        The new table and that of the start.
    agreement : (rows,) float64 or None
        As of START_AGREEMENT, NaN where no other start posed the particle; those of less than one half are labelled.
        None where there is nothing to compare.

    Raises
    ------
    ParticleFileError, OutputError
        If a file cannot be read or written.
    """
    blocks, table = read_with_particles(source)
    if agreement is not None:
        doubtful = agreement < 0.5
        label = np.where(doubtful, DISAGREE_LABEL.encode(), table.utf8(LABEL))
        table = table.having({START_AGREEMENT: decimal(np.nan_to_num(agreement)), LABEL: label})
    write_subset(path, blocks, table, source)
