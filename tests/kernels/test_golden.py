"""Slices and fixed-point sums have the same bits on every OpenCL implementation.

Their inputs are whole numbers over powers of two, so that no library's sine or transform comes in. Multiply-adds are
fused here; the presets of some CPUs leave that to the compiler, and their last bits differ.
"""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from coldstart.engine.selftest.kernels import DeviceKernels, fixed_point
from coldstart.model.polar import PolarPlane

SIDE, WIDTH, PADDED, CLASSES, SLICES = 20, 11, 40, 2, 9
SLICES_SHA256 = "3a22b45ddad6d85dc060ba11479d16ce74cfd8f1c9eb201ae7079172d94eac1c"
SUMS_SHA256 = "23e8fd262ddf004cd46c1e4ca3468a547008d8ad3781a16d062405e0dd7ec320"


@pytest.fixture(params=[(1, True), (4, False), (8, False)], ids=["atomic", "vectors of 4", "vectors of 8"])
def fused(device_session, request):
    width, atomic = request.param
    tuning = replace(device_session.tuning, vector_width=width, chunk=16, muladd=0, atomic=atomic)
    return DeviceKernels(device_session, tuning)


@pytest.fixture
def plane():
    return PolarPlane(24, 7)


def eighths(rng, low, high, shape):
    """Multiples of 1/8, exact in float32."""
    return (rng.integers(8 * low, 8 * high, shape, endpoint=True) / 8).astype(np.float32)


def frequencies(plane, rng):
    """Points within the plane's radius, zero at pads."""
    k = np.zeros((2, plane.stride), np.float32)
    k[:, plane.points] = eighths(rng, -4, 4, (2, len(plane.points)))
    return k


def rotation_rows(rng, scale):
    """Rows of rotations from whole quaternions: divisions alone are rounded, and those are everywhere the same."""
    w, x, y, z = rng.integers(1, 9, (4, SLICES)) * rng.choice([-1, 1], (4, SLICES))
    norm = w * w + x * x + y * y + z * z
    first = np.stack([norm - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], axis=1)
    second = np.stack([2 * (x * y + w * z), norm - 2 * (x * x + z * z), 2 * (y * z - w * x)], axis=1)
    rows = np.zeros((SLICES, 8), np.float32)
    rows[:, 0:3], rows[:, 4:7] = scale * first / norm[:, None], scale * second / norm[:, None]
    rows[:, 3] = np.arange(SLICES) % CLASSES
    return rows


def sha256(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def test_slices(fused, plane):
    rng = np.random.default_rng(1)
    parts = eighths(rng, -16, 16, (CLASSES, PADDED, PADDED, PADDED // 2 + 1, 2))
    k, rows = frequencies(plane, rng), rotation_rows(rng, 2)
    nothing, circle = np.zeros(plane.rings, np.float32), int(plane.circle_start[-1])
    table, _, _ = fused.make_slices(parts.view(np.complex64)[..., 0], *k, rows, plane.ring_table, nothing, circle)
    assert sha256(table) == SLICES_SHA256


def test_fixed_point_sums(fused, plane):
    rng = np.random.default_rng(2)
    points = len(plane.points)
    gathered, weight = np.zeros((SLICES, 2, plane.stride)), np.zeros((SLICES, plane.stride))
    gathered[..., plane.points] = eighths(rng, -16, 16, (SLICES, 2, points))
    weight[:, plane.points] = eighths(rng, 0, 16, (SLICES, points))
    k, rows = frequencies(plane, rng), rotation_rows(rng, 1)
    slices = fixed_point(gathered, 2.0**20), fixed_point(weight, 2.0**20)
    sums = fused.insert_fixed(*k, rows, *slices, plane.stride, CLASSES, SIDE, WIDTH)
    assert sha256(sums) == SUMS_SHA256
