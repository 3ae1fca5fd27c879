"""Dark particles are found, and what turns them is named."""

from dataclasses import replace

import numpy as np

from coldstart.params import AbInitioParams


def test_dark_particles(clean):
    (finding,) = replace(clean, images=-clean.images).named("contrast")
    assert finding.severity == "error"
    assert "--invert" in finding.remedy


def test_invert_mends_dark_particles_and_spoils_bright_ones(clean):
    invert = AbInitioParams(invert=True)
    assert replace(clean, images=-clean.images, params=invert).named("contrast") == []
    (finding,) = replace(clean, params=invert).named("contrast")
    assert (finding.severity, "Leave --invert away" in finding.remedy) == ("error", True)


def test_few_dark_particles_are_a_warning(simulated):
    few = simulated(count=12, snr=1.0)
    (finding,) = replace(few, images=-few.images).named("contrast")
    assert finding.severity == "warning"


def test_noise_alone_shows_nothing_in_the_middle(clean, rng):
    noise = rng.normal(size=clean.images.shape).astype(np.float32)
    (finding,) = replace(clean, images=noise).named("contrast")
    assert (finding.severity, "shows nothing in the middle" in finding.message) == ("warning", True)


def test_hollow_particle_in_a_tight_box_is_at_most_a_warning(clean, rng):
    y, x = np.mgrid[:24, :24] - 12.0
    distance = np.hypot(x - rng.normal(0.0, 1.0, (400, 1, 1)), y - rng.normal(0.0, 1.0, (400, 1, 1)))
    shell = 2.0 * np.exp(-((distance - 9.0) ** 2) / 4.0)
    images = (shell + rng.normal(0.0, 1.0, shell.shape)).astype(np.float32)
    findings = replace(clean, images=images, ctf=None).findings()
    assert {(finding.check, finding.severity) for finding in findings} >= {("contrast", "warning"), ("box", "warning")}
