"""Records as plain JSON holds them, and back.

Reading is lenient about age: a key that an older version did not write takes its default, and one that a newer version
added is passed over.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any, TypeVar

import numpy as np

Record = TypeVar("Record")


def plain(value: Any) -> Any:
    """Turn a record into what plain JSON holds: no NumPy numbers or tuples, and null for what is not finite."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def read_plain(kind: type[Record], record: Mapping[str, Any]) -> Record:
    """A dataclass of numbers and text out of an object of JSON."""
    return kind(**finite_or_nan(known_fields(kind, record)))


def known_fields(kind: Any, record: Mapping[str, Any]) -> dict[str, Any]:
    """The entries that are fields of a dataclass, all of those without a default among them."""
    for item in fields(kind):
        if item.default is MISSING and item.name not in record:
            raise ValueError(f"{item.name} is missing")
    return {item.name: record[item.name] for item in fields(kind) if item.name in record}


def finite_or_nan(record: Mapping[str, Any]) -> dict[str, Any]:
    """The same, NaN in the place of null."""
    return {key: math.nan if value is None else value for key, value in record.items()}


def number_row(values: Sequence[float | None]) -> tuple[float, ...]:
    """Numbers, NaN in the place of null."""
    return tuple(math.nan if value is None else value for value in values)
