"""Tables of text: columns that the program carries without interpreting them.

A value is held in UTF-8 at its column's width, which takes a quarter of the memory of NumPy's strings and less still of
that of Python's, so that a million rows of thirty columns fit; it becomes a string when it is asked for.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Utf8Column = NDArray[np.bytes_]
Text: TypeAlias = "NDArray[np.str_] | NDArray[np.bytes_] | Sequence[str]"


class CarriedTable:
    """Columns of text, all of one length; `table[name]` is a column as an array of str.

    A table never changes, its methods give new ones.

    Parameters
    ----------
    columns : mapping of str to (rows,) array of str or of UTF-8 bytes, or sequence of str
        In their order. No value ends in a null character.
    """

    __slots__ = ("_utf8",)

    def __init__(self, columns: Mapping[str, Text] | None = None) -> None:
        self._utf8: dict[str, Utf8Column] = {name: _encoded(values) for name, values in (columns or {}).items()}

    def __len__(self) -> int:
        return len(next(iter(self._utf8.values()), ()))

    def __iter__(self) -> Iterator[str]:
        return iter(self._utf8)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CarriedTable):
            return NotImplemented
        return list(self) == list(other) and all(np.array_equal(self.utf8(name), other.utf8(name)) for name in self)

    __hash__ = None  # type: ignore[assignment]

    def __contains__(self, name: object) -> bool:
        return name in self._utf8

    def __getitem__(self, name: str) -> NDArray[np.str_]:
        return self.columns[name]

    @property
    def columns(self) -> Mapping[str, NDArray[np.str_]]:
        """The columns as arrays of str, each made when it is looked up."""
        return _Decoded(self._utf8)

    def utf8(self, name: str) -> Utf8Column:
        """A column as it is held, (rows,) of UTF-8 bytes."""
        return self._utf8[name]

    def value(self, name: str, row: int) -> str:
        """One value."""
        return bytes(self._utf8[name][row]).decode()

    def take(self, rows: NDArray[np.generic] | slice) -> "CarriedTable":
        """Some of the rows, by mask, index or slice."""
        return CarriedTable({name: values[rows] for name, values in self._utf8.items()})

    def having(self, columns: Mapping[str, Text]) -> "CarriedTable":
        """The table with these columns, in the places of those of the same name or at the end."""
        return CarriedTable({**self._utf8, **columns})

    def without(self, *names: str) -> "CarriedTable":
        """The table without these columns, where it has them."""
        return CarriedTable({name: values for name, values in self._utf8.items() if name not in names})

    def renamed(self, names: Mapping[str, str]) -> "CarriedTable":
        """The table with columns under new names, in their places."""
        return CarriedTable({names.get(name, name): values for name, values in self._utf8.items()})


class _Decoded(Mapping[str, NDArray[np.str_]]):
    """A view of columns of UTF-8 as columns of str."""

    def __init__(self, utf8: Mapping[str, Utf8Column]) -> None:
        self._utf8 = utf8

    def __getitem__(self, name: str) -> NDArray[np.str_]:
        values = self._utf8[name]
        try:
            return values.astype(np.str_)  # many times faster, and ASCII alone
        except UnicodeDecodeError:
            return np.char.decode(values, "utf-8")

    def __iter__(self) -> Iterator[str]:
        return iter(self._utf8)

    def __len__(self) -> int:
        return len(self._utf8)


def _encoded(values: Text) -> Utf8Column:
    array = np.asarray(values)
    if array.dtype.kind == "S":
        return array
    if not array.size:
        return np.empty(0, np.bytes_)
    try:
        return array.astype(np.str_, copy=False).astype(np.bytes_)
    except UnicodeEncodeError:
        return np.char.encode(array.astype(np.str_, copy=False), "utf-8")
