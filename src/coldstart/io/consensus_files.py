"""What is written of a consensus beside its maps: consensus.json, and a particle table of what the starts agree on."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldstart.io.files import write_text_atomically
from coldstart.io.json_records import plain
from coldstart.io.star_columns import LABEL, decimal
from coldstart.io.star_subset import particle_block, write_subset
from coldstart.io.star_text import read_blocks
from coldstart.model.starts import ConsensusRecord

START_AGREEMENT = "coldstartStartAgreement"
"""Share of the agreeing starts, other than the one whose pose it is, that give a particle the same pose and class."""

DISAGREE_LABEL = "starts_disagree"


def write_consensus(path: Path, record: ConsensusRecord) -> None:
    """Write consensus.json.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    write_text_atomically(path, json.dumps(plain(asdict(record)), indent=2, ensure_ascii=False) + "\n")


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
    blocks = read_blocks(source)
    table = blocks[particle_block(blocks, source)]
    if agreement is not None:
        doubtful = agreement < 0.5
        label = np.where(doubtful, DISAGREE_LABEL.encode(), table.utf8(LABEL))
        table = table.having({START_AGREEMENT: decimal(np.nan_to_num(agreement)), LABEL: label})
    write_subset(path, blocks, table, source)
