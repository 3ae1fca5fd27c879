"""Words that several checks need."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_NAMED = 5


def plural(count: int, noun: str) -> str:
    """'1 image', '2,000 images'."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def numbered(rows: Sequence[int] | NDArray[np.int64]) -> str:
    """The first particle rows as users count them, from 1: '3, 8, 9 ...'."""
    named = ", ".join(str(int(row) + 1) for row in rows[:_NAMED])
    return f"{named} ..." if len(rows) > _NAMED else named
