import numpy as np
import pytest

from coldstart.engine.selftest.inputs import finer_plane, optics_rows


@pytest.fixture
def optics(rng):
    return optics_rows(rng)


@pytest.fixture
def finer(case):
    return finer_plane(case.plane)


def test_pads_stay_zero(kernels, case, finer, rng, optics):
    inverse_noise = case.on_points(rng.uniform(0.2, 3.0, len(case.plane.points)))
    weighed = kernels.weigh_images(case.kx, case.ky, case.image, optics, inverse_noise)
    source, ones = case.plane.source(finer), np.ones(case.plane.stride, np.float32)
    fine = np.ones((5, 2, finer.stride), np.float32), np.ones((5, finer.stride), np.float32)
    selected = kernels.select_points(*fine, source, (source >= 0).astype(np.float32), ones)
    for values in (*weighed, *selected):
        assert not values[..., case.pads].any()
        assert values.any()


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
