"""STAR text to tables of strings and back, through starfile.

Every value stays the string it was, so that a column that the program does not interpret can be written as it was
read. starfile reads three spellings of a missing number as one and changes apostrophes and number signs inside values;
the first are written as "nan", the second are refused rather than changed.
"""

import linecache
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import starfile

from coldstart.errors import ParticleFileError

# The layout that RELION 3.1, 4 and 5 read alike; RELION looks for this comment before each block.
_VERSION_COMMENT = "# version 30001"


@dataclass(slots=True)
class _Block:
    """What is gathered of one data block while a file is looked over."""

    name: str
    labels: list[str] = field(default_factory=list)
    is_loop: bool = False
    rows: int = 0


def read_blocks(path: Path) -> dict[str, pd.DataFrame]:
    """Read every data block of a STAR file.

    Returns
    -------
    dict of DataFrame
        Block name (without `data_`) -> table of str; a block without a loop is a table of one row.

    Raises
    ------
    ParticleFileError
        If the file is missing, a folder, empty, no STAR file, or one of its rows does not fit its labels.
    """
    blocks = _look_over(path, _read_lines(path))
    labels = sorted({label for block in blocks for label in block.labels})
    # starfile reads through linecache, which may remember an older state of the file.
    linecache.clearcache()
    try:
        found = starfile.read(path, always_dict=True, parse_as_string=labels)
    except (ValueError, TypeError, IndexError) as error:
        raise ParticleFileError(f"{path} cannot be read as a STAR file: {error}.") from error
    empty = {block.name for block in blocks if block.is_loop and not block.rows}
    return {name: _as_strings(block, name in empty) for name, block in found.items() if block is not None}


def blocks_to_text(blocks: dict[str, pd.DataFrame]) -> str:
    """STAR text of tables of str, each under RELION's version comment; the same tables give the same text."""
    parts = []
    for name, table in blocks.items():
        # starfile's first line holds the time of day, and a re-run must give the same bytes.
        body = starfile.to_string({name: table}).split("\n", 1)[1].strip("\n")
        parts.append(f"\n{_VERSION_COMMENT}\n\n{body}\n")
    return "".join(parts)


def _read_lines(path: Path) -> list[str]:
    if path.is_dir():
        raise ParticleFileError(f"{path} is a folder: give the path of a STAR file or of a stack in it.")
    if not path.is_file():
        raise ParticleFileError(f"{path} does not exist: check the path of the particle table.")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ParticleFileError(
            f"{path} is not a STAR file: it is not text. Give a RELION particle table (.star) or a stack (.mrcs)."
        ) from error
    except OSError as error:
        raise ParticleFileError(f"{path} cannot be read: {error.strerror or error}.") from error
    if not any(line.strip() for line in lines):
        raise ParticleFileError(f"{path} is empty: write or copy the particle table again.")
    return lines


def _look_over(path: Path, lines: list[str]) -> list[_Block]:
    """Collect blocks and labels, and check that each row has one value a label: starfile would fill up short rows."""
    blocks: list[_Block] = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if text.startswith("data_"):
            blocks.append(_Block(text[5:]))
        elif blocks and text.startswith("loop_"):
            blocks[-1].is_loop = True
        elif blocks and text.startswith("_"):
            blocks[-1].labels.append(text.split()[0][1:])
        elif blocks and blocks[-1].is_loop:
            _check_row(path, number, text, len(blocks[-1].labels))
            blocks[-1].rows += 1
    if not blocks:
        raise ParticleFileError(
            f"{path} is not a STAR file: no line begins with data_. "
            "Give a RELION particle table (.star) or a stack (.mrcs)."
        )
    for block in blocks:
        _check_labels(path, block)
    return blocks


def _check_row(path: Path, number: int, text: str, labels: int) -> None:
    if "'" in text or "#" in text:
        raise ParticleFileError(
            f"{path}, line {number}: apostrophes and number signs among the values cannot be carried. "
            "Rename what holds one; put a value with blanks in double quotes."
        )
    values = len(text.split())
    if '"' not in text and values != labels:
        raise ParticleFileError(
            f"{path}, line {number}: {values} values, but the table has {labels} columns. "
            "The file may be cut off or edited: copy it again, or repair that line."
        )


def _check_labels(path: Path, block: _Block) -> None:
    repeated = {label for label in block.labels if block.labels.count(label) > 1}
    if repeated:
        raise ParticleFileError(
            f"{path}: the block data_{block.name} names the column {min(repeated)} more than once. Remove one of them."
        )


def _as_strings(block: pd.DataFrame | dict[str, str], empty: bool) -> pd.DataFrame:
    table = pd.DataFrame([block]) if isinstance(block, dict) else block
    if empty:
        table = table.iloc[:0]
    return table.astype(object).where(table.notna(), "nan").astype(str)
