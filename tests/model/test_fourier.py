import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldstart.model.fourier import (
    ROW_MULTIPLE,
    HalfPlane,
    image_coefficients,
    radius_grid,
    resize_spectrum,
    spectrum_of,
    trilinear_envelope,
    volume_of,
)

# Sixteenths, whose squares are exact: no coefficient is within or without by rounding.
radii = st.integers(16, 16 * 14).map(lambda sixteenths: sixteenths / 16)


@given(radii)
def test_half_plane_holds_one_of_each_pair(radius):
    plane = HalfPlane(radius)
    held = {(int(kx), int(ky)) for kx, ky in plane.frequencies}
    opposite = {(-kx, -ky) for kx, ky in held}
    reach = range(-int(radius), int(radius) + 1)
    everything = {(kx, ky) for kx in reach for ky in reach if 0 < kx**2 + ky**2 <= radius**2}
    assert len(held) == len(plane)
    assert not held & opposite
    assert held | opposite == everything
    assert all(kx > 0 or (kx == 0 and ky > 0) for kx, ky in held)


@given(radii, radii)
def test_a_coarser_resolution_is_a_prefix(one, other):
    small, large = HalfPlane(min(one, other)), HalfPlane(max(one, other))
    assert large.count(small.radius) == len(small)
    np.testing.assert_array_equal(large.frequencies[: len(small)], small.frequencies)


@given(radii)
def test_order_and_shells(radius):
    plane = HalfPlane(radius)
    np.testing.assert_allclose(plane.radii, np.linalg.norm(plane.frequencies, axis=1))
    assert (np.diff(plane.radii) >= 0).all()
    np.testing.assert_array_equal(plane.shells, np.rint(plane.radii))
    assert plane.shells[0] == 1
    assert plane.shell_sizes.sum() == len(plane)
    assert [np.count_nonzero(plane.shells == s + 1) for s in range(len(plane.shell_sizes))] == list(plane.shell_sizes)


@given(radii)
def test_padded_rows(radius):
    plane = HalfPlane(radius)
    assert plane.stride % ROW_MULTIPLE == 0
    assert 0 <= plane.stride - len(plane) < ROW_MULTIPLE
    padded = plane.padded(np.ones((2, 3, len(plane))))
    assert padded.shape == (2, 3, plane.stride)
    assert padded.dtype == np.float32
    assert (padded[..., : len(plane)] == 1).all()
    assert not padded[..., len(plane) :].any()


