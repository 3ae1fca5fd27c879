"""STAR text to tables of text and back.

Every value stays the string it was, so that a column that the program does not interpret can be written as it was
read. A file is read in pieces, and its values go into their columns at once: a million rows take seconds, and little
more memory than the text.
"""

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

import numpy as np

from coldstart.errors import OutputError, ParticleFileError
from coldstart.io.files import atomic_path
from coldstart.io.unpack import GZIP_START, is_packed
from coldstart.model.carried import CarriedTable, Utf8Column

# The layout that RELION 3.1, 4 and 5 read alike; RELION looks for this comment before each block.
_VERSION_COMMENT = "# version 30001"

_PIECE_BYTES = 2**22
_ROWS_A_PIECE = 2**14
_UTF8_MARK = b"\xef\xbb\xbf"
# A quoted value ends at the quote that a blank follows; a number sign at the head of a value begins a comment.
_VALUE = re.compile(rb"""(?P<comment>#.*)|"(?P<double>.*?)"(?=\s|$)|'(?P<single>.*?)'(?=\s|$)|(?P<plain>\S+)""")
_BLANKS = b"\t\n\v\f\r "
_NEEDS_QUOTES_AT_HEAD = b"\"'#;_"


@dataclass(slots=True)
class _Block:
    """What is gathered of one data block."""

    name: str
    labels: list[str] = field(default_factory=list)
    is_loop: bool = False
    rows: list[list[bytes]] = field(default_factory=list)
    pieces: list[tuple[Utf8Column, ...]] = field(default_factory=list)

    @property
    def has_rows(self) -> bool:
        return bool(self.rows or self.pieces)

    def is_row(self, line: bytes, values: list[bytes]) -> bool:
        """Whether a line is a row of this block's table beyond doubt; one of a single value may be a keyword."""
        return self.is_loop and len(values) == len(self.labels) > 1 and (self.has_rows or not line.startswith(b"_"))

    def add_all(self, lines: list[bytes]) -> bool:
        """Add lines at once, if they are the next rows of a long table and nothing else; whether they were."""
        if not (self.is_loop and self.has_rows and len(self.labels) > 1) or _is_special(b"".join(lines)):
            return False
        rows = [line.split() for line in lines]
        if any(len(row) != len(self.labels) for row in rows):
            return False
        self.flush()
        self.rows = rows
        self.flush()
        return True

    def add(self, row: list[bytes]) -> None:
        self.rows.append(row)
        if len(self.rows) == _ROWS_A_PIECE:
            self.flush()

    def flush(self) -> None:
        """Move the values of the gathered rows into columns, which take a fraction of the memory."""
        if self.rows:
            self.pieces.append(tuple(np.array(column, dtype=np.bytes_) for column in zip(*self.rows, strict=True)))
            self.rows = []

    def table(self) -> CarriedTable:
        self.flush()
        if not self.pieces:
            return CarriedTable({label: [] for label in self.labels})
        columns = {}
        for number, label in enumerate(self.labels):
            columns[label] = np.concatenate([piece[number] for piece in self.pieces])
        return CarriedTable(columns)


def read_blocks(path: Path) -> dict[str, CarriedTable]:
    """Read every data block of a STAR file.

    Returns
    -------
    dict of CarriedTable
        Block name (without `data_`) -> table; a block without a loop is a table of one row.

    Raises
    ------
    ParticleFileError
        If the file is missing, a folder, empty, no STAR file, or one of its rows does not fit its labels.
    """
    blocks: list[_Block] = []
    is_empty = True
    for first, lines in _pieces(path):
        if blocks and blocks[-1].add_all(lines):
            continue
        for number, line in enumerate(lines, first):
            text = line.strip()
            is_empty = is_empty and not text
            if text and not text.startswith(b"#"):
                _take_line(path, number, text, blocks)
    if is_empty:
        raise ParticleFileError(f"{path} is empty: write or copy the particle table again.")
    if not blocks:
        raise ParticleFileError(
            f"{path} is not a STAR file: no line begins with data_. "
            "Give a RELION particle table (.star) or a stack (.mrcs)."
        )
    for block in blocks:
        _check_names(path, block, blocks)
    return {block.name: block.table() for block in blocks}


def write_blocks(path: Path, blocks: Mapping[str, CarriedTable]) -> None:
    """Write tables as a STAR file, each under RELION's version comment; the same tables give the same bytes.

    Raises
    ------
    OutputError
        If the file cannot be written, or a value fits neither kind of quotes.
    """
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        for name, table in blocks.items():
            labels = "".join(f"_{label} #{number}\n" for number, label in enumerate(table, 1))
            stream.write(f"\n{_VERSION_COMMENT}\n\ndata_{name}\n\nloop_\n{labels}".encode())
            stream.writelines(_rows(table))


def _pieces(path: Path) -> Iterator[tuple[int, list[bytes]]]:
    """The lines of a file, some megabytes at a time, with the number of the first, from 1."""
    if path.is_dir():
        raise ParticleFileError(f"{path} is a folder: give the path of a STAR file or of a stack in it.")
    if not path.is_file():
        what = "is a link that leads to no file" if path.is_symlink() else "does not exist"
        raise ParticleFileError(f"{path} {what}: check the path of the particle table.")
    try:
        with _opened(path) as stream:
            _check_start(path, stream.read(_PIECE_BYTES))
            stream.seek(0)
            first = 1
            while lines := stream.readlines(_PIECE_BYTES):
                if first == 1:
                    lines[0] = lines[0].removeprefix(_UTF8_MARK)
                _check_encoding(path, first, lines)
                yield first, lines
                first += len(lines)
    except (EOFError, zlib.error) as error:
        raise ParticleFileError(f"{path} is damaged: {error}. Copy it again from where it came from.") from error
    except OSError as error:
        raise ParticleFileError(f"{path} cannot be read: {error.strerror or error}.") from error


