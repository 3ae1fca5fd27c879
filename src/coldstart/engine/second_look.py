"""A second look at the images whose pose a limit may have cut off.

If the map is right, and the image as strong as its slices, then the true pose has the log weight

    W = 2 c - N,   N = sum |C Y|^2 / sigma^2,   c = Re sum conj(C Y) X / sigma^2,   of mean N and variance 2 N.

An image whose best pose falls short of that by more than the bound's standard deviations, and by more than half of N,
which leaves room for particles weaker than the map, was either posed wrongly or holds no such particle. Where the
search followed the most probable coarse cells alone, it is searched again from more of them (docs/method.md, "Limits").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from coldstart.engine.expectation import Found
from coldstart.engine.stage import Stage

WIDER = 8
"""Times as many coarse cells are followed at the second look."""

WEAKEST = 0.5
"""Share of the log weight that the map lets expect from which an image counts as explained."""


def widened(first: Stage) -> Stage:
    """The first stage of the second look."""
    return replace(first, limit=WIDER * first.limit)


def unexplained(found: Found, slice_power: NDArray[np.float64], sigmas: float) -> Iterator[NDArray[np.bool_]]:
    """Images whose best pose explains too little of them, (B,) bool, a part at a time.

    A part has so few that its candidates take no more memory than those of all images at the first look.

    Parameters
    ----------
    found : Found
        Every image has a hypothesis.
    slice_power : (B,) float64
        N, the mean over the map's slices.
    sigmas : float
    """
    best = np.maximum.reduceat(found.weight, np.searchsorted(found.image, np.arange(found.images)))
    shortfall = np.maximum(sigmas * np.sqrt(2.0 * slice_power), (1.0 - WEAKEST) * slice_power)
    images = np.flatnonzero(best < slice_power - shortfall)
    together = max(found.images // WIDER, 1)
    for first in range(0, len(images), together):
        yield np.isin(np.arange(found.images), images[first : first + together])
