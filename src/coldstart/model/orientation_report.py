"""What the views of a map's particles, and its halves, say of how evenly the map is known in all directions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MISSING_SAMPLING = 0.3
"""Views are missing where some direction of the map's transform is sampled so much less than by even views."""

ANISOTROPIC = 0.5
"""And where the directional resolution is so uneven."""


@dataclass(frozen=True, slots=True)
class Evenness:
    """How evenly views sample the transform of a map.

    Attributes
    ----------
    efficiency : float
        E_od of Naydenova and Russo (2017): 1 - 2 sigma / mean of the radius of the point spread function that the views
        leave; 1 for even views, less the more one direction is blurred.
    compensation : float
        Sampling compensation factor (SCF) of Baldwin and Lyumkis (2020): one over the mean of the reciprocal sampling,
        by which uneven views lower the signal of the whole; 1 for even views, 0.81 for side views alone, 0 where some
        direction is not sampled at all.
    filled : float
        Share of the directions of the map's transform that are sampled at least MISSING_SAMPLING times as well as by as
        many even views.
    least_sampling : float
        Sampling of the direction that has the least, over that of even views.
    """

    efficiency: float
    compensation: float
    filled: float
    least_sampling: float


@dataclass(frozen=True, slots=True)
class OrientationReport:
    """How evenly a map is known.

    Attributes
    ----------
    views : Evenness
        Of its particles, all counted alike.
    least_axis : (3,) float64
        x, y, z in the map's frame: the middle of the directions that are sampled so little. Views at right angles to it
        would sample them.
    main_view : (3,) float64
        Where the views are densest, a view and its opposite counted as one.
    main_density : float
        Density of the views there over that of even ones.
    cone_ratio : float
        Least over largest area under the Fourier shell correlation of the halves inside cones (cFAR): 1 where the map
        is resolved alike in all directions.
    worst_axis : (3,) float64
        Axis of the cone with the least area.
    worst_radius, best_radius : float
        Where the correlation falls below 0.143 in the cones with the least and with the largest area, in cycles a box.
    drawn : Evenness or None
        Of its particles as often as balancing draws them; None where views are not balanced.
    """

    views: Evenness
    least_axis: NDArray[np.float64]
    main_view: NDArray[np.float64]
    main_density: float
    cone_ratio: float
    worst_axis: NDArray[np.float64]
    worst_radius: float
    best_radius: float
    drawn: Evenness | None = None

    @property
    def misses_views(self) -> bool:
        """Whether some direction is known so much less than others that the map may be smeared along it."""
        return self.views.least_sampling < MISSING_SAMPLING or self.cone_ratio < ANISOTROPIC
