"""How far two maps of half the particles each agree."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldstart.model.fsc import resolution_at


@dataclass(frozen=True, slots=True)
class HalfReport:
    """How far the halves of a map agree.

    Attributes
    ----------
    unmasked, masked : (shells,) float64
        Fourier shell correlation at 0, 1, ... cycles a box, of the whole box and inside the mask.
    mask_share : float
        Share of the box inside the mask, its edge counted by its values.
    independent : bool
        Whether the halves had nothing in common from the start. Where all particles were posed on one map, its errors
        are in both halves, and the correlation flatters.
    """

    unmasked: NDArray[np.float64]
    masked: NDArray[np.float64]
    mask_share: float
    independent: bool = False

    def resolution_angstrom(
        self, threshold: float, box_angstrom: float, finest_angstrom: float, *, masked: bool
    ) -> float:
        """Where a correlation falls below a threshold, in Å; the finest detail that was used where it never does."""
        curve = self.masked if masked else self.unmasked
        return max(resolution_at(curve, threshold, box_angstrom), finest_angstrom)
