"""The sample, and the pass over the images."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldstart.check.gather import GIVE_UP, crop_spectrum, spread_rows


@given(st.integers(0, 3000), st.integers(1, 1000))
def test_rows_are_spread_over_the_stack(count, wanted):
    rows = spread_rows(count, wanted)
    assert len(rows) == min(count, wanted)
    assert (np.diff(rows) > 0).all()
    if count >= wanted:
        edges = np.linspace(0, count, wanted + 1).astype(int)
        assert ((rows >= edges[:-1]) & (rows < edges[1:])).all()


def test_cropping_keeps_low_frequencies_and_the_variance_of_noise(rng):
    y, x = np.mgrid[:64, :64] / 64
    wave = np.cos(2 * np.pi * (3 * x - 5 * y))
    cropped = crop_spectrum(wave[None], 32)[0]
    # The power of a coefficient stays, so that a wave gets stronger by the ratio of the sides.
    np.testing.assert_allclose(cropped, 2.0 * wave[::2, ::2], atol=1e-5)
    noise = crop_spectrum(rng.normal(size=(50, 64, 64)), 32)
    assert noise.var() == pytest.approx(1.0, abs=0.1)


def test_sample_is_normalised_as_a_run_does_it(clean):
    sample = replace(clean, images=5.0 * clean.images + 3.0).evidence().sample
    np.testing.assert_allclose(sample.background_mean, 3.0, atol=2.0)
    np.testing.assert_allclose(sample.images, clean.evidence().sample.images, atol=1e-4)
    assert sample.average.shape == (32, 32)
    assert sample.shown.shape == (16, 32, 32)
    np.testing.assert_allclose(sample.shown[0], sample.images[list(sample.rows).index(sample.shown_rows[0])], atol=1e-5)


def test_every_broken_image_is_found(clean):
    images = clean.images.copy()
    images[[3, 200, 201, 399], 4, 5] = np.nan
    evidence = replace(clean, images=images).evidence()
    assert [image.row for image in evidence.scan.broken] == [3, 200, 201, 399]
    assert set(evidence.sample.rows) == set(range(400)) - {3, 200, 201, 399}


def test_quick_look_reads_the_sample_alone(simulated):
    particles = simulated(count=900)
    assert replace(particles, thorough=False).evidence().scan.images == 400
    assert particles.evidence().scan.images == 900


def test_a_stack_of_broken_images_is_not_read_to_its_end(clean):
    evidence = replace(clean, images=np.full_like(clean.images, np.nan)).evidence()
    assert evidence.scan.gave_up
    assert len(evidence.scan.broken) == GIVE_UP
    assert evidence.sample is None
