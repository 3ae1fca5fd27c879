"""Records of the program in a file of their own: frozen dataclasses of arrays, numbers and text.

The file is NumPy's .npz, without pickle: every array under its path in the record, such as `point.state.map.volume`,
and everything else as JSON under `records`. Each member has a checksum, which reading it verifies.
"""

import json
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from coldstart.errors import OutputError
from coldstart.io.files import atomic_path

FORMAT = 1
"""Of the file; a change that older versions cannot read raises it."""

_RECORDS = "records"
_ARRAY = "array"
_PLAIN = (str, int, float, bool)

Record = TypeVar("Record")
Arrays = dict[str, NDArray[Any]]


def write_records(path: Path, records: Mapping[str, Any]) -> None:
    """Write records under their names. The file appears whole, and is on the disk when this returns, or not at all.

    Parameters
    ----------
    path : Path
    records : mapping
        Name to a dataclass of arrays, numbers, text, parameters, dataclasses, and tuples of these.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    arrays: Arrays = {}
    tree = {"format": FORMAT, **{name: _encode(record, name, arrays) for name, record in records.items()}}
    text = np.frombuffer(json.dumps(tree).encode(), np.uint8)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **{_RECORDS: text}, **arrays)


def read_record(path: Path, name: str, kind: type[Record]) -> Record:
    """Read one of the records of a file.

    Raises
    ------
    OutputError
        If the file is missing, damaged, of another format, or has no such record.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            tree = json.loads(arrays[_RECORDS].tobytes())
            if tree["format"] != FORMAT:
                raise OutputError(
                    f"{path} has format {tree['format']}, but this version of coldstart reads format {FORMAT}: "
                    "go on with the version that wrote it."
                )
            record: Record = _decode(kind, tree[name], arrays)
            return record
    except FileNotFoundError as error:
        raise OutputError(f"{path} is missing.") from error
    except (OSError, EOFError, BadZipFile, KeyError, TypeError, ValueError) as error:
        raise OutputError(f"{path} cannot be read: {error}. It is damaged, or no checkpoint of coldstart.") from error


def has_record(path: Path, name: str) -> bool:
    """Whether a file of records is there and has one of this name."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return name in json.loads(arrays[_RECORDS].tobytes())
    except (OSError, EOFError, BadZipFile, KeyError, ValueError):
        return False


def _encode(value: Any, path: str, arrays: Arrays) -> Any:
    """What JSON holds of a value; its arrays are put aside under their paths."""
    if isinstance(value, np.ndarray):
        arrays[path] = value
        return {_ARRAY: path}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value):
        return {item.name: _encode(getattr(value, item.name), f"{path}.{item.name}", arrays) for item in fields(value)}
    if isinstance(value, (tuple, list)):
        return [_encode(entry, f"{path}.{number}", arrays) for number, entry in enumerate(value)]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, _PLAIN):
        return value
    raise TypeError(f"{path} is of a kind that no record holds: {type(value).__name__}")


def _decode(kind: Any, value: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    """A value of this kind out of what `_encode` made of it."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        wanted = next(arg for arg in inner if arg is not type(None))
        return None if value is None else _decode(wanted, value, arrays)
    if origin is np.ndarray:
        return arrays[value[_ARRAY]]
    if origin is tuple:
        kinds = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        return tuple(_decode(entry_kind, entry, arrays) for entry_kind, entry in zip(kinds, value, strict=True))
    if origin is Literal or kind in _PLAIN:
        return value
    if issubclass(kind, BaseModel):
        return kind.model_validate(value)
    hints = get_type_hints(kind)
    return kind(**{item.name: _decode(hints[item.name], value[item.name], arrays) for item in fields(kind)})
