"""The box against the particle, whose diameter shows where the images hold more than background."""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from coldstart.check.evidence import Evidence, Sample
from coldstart.check.spectra import ring_numbers
from coldstart.model.check_report import Finding
from coldstart.model.mask import radius_px

FINEST_ANGSTROM = 30.0
"""Images are looked at to this resolution: the CTF spreads finer detail farther."""

STEP = 0.05
EDGE, CORNER = (0.9, 1.0), (1.15, 1.35)
"""Rings of pixels at the edge of the box and in its corners, in units of half the box."""

TIGHT_T, TIGHT_SHARE = 4.0, 0.05
"""Standard errors, and share of the power at its strongest, that the edge may have above the corners."""

OUTLINE_SHARE = 0.05
LOOSE = 1 / 3
"""A particle smaller than this share of the box leaves it mostly empty."""

LEAST_T = 6.0


@dataclass(frozen=True, slots=True)
class Extent:
    """How far the particle reaches.

    Attributes
    ----------
    diameter : float or None
        In units of the box; None where no particle shows.
    edge_share, edge_t : float
        Power at the edge of the box above that in the corners: relative to the strongest, and in standard errors.
    """

    diameter: float | None
    edge_share: float
    edge_t: float


def check_box(evidence: Evidence) -> list[Finding]:
    """Whether the box is too tight for the particle, or far too large."""
    if evidence.sample is None or len(evidence.sample) < 3:
        return []
    extent, box = measure_extent(evidence.sample), evidence.particles
    if is_tight(extent):
        return [
            Finding(
                "box",
                "warning",
                f"The box of {box.box_px} px ({box.box_angstrom:.0f} Å) is too tight: the particle still has "
                f"{extent.edge_share:.0%} of its strength at the edge.",
                "Extract again with a box of 1.5 to 2 times the particle's longest diameter.",
            )
        ]
    if extent.diameter is not None and extent.diameter < LOOSE:
        diameter = extent.diameter * box.box_angstrom
        return [
            Finding(
                "box",
                "warning",
                f"The box of {box.box_angstrom:.0f} Å is {1 / extent.diameter:.1f} times the particle's diameter of "
                f"about {diameter:.0f} Å: most of what is read is background.",
                f"Crop the images, or extract again with a box of about {2 * diameter:.0f} Å.",
            )
        ]
    return []


def is_tight(extent: Extent) -> bool:
    """Whether the particle reaches the edge of the box."""
    return extent.edge_t > TIGHT_T and extent.edge_share > TIGHT_SHARE


def measure_extent(sample: Sample) -> Extent:
    """Mean power of low-pass filtered images at each distance from the middle, above that in the corners."""
    profiles = _profiles(sample)
    distance = (np.arange(profiles.shape[1]) + 0.5) * STEP
    edge, corner = (profiles[:, (distance > low) & (distance < high)].mean(axis=1) for low, high in (EDGE, CORNER))
    inside = profiles[:, distance < 1.0] - corner[:, None]
    mean, error = inside.mean(axis=0), inside.std(axis=0) / np.sqrt(len(inside))
    strongest = int(np.argmax(mean))
    peak = float(mean[strongest])
    if peak < LEAST_T * error[strongest]:
        return Extent(None, 0.0, 0.0)
    beyond = edge - corner
    edge_t = float(beyond.mean() / max(beyond.std() / np.sqrt(len(beyond)), 1e-30))
    outline = np.flatnonzero((mean > OUTLINE_SHARE * peak) & (mean > 2.0 * error))
    return Extent(float(distance[outline[-1]] + STEP / 2), float(beyond.mean() / peak), edge_t)


def _profiles(sample: Sample) -> NDArray[np.float64]:
    """Mean squared pixel of each image in rings of pixels of width STEP of half the box, (n, rings)."""
    side = sample.images.shape[-1]
    kept = ring_numbers(side) < min(max(sample.box_angstrom / FINEST_ANGSTROM, 4.0), sample.rings)
    distance = radius_px(side, 2).ravel() / (0.5 * side)
    member = np.floor(distance / STEP).astype(np.int64)
    count = int(CORNER[1] / STEP) + 1
    members = np.eye(count)[np.minimum(member, count - 1)] * (member < count)[:, None]
    members /= np.maximum(members.sum(axis=0), 1.0)
    filtered = scipy.fft.irfft2(scipy.fft.rfft2(sample.images) * kept, s=(side, side))
    return np.asarray(filtered.reshape(len(filtered), -1) ** 2 @ members)
