import numpy as np
import pytest

from coldstart.engine import reference
from coldstart.model.polar import PolarPlane


@pytest.fixture
def optics(rng):
    """Rows as a 256 Angstrom box has them at 0.7 to 2.5 um; the last image has no CTF, the second twice its own."""
    table = np.zeros((5, 8), np.float32)
    table[:, 0] = rng.uniform(0.006, 0.024, 5)
    table[:, 1:3] = rng.uniform(-5e-4, 5e-4, (5, 2))
    table[:, 3] = 7.5e-8
    table[:, 4] = rng.uniform(0.0, 1.6, 5)
    table[:, 5] = rng.uniform(0.0, 3e-4, 5)
    table[:, 6] = rng.uniform(0.5, 2.0, 5)
    table[:4, 7] = 1.0
    table[1, 7] = 2.0
    return table


@pytest.fixture
def finer(case):
    """A plane of twice as many angles and a ring more: the case's points are every second one of a ring, or all."""
    return PolarPlane(2 * case.plane.in_plane, case.plane.rings + 1)


def test_weigh_images(kernels, case, rng, optics):
    inverse_noise = case.on_points(rng.uniform(0.2, 3.0, len(case.plane.points)))
    given = case.kx, case.ky, case.image, optics, inverse_noise
    image, weight = kernels.weigh_images(*given)
    expected_image, expected_weight = reference.weigh_images(*given)
    # A phase of a few radians in float32 is off by 1e-6 at most; values are of order 1 to 10.
    np.testing.assert_allclose(image, expected_image, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(weight, expected_weight, rtol=1e-5, atol=1e-5)
    assert not image[..., case.pads].any()
    assert not weight[..., case.pads].any()


def test_select_points(kernels, case, finer, rng):
    source = case.plane.source(finer)
    image, weight = (
        rng.standard_normal(shape).astype(np.float32) for shape in ((5, 2, finer.stride), (5, finer.stride))
    )
    share = np.where(source < 0, 0.0, rng.uniform(1.0, 2.0, len(source))).astype(np.float32)
    given = image, weight, source, share, rng.uniform(0.5, 1.0, len(source)).astype(np.float32)
    found = kernels.select_points(*given)
    for one, other in zip(found, reference.select_points(*given), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)  # up to three products
        assert not one[..., case.pads].any()


def test_points_of_a_coarser_plane_are_those_that_would_be_weighed_there(kernels, case, finer, rng, optics):
    """Weighing all points and selecting some is selecting them and weighing them with the areas of their own plane."""
    source, points = case.plane.source(finer), case.plane.points
    spectrum = np.zeros((5, 2, finer.stride), np.float32)
    spectrum[..., finer.points] = rng.standard_normal((5, 2, len(finer.points)))
    kx, ky = finer.frequencies.T.astype(np.float32)
    fine = kernels.weigh_images(kx, ky, spectrum, optics, finer.weights.astype(np.float32))
    share = np.where(source < 0, 0.0, case.plane.weights / finer.weights[source]).astype(np.float32)
    found = kernels.select_points(*fine, source, share, np.ones(len(source), np.float32))
    coarse = case.on_points(spectrum[..., source[points]])
    expected = kernels.weigh_images(case.kx, case.ky, coarse, optics, case.plane.weights.astype(np.float32))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_phase_table(kernels, case, rng):
    shifts, damping = (
        rng.uniform(-0.5, 0.5, (7, 2)).astype(np.float32),
        rng.random(case.plane.stride).astype(np.float32),
    )
    given = case.kx, case.ky, shifts, damping
    # The fraction of a turn is exact to 2^-24 of the few turns that it is taken from.
    np.testing.assert_allclose(kernels.phase_table(*given), reference.phase_table(*given), atol=3e-6)
