"""What a report shows of the images."""

from dataclasses import replace

import numpy as np

from coldstart.check.statistics import image_statistics


def test_statistics(clean):
    found = image_statistics(clean.evidence().sample)
    assert found.images.shape == (len(found.rows), 32, 32)
    assert found.sample_size == 400
    np.testing.assert_allclose(found.frequency_per_angstrom[[0, -1]], [1 / 256.0, 15 / 256.0])
    assert found.power.shape == found.ctf_squared.shape == (15,)
    assert 120.0 < found.diameter_angstrom < 256.0
    # The particle is in the middle, and bright.
    assert found.average[12:20, 12:20].mean() > found.average[:4].mean() + 0.1


def test_without_ctf(clean):
    assert image_statistics(replace(clean, ctf=None).evidence().sample).ctf_squared is None
