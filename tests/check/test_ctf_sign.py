"""The slope across zeros of the CTF: 1 where its sign is in the images, -1 where it was taken out, 0 of noise."""

from dataclasses import replace

import numpy as np
import pytest

from coldstart.check.ctf_sign import measure_sign
from coldstart.model.ctf import flip_phases

BOX_PX = 40
BOX_ANGSTROM = BOX_PX * 8.0


@pytest.fixture(scope="module")
def particles(simulated):
    return simulated(count=800, box_px=BOX_PX)


def slope(particles, images=None, ctf=None):
    return measure_sign([(particles.images if images is None else images, ctf or particles.ctf)], BOX_ANGSTROM)


def test_slope_has_the_sign_of_the_ctf_that_is_in_the_images(particles):
    raw = slope(particles)
    assert 0.5 < raw.slope < 1.5
    assert raw.error < 0.15
    flipped = slope(particles, flip_phases(particles.images, particles.ctf, BOX_ANGSTROM))
    assert flipped.slope == pytest.approx(-raw.slope, rel=1e-3)


def test_slope_of_noise_is_within_its_error(particles, rng):
    found = [slope(particles, rng.normal(size=particles.images.shape).astype(np.float32)) for _ in range(8)]
    in_errors = np.array([one.slope / one.error for one in found])
    assert np.abs(in_errors).max() < 4.0


def test_error_is_the_scatter_of_the_slope(simulated):
    found = [slope(simulated(seed, count=200, box_px=BOX_PX)) for seed in range(10)]
    scatter = np.std([one.slope for one in found], ddof=1)
    assert 0.5 < scatter / np.median([one.error for one in found]) < 1.8


def test_more_parts_are_as_good_as_one(particles):
    whole = slope(particles)
    half = len(particles.images) // 2
    first, second = (
        (particles.images[rows], replace(particles.ctf, **columns))
        for rows in (slice(None, half), slice(half, None))
        for columns in [{name: getattr(particles.ctf, name)[rows] for name in particles.ctf.__dataclass_fields__}]
    )
    parts = measure_sign([first, second], BOX_ANGSTROM)
    assert parts.slope == pytest.approx(whole.slope, abs=0.5 * whole.error)


def test_ctf_without_zeros_tells_nothing(particles):
    near_focus = replace(
        particles.ctf, defocus_u_angstrom=np.full(800, 1000.0), defocus_v_angstrom=np.full(800, 1000.0)
    )
    assert np.isinf(slope(particles, ctf=near_focus).error)
