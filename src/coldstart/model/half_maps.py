"""Two maps of half the particles each, and how far they agree.

The correlation is taken of the whole box, and inside a mask: the noise around the particle is no matter of the map's.
"""

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from coldstart.model.fourier import radius_grid, spectrum_of, volume_of
from coldstart.model.fsc import fourier_shell_correlation
from coldstart.model.half_report import HalfReport

MASK_THRESHOLD = 0.1
"""Density of the smoothed map, as a share of its highest, that is inside the mask."""

MASK_MARGIN = 0.03
"""The mask reaches so much farther than that, in boxes."""

MASK_EDGE = 0.06
"""Width of its cosine edge, in boxes: a sharp one would make halves of noise agree."""


def compare_halves(
    halves: NDArray[np.floating], mask: NDArray[np.floating], *, independent: bool = False
) -> HalfReport:
    """Compare two half maps in the same frame.

    Parameters
    ----------
    halves : (2, n, n, n) float, [z, y, x]
    mask : (n, n, n) float
        As of `soft_mask`.
    independent : bool
        As in `HalfReport`.
    """
    unmasked = fourier_shell_correlation(*halves)
    return HalfReport(unmasked, fourier_shell_correlation(*(halves * mask)), float(mask.mean()), independent)


def soft_mask(volume: NDArray[np.floating], radius: float) -> NDArray[np.float32]:
    """A mask around a map's density with a soft edge, in [0, 1]; 1 everywhere where there is no density.

    Parameters
    ----------
    volume : (n, n, n) float, [z, y, x]
    radius : float
        Cycles a box to which the map is smoothed first.
    """
    n = volume.shape[0]
    spectrum = spectrum_of(volume)
    smooth = volume_of(spectrum * np.exp(-0.5 * (radius_grid(n) / radius) ** 2))
    highest = float(smooth.max())
    if not highest > 0.0:
        return np.ones(volume.shape, np.float32)
    distance = scipy.ndimage.distance_transform_edt(smooth < MASK_THRESHOLD * highest) / n
    fall = np.clip((distance - MASK_MARGIN) / MASK_EDGE, 0.0, 1.0)
    return np.asarray(0.5 * (1.0 + np.cos(np.pi * fall)), dtype=np.float32)
