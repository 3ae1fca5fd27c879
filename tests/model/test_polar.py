import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldstart.model.mask import radius_px, soft_window
from coldstart.model.polar import LANES, POINTS_PER_RADIUS, PolarPlane, polar_transform

in_planes = st.sampled_from([24, 48, 96])
ring_counts = st.integers(1, 50)


@given(in_planes, ring_counts)
def test_rings_have_whole_multiples_of_the_in_plane_angles(in_plane, rings):
    """Enough of them for the radius, and no more than that takes."""
    plane = PolarPlane(in_plane, rings)
    points, radius = 2 * plane.half_points, np.arange(1, rings + 1)
    assert plane.half_points.dtype == np.int32
    assert not (points % in_plane).any()
    assert (points >= POINTS_PER_RADIUS * radius).all()
    assert ((points == in_plane) | (points < 2 * POINTS_PER_RADIUS * radius)).all()
    assert (np.diff(points) >= 0).all()


@given(in_planes, ring_counts)
def test_weights_are_the_areas_of_the_bands(in_plane, rings):
    plane = PolarPlane(in_plane, rings)
    radius = np.arange(1, rings + 1)
    half_bands = 0.5 * np.pi * ((radius + 0.5) ** 2 - (radius - 0.5) ** 2)
    np.testing.assert_allclose(plane.ring_areas, half_bands)
    np.testing.assert_allclose(np.bincount(plane.ring, plane.weights)[1:], half_bands)
    own = plane.weights[plane.points]
    assert (own == plane.weights[plane.ring_start[plane.ring[plane.points] - 1]]).all()  # alike on a ring


@given(in_planes, ring_counts)
def test_pads_have_no_weight_and_no_frequency(in_plane, rings):
    plane = PolarPlane(in_plane, rings)
    pads = np.setdiff1d(np.arange(plane.stride), plane.points)
    assert len(plane.points) == plane.half_points.sum()
    assert not plane.weights[pads].any()
    assert not plane.frequencies[pads].any()
    assert (plane.weights[plane.points] > 0).all()
    assert not (plane.ring_start % LANES).any()
    assert (np.diff(plane.ring_start) - plane.half_points < LANES).all()


@given(in_planes, ring_counts)
def test_points_are_half_a_turn_of_their_ring_at_equal_angles(in_plane, rings):
    plane = PolarPlane(in_plane, rings)
    kx, ky = plane.frequencies[plane.points].T
    ring = plane.ring[plane.points]
    np.testing.assert_allclose(np.hypot(kx, ky), ring, rtol=1e-12)
    for start, half, _, _ in plane.ring_table[[0, -1]]:
        own = plane.frequencies[start : start + half]
        np.testing.assert_allclose(np.arctan2(own[:, 1], own[:, 0]), np.pi * np.arange(half) / half, atol=1e-12)


@given(in_planes, ring_counts, ring_counts)
def test_a_coarser_resolution_is_a_prefix(in_plane, one, other):
    small, large = PolarPlane(in_plane, min(one, other)), PolarPlane(in_plane, max(one, other))
    count = large.count(small.rings)
    assert count == small.stride
    for name in ("ring", "weights", "frequencies"):
        np.testing.assert_array_equal(getattr(large, name)[:count], getattr(small, name))
    np.testing.assert_array_equal(large.ring_table[: small.rings], small.ring_table)
    np.testing.assert_array_equal(large.points[large.points < count], small.points)


@given(in_planes, ring_counts, st.floats(0.0, 60.0))
def test_rings_within_a_radius(in_plane, rings, radius):
    plane = PolarPlane(in_plane, rings)
    within = plane.rings_within(radius)
    assert within == np.count_nonzero(np.arange(1, rings + 1) <= radius + 1e-9)
    assert plane.count(radius) == plane.ring_start[within] == np.count_nonzero(plane.ring <= within)
    assert plane.count(rings) == plane.count(100.0) == plane.stride


def test_a_radius_that_rounding_left_below_a_ring_holds_it():
    assert PolarPlane(24, 20).rings_within(0.1 * 3 / 0.1 * 4 - 1e-12) == 12


