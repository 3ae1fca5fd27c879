"""Slices of a map whose spectrum is known: the conventions and the accuracy of padding and trilinear interpolation."""

import numpy as np

from coldstart.engine import reference
from coldstart.engine.update import MapUpdater
from coldstart.model.fourier import HalfPlane
from coldstart.model.so3 import random_rotations
from coldstart.params import AbInitioParams

SIDE = 28
RADIUS = 11.0
CENTRE = np.array([3.5, -2.0, 4.0])  # x, y, z from the centre
SIGMA = 1.8


def gaussian_blob():
    axis = np.arange(SIDE) - SIDE // 2
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    distance2 = (x - CENTRE[0]) ** 2 + (y - CENTRE[1]) ** 2 + (z - CENTRE[2]) ** 2
    return np.exp(-0.5 * distance2 / SIGMA**2).astype(np.float32)


def projected_blob(plane, matrices):
    """Coefficients of its projections: a Gaussian at the first two coordinates of A c."""
    at = (matrices @ CENTRE)[:, :2]
    volume = (2 * np.pi * SIGMA**2) ** 1.5
    envelope = np.exp(-2 * (np.pi * SIGMA * plane.radii / SIDE) ** 2)
    return volume * envelope * np.exp(-2j * np.pi * at @ plane.frequencies.T / SIDE)


def test_slices_of_a_gaussian(kernels, rng):
    plane, matrices = HalfPlane(RADIUS), random_rotations(rng, 2 * kernels.tuning.score_columns)
    kx, ky = (plane.padded(k) for k in plane.frequencies.T)
    rows = np.zeros((len(matrices), 8), np.float32)
    rows[:, 0:3], rows[:, 4:7] = 2 * matrices[:, 0], 2 * matrices[:, 1]
    spectrum = MapUpdater(AbInitioParams(), SIDE).sliceable(gaussian_blob())
    given = spectrum, kx, ky, rows, len(plane), kernels.tuning.score_columns
    right, power = kernels.pack_slices(*given)
    parts = right.reshape(2, len(plane), 2, -1)
    found = (parts[:, :, 0] + 1j * parts[:, :, 1]).swapaxes(1, 2).reshape(len(matrices), -1)
    expected = projected_blob(plane, matrices)
    # What lies at a share u of the padded box from the centre comes with an image of (u / (1 - u))^2: here 1.2 %.
    assert np.linalg.norm(found - expected) < 0.015 * np.linalg.norm(expected)
    np.testing.assert_allclose(found, reference.slices(spectrum, kx, ky, rows, len(plane)), atol=1e-4)
    np.testing.assert_allclose(power.swapaxes(1, 2).reshape(found.shape), np.abs(found) ** 2, rtol=1e-4, atol=1e-6)