def _opened(path: Path) -> IO[bytes]:
    """The text of a file, which may be compressed with gzip."""
    with path.open("rb") as stream:
        packed = is_packed(stream.read(len(GZIP_START)))
    return cast(IO[bytes], gzip.open(path)) if packed else path.open("rb")


def _check_start(path: Path, start: bytes) -> None:
    """Refuse a file of images before it is searched for the end of its first line."""
    if b"\0" in start:
        raise _not_text(path)


def _not_text(path: Path) -> ParticleFileError:
    return ParticleFileError(
        f"{path} is not a STAR file: it is not text. Give a RELION particle table (.star) or a stack (.mrcs); unpack "
        "what is compressed otherwise than with gzip."
    )


def _check_encoding(path: Path, first: int, lines: list[bytes]) -> None:
    text = b"".join(lines)
    if b"\0" in text:
        raise _not_text(path)
    if text.isascii():
        return
    for number, line in enumerate(lines, first):
        try:
            line.decode()
        except UnicodeDecodeError as error:
            raise ParticleFileError(
                f"{path}, line {number}: the byte {line[error.start]:#04x} is no UTF-8. If this is a STAR file in "
                "another encoding, convert it, for example with: iconv -f latin1 -t utf-8."
            ) from error


def _is_special(text: bytes) -> bool:
    """Whether there may be quotes or comments in it."""
    return b'"' in text or b"'" in text or b"#" in text


def _values(line: bytes) -> list[bytes]:
    """Values of a line, without their quotes and without a comment at its end."""
    if not _is_special(line):
        return line.split()
    values = []
    for match in _VALUE.finditer(line):
        kind = match.lastgroup
        if kind is None or kind == "comment":
            break
        values.append(match[kind])
    return values


def _take_line(path: Path, number: int, line: bytes, blocks: list[_Block]) -> None:
    """Add one line to the blocks; lines before the first block are passed over."""
    values = _values(line)
    block = blocks[-1] if blocks else None
    if block is not None and block.is_row(line, values):
        block.add(values)
    elif line.startswith(b"data_"):
        blocks.append(_Block(values[0][5:].decode()))
    elif block is None:
        return
    elif line.startswith(b"loop_") and len(values) == 1:
        if block.is_loop or block.labels:
            raise ParticleFileError(f"{path}, line {number}: data_{block.name} holds a second table. Split the file.")
        block.is_loop = True
    elif line.startswith(b"_") and not (block.is_loop and block.has_rows):
        _add_label(path, number, values, block)
    elif block.is_loop and len(values) == len(block.labels):
        block.add(values)
    else:
        raise ParticleFileError(
            f"{path}, line {number}: {len(values)} values, but the table has {len(block.labels)} columns. "
            "The file may be cut off or edited: copy it again, or repair that line."
        )


def _add_label(path: Path, number: int, values: list[bytes], block: _Block) -> None:
    """Add a column; outside a loop with its one value."""
    block.labels.append(values[0][1:].decode())
    if block.is_loop:
        return
    if len(values) != 2:
        raise ParticleFileError(
            f"{path}, line {number}: {len(values) - 1} values for {values[0].decode()}, which takes one. "
            "Put a value with blanks in double quotes."
        )
    if not block.rows:
        block.rows.append([])
    block.rows[0].append(values[1])


def _check_names(path: Path, block: _Block, blocks: Sequence[_Block]) -> None:
    repeated = {label for label in block.labels if block.labels.count(label) > 1}
    if repeated:
        raise ParticleFileError(
            f"{path}: the block data_{block.name} names the column {min(repeated)} more than once. Remove one of them."
        )
    if sum(other.name == block.name for other in blocks) > 1:
        raise ParticleFileError(f"{path} has several blocks data_{block.name}: leave one of them in the file.")


def _rows(table: CarriedTable) -> Iterator[bytes]:
    """The rows as text, some thousands at a time."""
    columns = [_quoted(table.utf8(name)) for name in table]
    for start in range(0, len(table), _ROWS_A_PIECE):
        part = [column[start : start + _ROWS_A_PIECE].tolist() for column in columns]
        yield b"".join(b"\t".join(row) + b"\n" for row in zip(*part, strict=True))


def _quoted(column: Utf8Column) -> Utf8Column:
    """A column with quotes around the values that would be read as something else without."""
    width = column.dtype.itemsize
    if not width or not len(column):
        return np.full(len(column), b'""')
    letters = np.ascontiguousarray(column).view(np.uint8).reshape(len(column), width)
    needs = np.isin(letters[:, 0], list(b"\0" + _NEEDS_QUOTES_AT_HEAD)) | np.isin(letters, list(_BLANKS)).any(axis=1)
    needs |= np.char.startswith(column, b"data_") | (column == b"loop_")
    if not needs.any():
        return column
    values = column.tolist()
    for row in np.flatnonzero(needs).tolist():
        values[row] = _in_quotes(values[row])
    return np.array(values, dtype=np.bytes_)


def _in_quotes(value: bytes) -> bytes:
    for quote in (b'"', b"'"):
        if not any(quote + bytes([blank]) in value for blank in _BLANKS):
            return quote + value + quote
    raise OutputError(
        f"the value {value.decode()!r} fits into no STAR file, since both kinds of quotes in it stand before a blank. "
        "Rename what it names."
    )


def text_of(values: Iterable[object]) -> Utf8Column:
    """A column of the text of some values."""
    return np.array([str(value).encode() for value in values], dtype=np.bytes_)
