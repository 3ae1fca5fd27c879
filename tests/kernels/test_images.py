import numpy as np
import pytest

from coldstart.engine import reference


@pytest.fixture
def optics(rng):
    """Five rows as a 256 Angstrom box has them at 0.7 to 2.5 um; the last image carries no CTF."""
    table = np.zeros((5, 8), np.float32)
    table[:, 0] = rng.uniform(0.006, 0.024, 5)
    table[:, 1:3] = rng.uniform(-5e-4, 5e-4, (5, 2))
    table[:, 3] = 7.5e-8
    table[:, 4] = rng.uniform(0.0, 1.6, 5)
    table[:, 5] = rng.uniform(0.0, 3e-4, 5)
    table[:, 6] = rng.uniform(0.5, 2.0, 5)
    table[:4, 7] = 1.0
    return table


def test_weigh_images(kernels, case, rng, optics):
    inverse_noise = case.plane.padded(rng.uniform(0.2, 3.0, len(case.plane)))
    given = case.kx, case.ky, case.image, optics, inverse_noise
    image, weight = kernels.weigh_images(*given)
    expected_image, expected_weight = reference.weigh_images(*given)
    # A phase of a few radians in float32 is off by 1e-6 at most; values are of order 1 to 10.
    np.testing.assert_allclose(image, expected_image, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(weight, expected_weight, rtol=1e-5, atol=1e-5)
    assert not image[..., len(case.plane) :].any()
    assert not weight[..., len(case.plane) :].any()


def test_phase_table(kernels, case, rng):
    shifts = rng.uniform(-0.5, 0.5, (7, 2)).astype(np.float32)
    expected = reference.phase_table(case.kx, case.ky, shifts)
    # The fraction of a turn is exact to 2^-24 of the few turns that it is taken from.
    np.testing.assert_allclose(kernels.phase_table(case.kx, case.ky, shifts), expected, atol=3e-6)
