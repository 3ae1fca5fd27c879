"""Images that no run can use, and pixels that no particle explains."""

import numpy as np

from coldstart.check.evidence import Evidence
from coldstart.check.text import numbered, plural
from coldstart.model.check_report import Finding

HOT_DEVIATIONS = 30.0
"""A pixel farther than this from the background, in its standard deviations, is no density."""


def check_broken(evidence: Evidence) -> list[Finding]:
    """Images with values that are not finite, blank ones, and those that cannot be read."""
    broken = evidence.scan.broken
    if not broken:
        return []
    many = "at least " if evidence.scan.gave_up else ""
    return [
        Finding(
            "images",
            "error",
            f"{many}{plural(len(broken), 'image')} of {evidence.scan.images:,} cannot be used. {broken[0].reason}",
            "Remove these rows from the table, or extract the particles again.",
            tuple(image.row for image in broken),
        )
    ]


def check_hot_pixels(evidence: Evidence) -> list[Finding]:
    """Pixels hit by X-rays, or dead ones."""
    sample = evidence.sample
    if sample is None:
        return []
    hot = sample.rows[sample.extreme > HOT_DEVIATIONS]
    if not len(hot):
        return []
    return [
        Finding(
            "hot pixels",
            "warning",
            f"{plural(len(hot), 'image')} of {len(sample):,} looked at hold pixels more than {HOT_DEVIATIONS:.0f} "
            f"standard deviations from the background (particle rows {numbered(hot)}).",
            "Extract again with removal of white and black dust (RELION: --white_dust 5 --black_dust 5).",
            tuple(hot.tolist()),
        )
    ]


def check_normalisation(evidence: Evidence) -> list[Finding]:
    """Whether the background has mean 0 and variance 1, as RELION wants it."""
    sample = evidence.sample
    if sample is None:
        return []
    deviation = float(np.median(sample.background_deviation))
    mean = float(np.median(sample.background_mean))
    low, high = np.percentile(sample.background_deviation, (5, 95))
    normal = 0.8 < deviation < 1.25 and abs(mean) < 0.2 * deviation and high < 2.0 * low
    if normal:
        return []
    return [
        Finding(
            "normalisation",
            "note",
            f"The images are not normalised: their backgrounds have a mean of {mean:.3g} and a standard deviation of "
            f"{deviation:.3g} (from {low:.3g} to {high:.3g}).",
            "Nothing for a run, which normalises each image; RELION needs relion_preprocess --norm.",
        )
    ]
