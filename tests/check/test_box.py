"""A box too tight or far too large for the particle, and the particle's diameter."""

from dataclasses import replace

import pytest

from coldstart.check.box import measure_extent


def test_tight_box(clean):
    (finding,) = replace(clean, images=clean.images[:, 8:24, 8:24]).named("box")
    assert (finding.severity, "too tight" in finding.message) == ("warning", True)


def test_far_too_large_box(simulated):
    (finding,) = simulated(box_px=64, radius_angstrom=25.0).named("box")
    assert (finding.severity, "most of what is read is background" in finding.message) == ("warning", True)


@pytest.mark.parametrize("radius_angstrom", [50.0, 80.0])
def test_diameter_follows_the_particle(simulated, radius_angstrom):
    particles = simulated(radius_angstrom=radius_angstrom, box_px=48)
    extent = measure_extent(particles.evidence().sample)
    # Blobs have a width of their own, and images are moved and filtered.
    assert 2.0 * radius_angstrom < extent.diameter * 48 * 8.0 < 2.0 * radius_angstrom + 100.0
