"""Whether particles are bright: the middle of the images against what surrounds it."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from coldstart.check.box import is_tight, measure_extent
from coldstart.check.evidence import Evidence
from coldstart.check.spectra import WINDOW
from coldstart.model.check_report import Finding
from coldstart.model.mask import soft_window

RADII = (0.16, 0.24, 0.32, 0.4, 0.5, 0.6, 0.7)
"""Of the discs, in units of half the box: particles of any size show in one of them, hollow ones in the large ones."""

SURE, LIKELY = 1e-6, 1e-3
"""Chances of so strong a contrast without any particle, below which it is an error, or a warning."""

ENOUGH_IMAGES = 300
"""So many images show a particle in the middle, if there is one at all."""


def check_contrast(evidence: Evidence) -> list[Finding]:
    """Whether particles are brighter than the background, as the CTF's sign has it."""
    sample = evidence.sample
    if sample is None or len(sample) < 3:
        return []
    scores = disc_scores(sample.images)
    strongest = float(scores[np.argmax(np.abs(scores))])
    chance = min(1.0, len(scores) * 2.0 * float(student.sf(abs(strongest), len(sample) - 1)))
    if chance > LIKELY:
        return _nothing_there(len(sample), strongest)
    if strongest > 0:
        return []
    if is_tight(measure_extent(sample)):
        # A hollow particle that fills the box is dark in the middle all the same.
        chance, remedy = (
            LIKELY,
            "Mend the box first: a hollow particle that fills it looks the same. If it is not: --invert.",
        )
    elif evidence.params.invert:
        remedy = "Leave --invert away: it makes the particles of these images dark."
    else:
        remedy = "Say --invert (and invert the stack for RELION: relion_image_handler --multiply_constant -1)."
    return [
        Finding(
            "contrast",
            "error" if chance < SURE else "warning",
            f"Particles are darker than the background (by {-strongest:.0f} standard errors of {len(sample):,} images),"
            " but must be brighter.",
            remedy,
        )
    ]


def disc_scores(images: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean brightness of discs in the middle above that around them, in standard errors over the images.

    Parameters
    ----------
    images : (n, side, side) float32
        Background mean 0 and variance 1.

    Returns
    -------
    (len(RADII),) float64
        Student's t with n - 1 degrees of freedom where there is nothing.
    """
    side = images.shape[-1]
    window = soft_window(side, 2, *WINDOW).astype(np.float64)
    discs = np.stack([soft_window(side, 2, radius - 0.05, radius + 0.05) * window for radius in RADII])
    discs -= (discs.sum(axis=(1, 2)) / window.sum())[:, None, None] * window
    values = images.reshape(len(images), -1) @ discs.reshape(len(discs), -1).T.astype(np.float32)
    error = values.std(axis=0, ddof=1, dtype=np.float64) / np.sqrt(len(values))
    return np.asarray(values.mean(axis=0, dtype=np.float64) / np.maximum(error, 1e-30))


def _nothing_there(images: int, strongest: float) -> list[Finding]:
    if images < ENOUGH_IMAGES:
        return []
    return [
        Finding(
            "contrast",
            "warning",
            f"The mean of {images:,} images shows nothing in the middle ({strongest:+.1f} standard errors): "
            "are there particles, and are they in the middle of their boxes?",
            "Look at the images, and extract the particles around their centres.",
        )
    ]
