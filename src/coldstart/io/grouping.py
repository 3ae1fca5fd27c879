"""Rows that agree in several columns, as numbered groups."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def group_rows(columns: Sequence[NDArray[np.generic]], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Group rows by the combination of values in columns, in the order of appearance.

    Parameters
    ----------
    columns : sequence of (count,) array
    count : int
        Rows; all are of one group where there is no column.

    Returns
    -------
    group : (count,) int64
        Number of each row's group.
    first_row : (groups,) int64
        The first row of each group.
    """
    code = np.zeros(count, dtype=np.int64)
    for values in columns:
        if count and (values == values[0]).all():
            continue
        distinct, found = np.unique(values, return_inverse=True)
        code = np.unique(code * len(distinct) + found, return_inverse=True)[1]
    _, first, group = np.unique(code, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[group], np.sort(first)
