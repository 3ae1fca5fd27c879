"""What a map shows of symmetry: the point groups that were tried on it, and which one it can be said to have."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST_CORRELATION = 0.5
"""A group holds if the map correlates at least so well with itself under the worst of its operators."""

LEAST_AROUND = 0.3
"""And what varies around its highest axis alone, without which a smooth rod has every fold, at least so well."""

LEAST_DETAIL = 5.0
"""Cycles across the particle below which unrelated maps look symmetric too, so that nothing is claimed."""


@dataclass(frozen=True, slots=True)
class SymmetryCandidate:
    """A point group as a map shows it.

    Attributes
    ----------
    group : str
        Its name.
    correlation : float
        Of the map with itself, under the operator of the group for which it is least: near 0 for a map that has nothing
        of the group, and for one that has it all what noise leaves of 1.
    around : float
        The least correlation under the turns about the highest axis, of what varies around that axis alone.
    axis : (3,) float64
        Direction x, y, z of an axis of the highest fold, in the map's frame.
    rotation : (3, 3) float64
        Brings the map onto the group's axes, on coordinates (x, y, z).
    shift_voxels : (3,) float64
        x, y, z: after the rotation, brings the centre of symmetry to that of the box.
    """

    group: str
    correlation: float
    around: float
    axis: NDArray[np.float64]
    rotation: NDArray[np.float64]
    shift_voxels: NDArray[np.float64]

    @property
    def holds(self) -> bool:
        """Whether the correlations are those of a map that has the symmetry."""
        return self.correlation >= LEAST_CORRELATION and self.around >= LEAST_AROUND


@dataclass(frozen=True, slots=True)
class SymmetryReport:
    """The point groups that a map may have.

    Attributes
    ----------
    candidates : tuple of SymmetryCandidate
        Those that hold first, the largest group before its subgroups; then the others, the best first.
    detail : float
        The finest detail that was gone by, in cycles across the particle.
    """

    candidates: tuple[SymmetryCandidate, ...]
    detail: float

    @property
    def is_conclusive(self) -> bool:
        """Whether the detail is fine enough to tell a symmetric map from another."""
        return self.detail >= LEAST_DETAIL

    @property
    def group(self) -> str:
        """The largest group that the map can be said to have; "C1" where there is none."""
        first = self.candidates[0] if self.candidates else None
        return first.group if first is not None and first.holds and self.is_conclusive else "C1"
