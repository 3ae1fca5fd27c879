"""Image names of RELION, `000001@folder/stack.mrcs` or `folder/image.mrc`, for whole columns at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldstart.io.star_columns import IMAGE_NAME, bad_value
from coldstart.model.carried import CarriedTable

FORMAT_MARK = ":mrcs"
"""RELION reads a file as a stack, whatever its extension, where its name ends so."""

_AT = ord("@")
_DIGITS = 15


@dataclass(frozen=True, slots=True)
class ImagePlaces:
    """Where the images of a table are.

    Attributes
    ----------
    stacks : tuple of str
        Names of the stacks in the order of appearance, as they stand in the table but for `FORMAT_MARK`.
    stack : (rows,) int64
        Which of `stacks` each row is in.
    slice : (rows,) int64
        0-based number of the image in its stack.
    unnumbered : (rows,) bool or None
        Rows that name a file without saying which image of it, so that it must hold a single one; None for no row.
    """

    stacks: tuple[str, ...]
    stack: NDArray[np.int64]
    slice: NDArray[np.int64]
    unnumbered: NDArray[np.bool_] | None = None

    def first_row(self, stack: int) -> int:
        """The first row that is in a stack."""
        return int(np.argmax(self.stack == stack))


def split_image_names(table: CarriedTable, where: str) -> ImagePlaces:
    """Take the column rlnImageName apart.

    Raises
    ------
    ParticleFileError
        If a name has neither the form number@stack nor that of a file, or its number is 0.
    """
    names = np.ascontiguousarray(table.utf8(IMAGE_NAME))
    letters = names.view(np.uint8).reshape(len(names), -1)
    at = np.argmax(letters == _AT, axis=1)
    unnumbered = letters[np.arange(len(names)), at] != _AT
    number = unnumbered.astype(np.int64)
    stack = np.zeros(names.shape, names.dtype)
    stack[unnumbered] = names[unnumbered]
    for place in np.unique(at[(at > 0) & (at <= _DIGITS)]).tolist():
        rows = np.flatnonzero(at == place)
        digits = letters[rows, :place].astype(np.int64) - ord("0")
        value = digits @ 10 ** np.arange(place - 1, -1, -1)
        number[rows] = np.where(((digits >= 0) & (digits <= 9)).all(axis=1), value, 0)
        rest = np.ascontiguousarray(letters[rows, place + 1 :])
        if rest.shape[1]:
            stack[rows] = rest.view(f"S{rest.shape[1]}").ravel()
    wrong = np.flatnonzero((number < 1) | (stack == b""))
    if len(wrong):
        what = "is no image of a stack. Names look like 000001@stack.mrcs, and count from 1"
        raise bad_value(table, IMAGE_NAME, int(wrong[0]), where, what)
    distinct, index = distinct_in_order(stack)
    stacks = tuple(name.decode().removesuffix(FORMAT_MARK) for name in distinct.tolist())
    return ImagePlaces(stacks, index, number - 1, unnumbered if unnumbered.any() else None)


def stack_of(name: bytes) -> str:
    """The stack that an image name names, without `FORMAT_MARK`."""
    return (name.partition(b"@")[2] or name).decode("utf-8", "surrogateescape").removesuffix(FORMAT_MARK)


def renamed_image(name: bytes, stack: str) -> bytes:
    """The image of that name in `stack`, which is marked as a stack where it has a number and ends in .mrc."""
    number, at, _ = name.partition(b"@")
    marked = stack.lower().endswith(".mrc") if at else name.endswith(FORMAT_MARK.encode())
    path = (stack + FORMAT_MARK if marked else stack).encode("utf-8", "surrogateescape")
    return number + at + path if at else path


def distinct_in_order(values: NDArray[np.bytes_]) -> tuple[NDArray[np.bytes_], NDArray[np.int64]]:
    """Distinct values in the order of appearance, and which of them each row has.

    Neighbours are mostly equal, since a stack's images follow one another: only the first of a run is sorted.
    """
    starts = np.ones(len(values), dtype=bool)
    starts[1:] = values[1:] != values[:-1]
    heads = values[starts]
    distinct, first, of_head = np.unique(heads, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return distinct[np.argsort(first)], rank[of_head][np.cumsum(starts) - 1]
