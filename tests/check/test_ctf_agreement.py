"""The agreement of images and rows: as expected where they belong together, standard normal where they do not."""

import numpy as np
import pytest

from coldstart.check.ctf_agreement import scan_defocus
from coldstart.model.ctf import take_rows


def scan(sample, ctf=None, box_factor=1.0):
    return scan_defocus(sample.power, sample.signal_share, ctf or sample.ctf, box_factor * sample.box_angstrom)


def test_rows_in_order_agree_as_expected(clean):
    found = scan(clean.evidence().sample).stated
    assert found.expected > 10.0
    assert found.share == pytest.approx(1.0, abs=0.25)


def test_rows_in_disorder_have_a_standard_normal_agreement(clean, rng):
    sample = clean.evidence().sample
    orders = [rng.permutation(len(sample)) for _ in range(12)]
    agreement = [scan(sample, take_rows(sample.ctf, order)).stated.z for order in orders]
    assert abs(np.mean(agreement)) < 4.0 / np.sqrt(12)
    assert 0.4 < np.std(agreement) < 1.8


@pytest.mark.parametrize("box_factor", [0.5, 0.8, 1.0, 1.3, 2.0])
def test_factor_makes_up_for_a_wrong_pixel_size(clean, box_factor):
    found = scan(clean.evidence().sample, box_factor=box_factor)
    assert found.factor == pytest.approx(box_factor**2, rel=0.06)


def test_noise_has_no_agreement(clean, rng):
    sample = clean.evidence().sample
    power = rng.chisquare(40, sample.power.shape)
    found = scan_defocus(power, np.full(power.shape[1], 0.3), sample.ctf, sample.box_angstrom)
    assert abs(found.stated.z) < 4.0
    assert found.best.z < 6.0
