"""Images that were multiplied by their CTFs, against what the table says."""

from dataclasses import replace

import numpy as np
import pytest

from coldstart.model.ctf import evaluate_ctf


@pytest.fixture(scope="module")
def multiplied(clean):
    ky, kx = (k.ravel() for k in np.meshgrid(np.fft.fftfreq(32) * 32, np.arange(17), indexing="ij"))
    factor = evaluate_ctf(clean.ctf, kx, ky, 32 * 8.0).reshape(400, 32, 17)
    return replace(clean, images=np.fft.irfft2(np.fft.rfft2(clean.images) * factor, s=(32, 32)).astype(np.float32))


def test_multiplied_though_the_table_does_not_say_so(multiplied):
    (finding,) = multiplied.named("premultiplied")
    assert (finding.severity, "to 1" in finding.remedy) == ("error", True)


def test_not_multiplied_though_the_table_says_so(simulated):
    (finding,) = simulated(snr=0.05).with_ctf(premultiplied=np.ones(400)).named("premultiplied")
    assert (finding.severity, "to 0" in finding.remedy) == ("error", True)


def test_multiplied_as_the_table_says(multiplied):
    assert multiplied.with_ctf(premultiplied=np.ones(400)).named("premultiplied") == []
