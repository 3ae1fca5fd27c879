"""Views and halves of known unevenness."""

import numpy as np
import pytest

from coldstart.model.orientation import (
    CONE_DEG,
    conical_correlation,
    efficiency,
    fourier_sampling,
    half_sphere,
    orientation_report,
)
from coldstart.model.so3 import frames_about

SIDE, RADIUS = 32, 12


def even_views(rng: np.random.Generator, count: int = 4000) -> np.ndarray:
    views = rng.standard_normal((count, 3))
    return views / np.linalg.norm(views, axis=1, keepdims=True)


def views_around(axis: np.ndarray, rng: np.random.Generator, tilt_deg: tuple[float, float]) -> np.ndarray:
    """Views whose angle to an axis is in this range, evenly."""
    low, high = np.cos(np.deg2rad(tilt_deg[::-1]))
    z, angle = rng.uniform(low, high, 4000), rng.uniform(0, 2 * np.pi, 4000)
    sine = np.sqrt(1 - z**2)
    (frame,) = frames_about(axis)
    return np.stack([sine * np.cos(angle), sine * np.sin(angle), z], axis=1) @ frame


def halves(rng: np.random.Generator, noise: float = 0.3) -> np.ndarray:
    return rng.standard_normal((SIDE, SIDE, SIDE)) + noise * rng.standard_normal((2, SIDE, SIDE, SIDE))


def test_even_views_sample_every_direction_alike(rng: np.random.Generator) -> None:
    views = even_views(rng)
    np.testing.assert_allclose(fourier_sampling(views, half_sphere(4)), 1.0, atol=0.2)
    assert efficiency(views) > 0.95


def test_side_views_sample_as_their_formula_says(rng: np.random.Generator) -> None:
    """Views across an axis sample k by 2 / (pi sin(angle to it)): its compensation is 0.81."""
    axis = np.array([2.0, -1.0, 2.0]) / 3.0  # no axis of the grid of cells
    views = views_around(axis, rng, (89.9, 90.1))
    angle = np.deg2rad([40.0, 60.0, 90.0])
    (frame,) = frames_about(axis)
    axes = np.stack([np.sin(angle), np.zeros(3), np.cos(angle)], axis=1) @ frame
    np.testing.assert_allclose(fourier_sampling(views, axes), 2.0 / (np.pi * np.sin(angle)), rtol=0.15)
    report = orientation_report(views, halves(rng), RADIUS)
    assert report.views.compensation == pytest.approx(0.81, abs=0.02)
    assert report.views.filled == 1.0
    assert not report.misses_views


@pytest.mark.parametrize("tilt_deg", [(0.0, 20.0), (0.0, 50.0), (150.0, 180.0)])
def test_a_missing_cone_is_named(rng: np.random.Generator, tilt_deg: tuple[float, float]) -> None:
    axis = np.array([2.0, -1.0, 2.0]) / 3.0
    report = orientation_report(views_around(axis, rng, tilt_deg), halves(rng), RADIUS)
    assert report.misses_views
    assert abs(report.least_axis @ axis) > np.cos(np.deg2rad(12.0))
    assert report.views.least_sampling < 0.05
    assert report.views.filled < 0.95
    assert report.views.compensation < 0.3
    assert report.views.efficiency < 0.6
    assert abs(report.main_view @ axis) > np.cos(np.deg2rad(max(20.0, min(tilt_deg[1], 180.0 - tilt_deg[0]) + 8.0)))


def test_efficiency_falls_with_the_breadth_of_the_views(rng: np.random.Generator) -> None:
    axis = np.array([0.0, 0.6, 0.8])
    found = [efficiency(views_around(axis, rng, (0.0, widest))) for widest in (10.0, 40.0, 65.0, 90.0)]
    assert found == sorted(found)
    assert found[-1] > 0.95


def test_cones_find_the_direction_in_which_halves_disagree(rng: np.random.Generator) -> None:
    """Noise is put into one cone of the transform alone."""
    axis = np.array([1.0, 2.0, -2.0]) / 3.0
    k = np.fft.fftfreq(SIDE, 1.0 / SIDE)
    z, y, x = np.meshgrid(k, k, k, indexing="ij")
    points = np.stack([x, y, z], axis=-1)
    length = np.linalg.norm(points, axis=-1)
    cone = np.abs(points @ axis) > np.cos(np.deg2rad(CONE_DEG)) * np.maximum(length, 1e-9)
    clean = rng.standard_normal((SIDE,) * 3)
    noise = np.fft.ifftn(np.fft.fftn(rng.standard_normal((2, SIDE, SIDE, SIDE)), axes=(1, 2, 3)) * cone, axes=(1, 2, 3))
    pair = clean + 4.0 * noise.real
    curves = conical_correlation(pair, np.stack([axis, np.cross(axis, [0.0, 0.0, 1.0]) / np.sqrt(5 / 9)]), RADIUS)
    assert np.abs(curves[0, 5:]).max() < 0.4
    assert curves[1, 1:].min() > 0.99
    report = orientation_report(even_views(rng), pair, RADIUS)
    assert report.misses_views
    assert report.cone_ratio < 0.5
    assert abs(report.worst_axis @ axis) > np.cos(np.deg2rad(25.0))
    assert report.worst_radius < report.best_radius == RADIUS


def test_halves_that_agree_everywhere_are_even(rng: np.random.Generator) -> None:
    report = orientation_report(even_views(rng), halves(rng), RADIUS)
    assert report.cone_ratio > 0.9
    assert (report.worst_radius, report.best_radius) == (RADIUS, RADIUS)


def test_views_count_by_their_weights(rng: np.random.Generator) -> None:
    """Views that are never drawn are as if they were not there."""
    axis = np.array([0.0, 0.6, 0.8])
    some, others = even_views(rng, 500), views_around(axis, rng, (0.0, 30.0))
    views, weights = np.concatenate([some, others]), np.repeat([1.0, 0.0], [len(some), len(others)])
    report = orientation_report(views, halves(rng), RADIUS, weights)
    assert report.drawn == orientation_report(some, halves(rng), RADIUS).views
    assert report.views == orientation_report(views, halves(rng), RADIUS).views
    assert report.views.least_sampling < 0.5 < report.drawn.least_sampling
