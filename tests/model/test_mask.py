import numpy as np
import pytest

from coldstart.model.mask import radius_px, soft_window


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("n", [16, 31])
def test_one_inside_zero_outside_and_falling_between(n, ndim):
    window, radius = soft_window(n, ndim, 0.5, 0.9), radius_px(n, ndim)
    assert window.shape == (n,) * ndim
    assert window.dtype == np.float32
    assert (window[radius <= 0.25 * n] == 1).all()
    assert (window[radius >= 0.45 * n] == 0).all()
    order = np.argsort(radius.ravel())
    assert (np.diff(window.ravel()[order]) <= 1e-7).all()


def test_half_way_down_it_is_one_half():
    assert soft_window(16, 2, 0.5, 1.0)[8, 8 + 6] == pytest.approx(0.5)


def test_centre_is_pixel_n_over_2():
    window = soft_window(10, 2, 0.1, 0.8)
    assert np.unravel_index(np.argmax(window), window.shape) == (5, 5)
    np.testing.assert_array_equal(window[1:, 1:], window[1:, 1:][::-1, ::-1])


def test_equal_radii_give_a_sharp_edge():
    assert set(np.unique(soft_window(12, 2, 0.5, 0.5))) == {0.0, 1.0}