@settings(deadline=None)
@given(st.integers(0, 15), st.integers(0, 15))
def test_coefficients_of_a_dot_are_a_plane_wave_about_the_centre(x, y):
    n, plane = 16, HalfPlane(7.0)
    image = np.zeros((1, n, n), np.float32)
    image[0, y, x] = 1.0
    kx, ky = plane.frequencies.T
    expected = np.exp(-2j * np.pi * (kx * (x - n // 2) + ky * (y - n // 2)) / n) / n
    np.testing.assert_allclose(image_coefficients(image, plane)[0], expected, atol=1e-7)


def test_coefficients_of_white_noise_have_unit_variance(rng):
    coefficients = image_coefficients(rng.standard_normal((500, 32, 32)).astype(np.float32), HalfPlane(14.0))
    assert coefficients.dtype == np.complex64
    power = np.mean(np.abs(coefficients) ** 2, axis=0)
    assert power.mean() == pytest.approx(1.0, abs=0.01)
    np.testing.assert_allclose(power, 1.0, atol=0.25)  # 500 images: 4.5 % each


def test_spectrum_of_a_dot_is_a_plane_wave_about_the_centre(rng):
    n, side = 8, 20
    z, y, x = rng.integers(0, n, 3)
    volume = np.zeros((n,) * 3, np.float32)
    volume[z, y, x] = 2.0
    k, kx = np.arange(side) - side // 2, np.arange(side // 2 + 1)
    turns = (
        k[:, None, None] * (z - n // 2) + k[None, :, None] * (y - n // 2) + kx[None, None, :] * (x - n // 2)
    ) / side
    np.testing.assert_allclose(spectrum_of(volume, side), 2 * np.exp(-2j * np.pi * turns), atol=1e-5)


@pytest.mark.parametrize("n", [8, 14])
def test_volume_is_the_inverse_of_spectrum(rng, n):
    volume = rng.standard_normal((n,) * 3).astype(np.float32)
    spectrum = spectrum_of(volume)
    assert spectrum.shape == (n, n, n // 2 + 1)
    np.testing.assert_allclose(volume_of(spectrum), volume, atol=1e-5)
    padded = volume_of(spectrum_of(volume, 2 * n))
    inside = (slice(n // 2, n // 2 + n),) * 3
    np.testing.assert_allclose(padded[inside], volume, atol=1e-5)
    padded[inside] = 0
    np.testing.assert_allclose(padded, 0, atol=1e-5)


def test_padding_samples_the_same_spectrum_more_finely(rng):
    n = 10
    volume = rng.standard_normal((n,) * 3).astype(np.float32)
    fine = spectrum_of(volume, 2 * n)[::2, ::2, ::2]
    np.testing.assert_allclose(fine, spectrum_of(volume), atol=1e-4)


def test_a_projection_is_the_central_plane_of_the_spectrum(rng):
    n, plane = 12, HalfPlane(5.0)
    volume = rng.standard_normal((n,) * 3).astype(np.float32)
    kx, ky = plane.frequencies.T
    central = spectrum_of(volume)[n // 2, ky + n // 2, kx]
    np.testing.assert_allclose(image_coefficients(volume.sum(axis=0)[None], plane)[0] * n, central, atol=1e-4)


def test_radius_grid_holds_the_length_of_each_frequency():
    grid = radius_grid(6)
    assert grid.shape == (6, 6, 4)
    assert grid[3, 3, 0] == 0
    assert grid[3 + 2, 3 - 1, 2] == pytest.approx(3.0)
    assert grid[0, 3, 0] == 3


@pytest.mark.parametrize(("n", "side"), [(8, 14), (14, 8), (10, 10)])
def test_resizing_keeps_what_both_sizes_hold(rng, n, side):
    spectrum = spectrum_of(rng.standard_normal((n,) * 3))
    resized = resize_spectrum(spectrum, side)
    assert resized.shape == (side, side, side // 2 + 1)
    half = (min(n, side) - 1) // 2
    for z, y, x in ((0, 0, 0), (1, -2, 3), (-half, half, half), (2, half, 0)):
        assert resized[z + side // 2, y + side // 2, x] == spectrum[z + n // 2, y + n // 2, x]
    assert np.count_nonzero(resized) == (2 * half + 1) ** 2 * (half + 1)


def test_resizing_there_and_back_keeps_a_smooth_map(rng):
    spectrum = spectrum_of(rng.standard_normal((10,) * 3)) * (radius_grid(10) <= 4)
    smooth = volume_of(spectrum)
    enlarged = volume_of(resize_spectrum(spectrum_of(smooth), 16))
    np.testing.assert_allclose(volume_of(resize_spectrum(spectrum_of(enlarged), 10)), smooth, atol=1e-6)


def test_trilinear_envelope_is_what_interpolation_does_to_a_point():
    side, extent = 16, 10
    envelope = trilinear_envelope(side, extent)
    assert envelope.shape == (extent,) * 3
    assert envelope[5, 5, 5] == 1
    between = (np.arange(2000) + 0.5) / 2000
    for x in range(extent):
        turn = np.exp(-2j * np.pi * (x - extent // 2) / side)  # from one point of the spectrum to the next
        interpolated = (1 - between) + between * turn
        assert envelope[5, 5, x] == pytest.approx(np.mean(interpolated / turn**between).real, abs=1e-6)
    np.testing.assert_allclose(envelope[2, 7, 4], envelope[2, 5, 5] * envelope[5, 7, 5] * envelope[5, 5, 4], rtol=1e-6)


def test_trilinear_envelope_of_the_whole_grid():
    assert trilinear_envelope(8).shape == (8, 8, 8)
    assert trilinear_envelope(8)[0, 4, 4] == pytest.approx((2 / np.pi) ** 2)
