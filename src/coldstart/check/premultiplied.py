"""Images that were multiplied by their CTFs already: the noise, too, is gone where the CTF is 0."""

import numpy as np
from numpy.typing import NDArray

from coldstart.check.evidence import Evidence
from coldstart.check.spectra import ring_ctf_squared
from coldstart.model.check_report import Finding

OUTER = 2 / 3
"""Rings from this share of the spectrum on: there is hardly anything but noise."""

MOST_RAW, LEAST_MULTIPLIED = 0.5, 0.6
"""Share of the power that goes with the squared CTF: less in raw images, more in multiplied ones."""

ERRORS = 4.0


def check_premultiplied(evidence: Evidence) -> list[Finding]:
    """Whether the noise's power goes with the squared CTF, against what the table says."""
    sample = evidence.sample
    if sample is None or sample.ctf is None or len(sample) < 20:
        return []
    squared = ring_ctf_squared(sample.ctf, sample.rings, sample.box_angstrom)
    share, error = multiplied_share(sample.power, squared)
    stated = bool(np.median(sample.ctf.premultiplied) > 0)
    if not stated and share - ERRORS * error > LEAST_MULTIPLIED:
        message = f"The images seem to be multiplied by their CTFs already: {share:.0%} of their power goes with CTF²."
        remedy = "Set rlnCtfDataAreCtfPremultiplied to 1 in the optics table, or extract the particles again."
    elif stated and share + ERRORS * error < MOST_RAW:
        message = (
            f"The table says that the images are multiplied by their CTFs, but only {share:.0%} of their power goes "
            "with CTF²."
        )
        remedy = "Set rlnCtfDataAreCtfPremultiplied to 0 in the optics table."
    else:
        return []
    return [Finding("premultiplied", "error", message, remedy)]


def multiplied_share(power: NDArray[np.float64], ctf_squared: NDArray[np.float64]) -> tuple[float, float]:
    """Share of the power of the outer rings that goes with the squared CTF, and its standard error.

    Parameters
    ----------
    power, ctf_squared : (n, rings) float64
        Of each image.

    Returns
    -------
    share, error : float
        Of raw noise 0, of multiplied noise 1; the error is infinite where the CTFs are all alike.
    """
    outer = slice(int(OUTER * power.shape[1]), power.shape[1] - 1)
    power, squared = power[:, outer], ctf_squared[:, outer]
    varying = squared - squared.mean(axis=0)
    spread = (varying**2).sum(axis=0)
    if not np.all(spread > 1e-6):
        return 0.0, np.inf
    slope = (power * varying).sum(axis=0) / spread
    # What a coefficient would have where the CTF is 1.
    full = np.maximum(power.mean(axis=0) + slope * (1.0 - squared.mean(axis=0)), 1e-12)
    error = power.std(axis=0) / np.sqrt(spread) / full
    weight = error**-2.0
    return float((weight * slope / full).sum() / weight.sum()), float(weight.sum() ** -0.5)
