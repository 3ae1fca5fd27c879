"""Spectra on rings, and the squared CTF there."""

import numpy as np
import pytest

from coldstart.check.spectra import corner_power, ring_ctf_squared, ring_power
from coldstart.model.ctf import evaluate_ctf


def test_white_noise_has_power_1_everywhere(rng):
    images = rng.normal(size=(300, 32, 32)).astype(np.float32)
    np.testing.assert_allclose(ring_power(images).mean(axis=0), 1.0, atol=0.08)
    np.testing.assert_allclose(corner_power(images), 1.0, atol=0.08)


def test_signal_in_the_middle_is_not_in_the_corners(simulated):
    sample = simulated(box_px=48, radius_angstrom=40.0).evidence().sample
    corner = sample.images[:, :5, :5].astype(float)
    assert sample.power.mean() > 1.2 * sample.background_power.mean()
    assert 0.7 < sample.background_power[3:].mean() / corner.var() < 1.4


def test_squared_ctf_of_rings_is_its_mean_over_directions_and_width(clean):
    box_angstrom, rings = 256.0, 14
    angle = np.pi * np.arange(180) / 180
    width = (np.arange(20) + 0.5) / 20 - 0.5
    radius = (np.arange(1, rings + 1)[:, None] + width)[:, :, None]
    kx, ky = (radius * np.cos(angle)).ravel(), (radius * np.sin(angle)).ravel()
    exact = (evaluate_ctf(clean.ctf.take(slice(5)), kx, ky, box_angstrom) ** 2).reshape(5, rings, -1).mean(axis=2)
    found = ring_ctf_squared(clean.ctf.take(slice(5)), rings, box_angstrom)
    np.testing.assert_allclose(found, exact, atol=0.02)


def test_defocus_factor_is_that_of_the_columns(clean):
    scaled = clean.with_defocus(2.5).ctf
    np.testing.assert_allclose(
        ring_ctf_squared(clean.ctf, 15, 256.0, 2.5), ring_ctf_squared(scaled, 15, 256.0), atol=1e-12
    )
    assert ring_ctf_squared(clean.ctf, 15, 256.0) != pytest.approx(ring_ctf_squared(scaled, 15, 256.0))
