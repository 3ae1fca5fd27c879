"""Power about axes against maps whose symmetry about them is known."""

import numpy as np
import pytest

from coldstart.model.alignment import Placement, place_map
from coldstart.model.axial_power import axial_power, axis_grid
from coldstart.model.fsc import fourier_shell_correlation
from coldstart.model.sampled_spectrum import MapSpectrum
from coldstart.model.so3 import frames_about, geodesic_distance_deg

SIDE = 32
RADIUS = 8
Z = np.array([[0.0, 0.0, 1.0]])


def blobs(centres):
    z, y, x = np.mgrid[-SIDE // 2 : SIDE // 2, -SIDE // 2 : SIDE // 2, -SIDE // 2 : SIDE // 2]
    points = np.stack([x, y, z], axis=-1)
    return sum(np.exp(-0.5 * np.sum((points - centre) ** 2, axis=-1) / 1.5**2) for centre in centres)


def around_z(centres, fold):
    """Positions (M * fold, 3) turned about z."""
    angle = 2 * np.pi * np.arange(fold) / fold
    turns = np.stack([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).transpose(2, 0, 1)
    flat = np.einsum("gij,cj->gci", turns, centres[:, :2])
    return np.concatenate([flat, np.broadcast_to(centres[:, 2:], (*flat.shape[:2], 1))], axis=2).reshape(-1, 3)


def test_a_fold_leaves_its_own_orders_alone(rng):
    volume = blobs(around_z(rng.uniform(-8, 8, (3, 3)), 5))
    power = axial_power(MapSpectrum(volume, RADIUS), Z, RADIUS, np.zeros(3))
    orders = power.orders[0]
    assert orders.sum() == pytest.approx(1.0)
    assert orders[::5].sum() > 0.99
    assert power.turned(5)[0] > 0.97
    assert power.turned(5, uneven=True)[0] > 0.97
    assert power.turned(4)[0] < 0.6


def test_turns_correlate_as_turned_maps_do(rng):
    """What the orders say of half a turn is what the turned map shows, shell by shell of equal weight."""
    volume = blobs(rng.uniform(-7, 7, (8, 3)))
    turned = place_map(volume, Placement(np.diag([-1.0, -1.0, 1.0]), np.zeros(3), False, 1.0))
    direct = fourier_shell_correlation(volume, turned)[RADIUS]
    orders = axial_power(MapSpectrum(volume, RADIUS), Z, RADIUS, np.zeros(3))
    below = axial_power(MapSpectrum(volume, RADIUS), Z, RADIUS - 1, np.zeros(3))
    shells = np.arange(1, RADIUS + 1) ** 2
    last = (orders.turned(2)[0] * shells.sum() - below.turned(2)[0] * shells[:-1].sum()) / shells[-1]
    assert last == pytest.approx(direct, abs=0.12)


def test_a_smooth_rod_has_no_fold():
    rod = blobs(np.stack([np.zeros(9), np.zeros(9), np.linspace(-8, 8, 9)], axis=1))
    noise = 1e-3 * np.random.default_rng(1).standard_normal(rod.shape)
    power = axial_power(MapSpectrum(rod + noise, RADIUS), Z, RADIUS, np.zeros(3))
    assert power.turned(6)[0] > 0.9
    assert power.turned(6, uneven=True)[0] < 0.3


def test_the_axis_of_a_moved_map_is_the_best_of_the_grid(rng):
    axis, centre = np.array([2.0, -1.0, 2.0]) / 3.0, np.array([1.5, -2.0, 1.0])
    (frame,) = frames_about(axis)
    volume = blobs(around_z(rng.uniform(-7, 7, (3, 3)), 3) @ frame + centre)
    power = axial_power(MapSpectrum(volume, RADIUS), axis_grid(6), RADIUS, centre)
    best = power.directions[power.turned(3).argmax()]
    assert np.rad2deg(np.arccos(min(abs(best @ axis), 1.0))) < 9.0


def test_frames_bring_axes_onto_z(rng):
    axes = rng.standard_normal((20, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    frames = frames_about(axes)
    np.testing.assert_allclose(np.einsum("aij,aj->ai", frames, axes), np.tile([0.0, 0.0, 1.0], (20, 1)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(frames), 1.0)
    assert geodesic_distance_deg(frames @ frames.transpose(0, 2, 1), np.eye(3)).max() < 1e-6
