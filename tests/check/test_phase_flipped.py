"""Phase-flipped images are found, and nothing that only looks like them."""

from dataclasses import replace

import numpy as np
import pytest

from coldstart.model.ctf import evaluate_ctf, flip_phases
from coldstart.model.mask import soft_window
from coldstart.params import AbInitioParams

BOX_PX = 40
BOX_ANGSTROM = BOX_PX * 8.0


@pytest.fixture(scope="module")
def raw(simulated):
    return simulated(count=800, box_px=BOX_PX)


@pytest.fixture(scope="module")
def flipped(raw):
    return replace(raw, images=flip_phases(raw.images, raw.ctf, BOX_ANGSTROM))


def test_flipped_images(flipped):
    (finding,) = flipped.findings()
    assert (finding.check, finding.severity) == ("phase-flipped", "warning")
    assert "--phase-flipped" in finding.remedy


@pytest.mark.parametrize("thorough", [True, False])
def test_images_as_they_were_taken(raw, thorough):
    assert replace(raw, thorough=thorough).named("phase-flipped") == []


def test_images_taken_for_flipped_ones(flipped):
    """What the checks see of raw images that are flipped as they are read, because the user or the table says so."""
    (finding,) = replace(flipped, phase_flipped=True, params=AbInitioParams(phase_flipped=True)).named("phase-flipped")
    assert "Leave --phase-flipped away" in finding.remedy
    (finding,) = replace(flipped, phase_flipped=True).named("phase-flipped")
    assert "to 0 in the optics table" in finding.remedy


def test_nothing_is_said_of_multiplied_images(raw):
    ky, kx = (k.ravel() for k in np.meshgrid(np.fft.fftfreq(BOX_PX) * BOX_PX, np.arange(21), indexing="ij"))
    factor = evaluate_ctf(raw.ctf, kx, ky, BOX_ANGSTROM).reshape(-1, BOX_PX, 21)
    images = np.fft.irfft2(np.fft.rfft2(raw.images) * factor, s=(BOX_PX, BOX_PX)).astype(np.float32)
    multiplied = replace(raw, images=images)
    assert multiplied.named("phase-flipped") == []
    assert multiplied.with_ctf(premultiplied=np.ones(800)).named("phase-flipped") == []


@pytest.mark.parametrize("edge", [0.85, 1.0, 1.15])
def test_nothing_is_said_of_masked_images(simulated, edge):
    noisy = simulated(count=800, box_px=BOX_PX, snr=0.05)
    masked = replace(noisy, images=noisy.images * soft_window(BOX_PX, 2, edge - 0.1, edge))
    assert masked.evidence().sign_slope.slope < -1.0
    assert masked.named("phase-flipped") == []


def test_a_large_stack_is_read_beyond_the_sample(simulated):
    evidence = simulated(count=1300, box_px=32).evidence()
    parts = list(evidence.read_more())
    assert sum(map(len, parts)) == 1300
    assert len(evidence.sample) == 1000
