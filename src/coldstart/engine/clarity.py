"""Which particles a run learns from first: those whose CTF lets most of the low frequencies through.

From a random map the right one is found only where an image says more of its pose than the map's own errors do. At the
initial resolution the CTF decides that: near focus it lets through little. So the early minibatches are drawn from the
clearest particles alone (docs/method.md, "Start").
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldstart.model.ctf import ring_power, take_rows
from coldstart.model.particles import Ctf

CLEAR_SHARE = 0.3
"""Share of the particles that are drawn early."""

FEWEST_CLEAR = 1500
"""So many a class are drawn at least, so that the map does not learn the noise of few images by heart."""

_BLOCK = 1 << 16


def clear_particles(
    ctf: Ctf | None, count: int, radius: float, box_angstrom: float, classes: int
) -> NDArray[np.int64] | None:
    """Rows of the particles that are drawn early, ascending; None where that is all of them.

    Parameters
    ----------
    ctf : Ctf or None
        Of all particles.
    count : int
        Particles that may be drawn: the first ones.
    radius : float
        Initial resolution radius, cycles a box.
    box_angstrom : float
    classes : int
    """
    wanted = max(int(CLEAR_SHARE * count), FEWEST_CLEAR * classes)
    if ctf is None or wanted >= count:
        return None
    blocks = np.split(np.arange(count), np.arange(_BLOCK, count, _BLOCK))
    clarity = np.concatenate([mean_power(take_rows(ctf, rows), radius, box_angstrom) for rows in blocks])
    return np.sort(np.argsort(-clarity, kind="stable")[:wanted])


def mean_power(ctf: Ctf, radius: float, box_angstrom: float) -> NDArray[np.float64]:
    """Mean of CTF^2 over the coefficients up to a radius, (N,) float64."""
    rings = max(int(radius), 1)
    return np.average(ring_power(ctf, rings, box_angstrom), axis=1, weights=np.arange(1, rings + 1))
