"""Classes of a run put together, in its particle table: several maps of one structure, or of what is wanted as one."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coldstart.errors import ParameterError
from coldstart.io.star_columns import (
    CLASS_MARGIN,
    CLASS_NUMBER,
    CLASS_POSTERIOR,
    LABEL,
    LOG_LIKELIHOOD,
    PARTICLE_LABELS,
    decimal,
    numbers,
    whole_numbers,
)
from coldstart.model.carried import CarriedTable, Utf8Column
from coldstart.model.state import MIN_CONFIDENCE

_USED, _, _LOW_CONFIDENCE, _ = PARTICLE_LABELS

Groups = Sequence[Sequence[int]]


def check_groups(groups: Groups, class_count: int) -> None:
    """Refuse groups that do not say which classes to merge.

    Raises
    ------
    ParameterError
        If a group names fewer than two classes or one that the run lacks, or two groups share a class.
    """
    named = [number for group in groups for number in group]
    if any(len(set(group)) < 2 for group in groups):
        raise ParameterError("merging takes two classes or more: name them together, such as 1,3.")
    if len(set(named)) < len(named):
        raise ParameterError("a class can be merged once: name each class in one group alone.")
    missing = [number for number in named if not 1 <= number <= class_count]
    if missing:
        raise ParameterError(f"class {missing[0]} cannot be merged: the run has {class_count}.")


def merge_classes(table: CarriedTable, groups: Groups, where: str) -> CarriedTable:
    """The particle table with each group of classes as one, under the smallest of their numbers.

    A particle stays with the map that its pose was found on. The posterior of a merged class is the sum of those of its
    parts, its margin is over the most probable of the other classes, and so it may be negative. A particle that was of
    low confidence because it was shared among the parts becomes a used one; the posteriors by class stay as they are.

    Parameters
    ----------
    table : CarriedTable
    groups : sequence of sequence of int
        Numbers of classes, from 1; checked by `check_groups`.
    where : str
        File, for messages.

    Raises
    ------
    ParticleFileError
        If a column that is there holds values that are not numbers.
    """
    if not groups:
        return table
    owner = {number: min(group) for group in groups for number in group}
    own = whole_numbers(table, CLASS_NUMBER, where)
    merged = np.array([owner.get(number, number) for number in own.tolist()], dtype=np.int64)
    changed: dict[str, Utf8Column] = {CLASS_NUMBER: merged.astype(np.str_).astype(np.bytes_)}
    touched = np.isin(own, list(owner))
    posteriors = _posteriors(table, owner, where)
    if posteriors and CLASS_POSTERIOR in table and CLASS_MARGIN in table:
        posterior, margin = _of_class(posteriors, merged)
        changed[CLASS_POSTERIOR] = np.where(touched, decimal(posterior), table.utf8(CLASS_POSTERIOR))
        changed[CLASS_MARGIN] = np.where(touched, decimal(margin), table.utf8(CLASS_MARGIN))
        if LABEL in table and LOG_LIKELIHOOD in table:
            doubtful = table.utf8(LABEL) == _LOW_CONFIDENCE.encode()
            sure = (numbers(table, LOG_LIKELIHOOD, where) >= 0.0) & (posterior >= MIN_CONFIDENCE)
            changed[LABEL] = np.where(touched & doubtful & sure, _USED.encode(), table.utf8(LABEL))
    return table.having(changed)


def _posteriors(table: CarriedTable, owner: dict[int, int], where: str) -> dict[int, NDArray[np.float64]]:
    """Posterior of each class once merged, by its number; none where the table does not hold them."""
    found: dict[int, NDArray[np.float64]] = {}
    number = 1
    while f"{CLASS_POSTERIOR}{number}" in table:
        into = owner.get(number, number)
        found[into] = found.get(into, 0.0) + numbers(table, f"{CLASS_POSTERIOR}{number}", where)
        number += 1
    return found


def _of_class(
    posteriors: dict[int, NDArray[np.float64]], class_number: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Posterior of each particle's class, and that less the largest of the other classes'."""
    known = np.array(list(posteriors))
    values = np.stack(list(posteriors.values()), axis=1)
    is_own = class_number[:, None] == known
    own = np.sum(values * is_own, axis=1)
    return own, own - np.where(is_own, 0.0, values).max(axis=1)