@given(in_planes, ring_counts)
def test_a_step_of_the_grid_moves_points_onto_points(in_plane, rings):
    plane = PolarPlane(in_plane, rings)
    step = 2 * np.pi / in_plane
    turn = np.array([[np.cos(step), -np.sin(step)], [np.sin(step), np.cos(step)]])
    for start, half, _, ahead in plane.ring_table[[0, rings // 2, -1]]:
        own = plane.frequencies[start : start + half]
        whole = np.concatenate([own, -own])
        np.testing.assert_allclose(whole @ turn.T, np.roll(whole, -ahead, axis=0), atol=1e-10 * rings)


@given(in_planes, ring_counts)
def test_whole_turns_repeat_their_first_points(in_plane, rings):
    """Room for both halves and LANES more, so that any half turn is one run of memory, and starts that are aligned."""
    plane = PolarPlane(in_plane, rings)
    room = np.diff(plane.circle_start)
    assert (room >= 2 * plane.half_points + LANES).all()
    assert (room < 2 * plane.half_points + 2 * LANES).all()
    assert not (plane.circle_start % LANES).any()
    start, half, circle, step = plane.ring_table.T
    np.testing.assert_array_equal(start, plane.ring_start[:-1])
    np.testing.assert_array_equal(half, plane.half_points)
    np.testing.assert_array_equal(circle, plane.circle_start[:-1])
    np.testing.assert_array_equal(step * in_plane, 2 * half)


@given(in_planes, st.sampled_from([1, 2, 4]), ring_counts, st.integers(0, 10))
def test_a_finer_plane_holds_the_points(in_plane, finer_by, rings, more):
    coarse, fine = PolarPlane(in_plane, rings), PolarPlane(finer_by * in_plane, rings + more)
    source = coarse.source(fine)
    assert source.dtype == np.int32
    np.testing.assert_array_equal(np.flatnonzero(source >= 0), coarse.points)
    np.testing.assert_allclose(
        fine.frequencies[source[coarse.points]], coarse.frequencies[coarse.points], atol=1e-10 * rings
    )


def test_a_plane_of_fewer_angles_does_not_hold_the_points():
    with pytest.raises(ValueError, match="does not hold the points"):
        PolarPlane(48, 10).source(PolarPlane(24, 10))


def direct_transform(image, plane):
    """Sum over the pixels of one image at each point, (M,) complex128."""
    n = image.shape[0]
    at = (np.arange(n) - n // 2) / n
    kx, ky = plane.frequencies[plane.points].T
    along_y, along_x = (np.exp(-2j * np.pi * k[:, None] * at) for k in (ky, kx))
    return np.einsum("my,mx,yx->m", along_y, along_x, image.astype(np.float64), optimize=True) / n


@settings(max_examples=30)
@given(st.integers(0, 15), st.integers(0, 15))
def test_a_dot_is_a_plane_wave_about_the_centre(x, y):
    n, plane = 16, PolarPlane(24, 7)
    image = np.zeros((1, n, n), np.float32)
    image[0, y, x] = 1.0
    kx, ky = plane.frequencies[plane.points].T
    expected = np.exp(-2j * np.pi * (kx * (x - n // 2) + ky * (y - n // 2)) / n) / n
    np.testing.assert_allclose(polar_transform(image, plane)[0, plane.points], expected, atol=2e-3 / n)


@pytest.mark.parametrize("in_plane", [24, 96])
def test_the_transform_is_the_sum_over_pixels(rng, in_plane):
    n, plane = 32, PolarPlane(in_plane, 14)
    images = rng.standard_normal((3, n, n)).astype(np.float32)
    found = polar_transform(images, plane)
    assert found.dtype == np.complex64
    assert found.shape == (3, plane.stride)
    pads = np.setdiff1d(np.arange(plane.stride), plane.points)
    assert not found[:, pads].any()
    for image, row in zip(images, found, strict=True):
        np.testing.assert_allclose(row[plane.points], direct_transform(image, plane), atol=1e-3)


def test_coefficients_on_the_axes_are_those_of_the_discrete_transform(rng):
    n, plane = 24, PolarPlane(24, 10)
    image = rng.standard_normal((n, n)).astype(np.float32)
    spectrum = np.fft.fft2(np.fft.ifftshift(image)) / n
    found = polar_transform(image[None], plane)[0]
    for ring, (start, half, _, _) in enumerate(plane.ring_table, 1):
        assert found[start] == pytest.approx(spectrum[0, ring], abs=1e-3)
        assert found[start + half // 2] == pytest.approx(spectrum[ring, 0], abs=1e-3)


def test_white_noise_has_unit_variance_on_all_rings(rng):
    plane = PolarPlane(24, 14)
    power = np.abs(polar_transform(rng.standard_normal((500, 32, 32)).astype(np.float32), plane)) ** 2
    of_ring = np.bincount(plane.ring, power.mean(axis=0))[1:] / plane.half_points
    np.testing.assert_allclose(of_ring, 1.0, atol=0.12)  # ring 1 has some 6 independent coefficients of 500 images
    assert power[:, plane.points].mean() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(("n", "rings"), [(96, 10), (80, 17), (160, 20)])
def test_a_large_box_is_cropped_without_harm(rng, n, rings):
    """Off by less than 2 % of the noise, most of it from the window's edge: an image in the middle is exact."""
    plane = PolarPlane(48, rings)
    noise = rng.standard_normal((4, n, n)).astype(np.float32) * soft_window(n, 2, 0.85, 0.99)
    found = polar_transform(noise, plane)[:, plane.points]
    expected = np.stack([direct_transform(image, plane) for image in noise])
    assert np.linalg.norm(found - expected) < 0.02 * np.linalg.norm(expected)
    assert np.vdot(expected, found).real / np.vdot(expected, expected).real == pytest.approx(1.0, abs=2e-3)
    inner = noise * (radius_px(n, 2) < 0.25 * n)
    found = polar_transform(inner, plane)[:, plane.points]
    expected = np.stack([direct_transform(image, plane) for image in inner])
    assert np.linalg.norm(found - expected) < 0.005 * np.linalg.norm(expected)


def blobs(n, centres, sigma):
    """Images of Gaussians less wider ones of the same mass: without a mean, and smooth."""
    y, x = np.mgrid[:n, :n] - n // 2

    def gauss(at, width):
        return np.exp(-0.5 * ((x - at[0]) ** 2 + (y - at[1]) ** 2) / width**2) / width**2

    return np.stack([gauss(at, sigma) - gauss(at, 1.6 * sigma) for at in centres]).astype(np.float32)


@pytest.mark.parametrize("in_plane", [24, 48, 96])
def test_weighted_sums_over_points_are_sums_over_pixels(in_plane):
    """Scalar products of smooth images: twice the half plane's, as far as the rings reach."""
    n, plane = 32, PolarPlane(in_plane, 15)
    images = blobs(n, [(0, 0), (3, -4), (-5, 2), (6, 6)], 1.5)
    found = polar_transform(images, plane)
    products = 2 * np.einsum("im,jm,m->ij", found, found.conj(), plane.weights).real
    expected = np.einsum("iyx,jyx->ij", images, images)
    np.testing.assert_allclose(products, expected, atol=0.03 * expected.max())


@pytest.mark.parametrize("in_plane", [24, 96])
def test_weighted_sums_over_points_are_sums_over_coefficients(rng, in_plane):
    """The power of windowed noise up to each radius: that of the lattice of coefficients within the bands."""
    n, plane = 32, PolarPlane(in_plane, 14)
    images = rng.standard_normal((100, n, n)).astype(np.float32) * soft_window(n, 2, 0.85, 0.99)
    of_ring = np.bincount(plane.ring, (np.abs(polar_transform(images, plane)) ** 2).mean(axis=0) * plane.weights)[1:]
    lattice = np.fft.fftfreq(n, 1 / n)
    radius = np.hypot(lattice[:, None], lattice)
    power = np.mean(np.abs(np.fft.fft2(images) / n) ** 2, axis=0)
    # Per unit of area: the lattice has no whole bands.
    expected = [power[(radius > 0.5) & (radius < r + 0.5)].mean() for r in range(1, 15)]
    np.testing.assert_allclose(np.cumsum(of_ring)[4:] / np.cumsum(plane.ring_areas)[4:], expected[4:], rtol=0.03)
