"""Point groups on RELION's axes.

A group is a set of rotations g that leave the map as it is, V(g x) = V(x). If A is the pose of a particle, so is A g
for every g of the group. Cn turns about z; Dn has its n-fold axis on z and a 2-fold one on x; T has a 3-fold axis on z;
O has its 4-fold axes on x, y and z. I1 and I2 have 2-fold axes on all three, I3 and I4 a 5-fold one on z; I is I2.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from coldstart.errors import ParameterError
from coldstart.model.hand import mirror_matrix

Operators = NDArray[np.float64]
# Folds of an axis, and a vector (x, y, z) along it.
Axis = tuple[int, tuple[float, float, float]]

ALLOWED = "C1 to C99, D1 to D99, T, O, I (which is I2), I1, I2, I3 or I4"

_X, _Z = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)
_GOLDEN = (1.0 + 5.0**0.5) / 2.0
_GENERATORS: dict[str, tuple[Axis, ...]] = {
    "T": ((3, _Z), (2, (0.0, 2.0**0.5, 1.0))),
    "O": ((4, _Z), (3, (1.0, 1.0, 1.0))),
    "I1": ((2, _X), (5, (_GOLDEN, 0.0, -1.0))),
    "I2": ((2, _Z), (5, (1.0, 0.0, _GOLDEN))),
    "I3": ((5, _Z), (2, (-1.0, 0.0, _GOLDEN))),
    "I4": ((5, _Z), (2, (1.0, 0.0, _GOLDEN))),
}
_CYCLIC_OR_DIHEDRAL = re.compile("([CD])([1-9][0-9]?)")

# The trace of a.T @ b is 3 where a and b are one rotation, and 2.996 where they are 360 / 99 degrees apart, the least
# angle between two of a group.
_SAME_TRACE = 2.9999
_ROUNDING = 1e-14


@dataclass(frozen=True, slots=True)
class PointGroup:
    """A point group of rotations; groups compare by name.

    Attributes
    ----------
    name : str
        In capitals, such as "C1", "D7" or "I2".
    operators : (order, 3, 3) float64
        On map coordinates (x, y, z), the identity first; read-only.
    """

    name: str
    operators: Operators = field(compare=False, repr=False)

    @property
    def order(self) -> int:
        """Number of operators."""
        return len(self.operators)

    @property
    def invariant_projector(self) -> NDArray[np.float64]:
        """(3, 3) float64: what of a vector the group leaves where it is; for Cn its z, for most other groups nothing.

        It is the mean of the operators. A map of this symmetry can be moved along such vectors alone.
        """
        return _snapped(self.operators.mean(axis=0))


def point_group(text: str) -> PointGroup:
    """The point group of a name, in either case: the same object every time.

    Raises
    ------
    ParameterError
        Where there is no such group.
    """
    name = text.strip().upper()
    name = "I2" if name == "I" else name
    generators = _generators(name)
    if not generators:
        raise ParameterError(f"there is no point group {text!r}: the symmetry must be {ALLOWED}")
    return _group(name, generators)


def mirror_axis(group: PointGroup) -> int:
    """The first of the axes x, y and z, as 0, 1 and 2, whose mirror maps the group onto itself.

    A map mirrored along it has the symmetry of the group still. It is x for every group but I3 and I4, where it is y.
    """
    return next(axis for axis in range(3) if _keeps(mirror_matrix(axis), group.operators))


def _generators(name: str) -> tuple[Axis, ...]:
    """Axes that generate a group; none where there is no group of that name."""
    found = _CYCLIC_OR_DIHEDRAL.fullmatch(name)
    if found is None:
        return _GENERATORS.get(name, ())
    principal = (int(found[2]), _Z)
    return (principal,) if found[1] == "C" else (principal, (2, _X))


@lru_cache
def _group(name: str, generators: tuple[Axis, ...]) -> PointGroup:
    turns = np.concatenate([_turns(folds, axis) for folds, axis in generators])
    operators = _snapped(_orthonormal(_closure(turns)))
    operators.setflags(write=False)
    return PointGroup(name, operators)


def _turns(folds: int, axis: tuple[float, float, float]) -> Operators:
    """The rotations (folds - 1, 3, 3) about an axis, less the identity."""
    x, y, z = unit = np.array(axis) / np.linalg.norm(axis)
    angle = (2.0 * np.pi / folds) * np.arange(1, folds)[:, None, None]
    across = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    along = np.outer(unit, unit)
    return np.asarray(along + np.cos(angle) * (np.eye(3) - along) + np.sin(angle) * across)


def _closure(turns: Operators) -> Operators:
    """All products of some rotations, the identity first."""
    members = np.eye(3)[None]
    done = 0
    while done < len(members):
        products = members[done] @ turns
        members = np.concatenate([members, products[~_are_among(products, members)]])
        done += 1
    return members


def _are_among(rotations: Operators, members: Operators) -> NDArray[np.bool_]:
    """Which of the rotations (R, 3, 3) are members (M, 3, 3), as (R,) bool."""
    traces = rotations.reshape(-1, 9) @ members.reshape(-1, 9).T
    return np.asarray(traces.max(axis=1, initial=-1.0) > _SAME_TRACE)


def _keeps(mirror: NDArray[np.float64], operators: Operators) -> bool:
    return bool(_are_among(mirror @ operators @ mirror, operators).all())


def _orthonormal(matrices: Operators) -> Operators:
    """The rotations that are nearest to the matrices."""
    left, _, right = np.linalg.svd(matrices)
    return np.asarray(left @ right)


def _snapped(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values that rounding alone keeps from 0, 1/2 or 1 of either sign become exact."""
    nearest = np.round(2.0 * values) / 2.0
    # Adding 0 makes +0 of -0.
    return np.where(np.abs(values - nearest) < _ROUNDING, nearest, values) + 0.0
