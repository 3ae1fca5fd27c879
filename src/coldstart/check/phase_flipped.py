"""Images whose phases were flipped where their CTF is negative; `ctf_sign.py` has the statistic."""

import numpy as np

from coldstart.check.ctf_fit import is_in_order
from coldstart.check.evidence import Evidence, Sample
from coldstart.check.premultiplied import MOST_RAW, multiplied_share
from coldstart.check.spectra import ring_ctf_squared
from coldstart.model.check_report import Finding

ERRORS = 4.0

OFF_BY = 0.5
"""How far from -1 the slope of flipped images may be besides its error: that of masked noise is farther."""

MOST_MASKED = 0.8
"""Share of the outer rings' power that images have above their corners: more, and the corners were masked."""


def check_phase_flipped(evidence: Evidence) -> list[Finding]:
    """Whether the CTF's changes of sign are missing in the images, against what table and parameters say.

    Nothing is said where the CTFs are not those of the images, where images multiplied by their CTF have no signs to
    show, and where a mask makes the noise look like a particle.
    """
    sample = evidence.sample
    if sample is None or not is_in_order(evidence.ctf_scan) or _is_multiplied(sample) or _is_masked(sample):
        return []
    found = evidence.sign_slope
    if found is None or found.slope + ERRORS * found.error >= 0.0:
        return []
    if abs(found.slope + 1.0) > ERRORS * found.error + OFF_BY:
        return []
    if not evidence.stack.phase_flipped:
        message = "The images seem to be phase-flipped: they keep their sign across the zeros of the CTF"
        remedy = "Say --phase-flipped, or set rlnCtfDataArePhaseFlipped to 1 in the optics table."
    elif evidence.params.phase_flipped:
        message = "The images are not phase-flipped, as --phase-flipped says"
        remedy = "Leave --phase-flipped away."
    else:
        message = "The images are not phase-flipped, though the table says so"
        remedy = "Set rlnCtfDataArePhaseFlipped to 0 in the optics table."
    shown = -found.slope if evidence.stack.phase_flipped else found.slope
    figures = f" ({shown:.2f} ± {found.error:.2f}; 1 of images as they were taken, -1 of flipped ones)."
    return [Finding("phase-flipped", "warning", message + figures, remedy)]


def _is_multiplied(sample: Sample) -> bool:
    assert sample.ctf is not None
    if np.median(sample.ctf.premultiplied) > 0:
        return True
    squared = ring_ctf_squared(sample.ctf, sample.rings, sample.box_angstrom)
    return multiplied_share(sample.power, squared)[0] > MOST_RAW


def _is_masked(sample: Sample) -> bool:
    return bool(np.median(sample.signal_share[-(sample.rings // 3) :]) > MOST_MASKED)
