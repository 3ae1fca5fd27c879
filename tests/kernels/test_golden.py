"""The kernels of a run have the same bits on every OpenCL implementation.

Their inputs are whole numbers over powers of two, so that no library's sine or transform comes in. What sums over the
points of a slice depends on the width of vectors, and on nothing else.
"""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from coldstart.engine.selftest.inputs import half_paired
from coldstart.engine.selftest.kernels import DeviceKernels, fixed_point
from coldstart.engine.slices import unpaired
from coldstart.model.polar import PolarPlane

SIDE, WIDTH, PADDED, CLASSES, SLICES = 20, 11, 40, 2, 9
SLICES_SHA256 = "3a22b45ddad6d85dc060ba11479d16ce74cfd8f1c9eb201ae7079172d94eac1c"
CELLS_SHA256 = {
    1: "ee5fd11a78130f1b338e606f2fe8db05fe7c9c54f1e1552fc06127bdd044db50",
    4: "48089dd9f1a964e1cfad60c8a7af0a2937a5f510a6d2300eff48dda51da7fcd2",
    8: "5174516da60418f8103b9272985dbe3bd727dac1c8c9a66111daa27c06b1f6ec",
}
GRID_SHA256 = "36e8b4e73fbac0c739dd6be7ad71f5eedf1b87985f057b1fe33eaae89ae87fb9"
POSTERIOR_SHA256 = "418e61ab0f81fcf429d697ea05b74aa3b66ac167b82f16f544610cd2d60c2925"
WEIGHTS_SHA256 = "576430c42f484e31ad01302c2bf5174096ad09129cf43861ebc3dd78b96250e0"
SUMS_SHA256 = "23e8fd262ddf004cd46c1e4ca3468a547008d8ad3781a16d062405e0dd7ec320"


@pytest.fixture(params=["atomic", "vectors of 4", "vectors of 8", "contracted"])
def fused(device_session, request):
    """Kernels with fused multiply-adds; "contracted" are those that PoCL's compiler fuses."""
    if request.param == "contracted" and not device_session.info.is_pocl:
        pytest.skip("multiply-adds are left to no other compiler")
    width = {"atomic": 1, "vectors of 4": 4}.get(request.param, 8)
    contracted, atomic = int(request.param == "contracted"), request.param == "atomic"
    tuning = replace(device_session.tuning, vector_width=width, chunk=16, muladd=contracted, atomic=atomic)
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
    """Of the values: the sign of a zero, which some compilers drop, changes no result."""
    array = array + array.dtype.type(0)
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def on_points(plane, values):
    """Values at the plane's points, zero at pads."""
    rows = np.zeros((*values.shape[:-1], plane.stride), np.float32)
    rows[..., plane.points] = values
    return rows


def scored_images(plane, rng):
    """Slices, and images with weights and phases, whose energies differ by some nats. Sums of thirds are rounded."""
    points = len(plane.points)
    table = eighths(rng, -3, 3, (8, 2, int(plane.circle_start[-1]))) / np.float32(3)
    image, phase = (on_points(plane, eighths(rng, -3, 3, (n, 2, points)) / np.float32(3)) for n in (3, 5))
    return table, image, on_points(plane, eighths(rng, 0, 1, (3, points))), phase


def test_weights_and_phases(fused, plane):
    rng = np.random.default_rng(3)
    k, points = frequencies(plane, rng), len(plane.points)
    spectrum, inverse_noise = (on_points(plane, eighths(rng, -4, 4, (*n, points))) for n in ((4, 2), ()))
    optics = eighths(rng, -2, 2, (4, 8))
    optics[:, 5] /= 64
    optics[:, 7] = [0, 1, 1, 2]
    shifts = eighths(rng, -1, 1, (6, 2)) / 4
    damping = eighths(rng, 0, 1, plane.stride)
    made = *fused.weigh_images(*k, spectrum, optics, inverse_noise), fused.phase_table(*k, shifts, damping)
    assert sha256(np.concatenate([array.ravel() for array in made])) == WEIGHTS_SHA256


def test_scores_of_the_grid(fused, plane):
    table, *images = scored_images(plane, np.random.default_rng(4))
    places = half_paired(len(table))
    log_sum, best, shift = fused.score_grid(table, places, plane.ring_table, *images, plane.in_plane)
    assert sha256(np.concatenate([log_sum, best, shift.astype(np.float32)])) == GRID_SHA256


def test_scores_of_cells(fused, plane):
    rng = np.random.default_rng(5)
    table, *images = scored_images(plane, rng)
    pair_image, pair_rotation = np.arange(12) % 3, rng.integers(0, 8 * plane.in_plane, 12)
    pair_start = 2 * np.arange(13)
    lists = (np.asarray(a, np.int32) for a in (pair_image, pair_rotation, pair_start, rng.integers(0, 5, 24)))
    given = table, *images, plane.ring_table, *lists, np.zeros(24, np.float32)
    assert sha256(fused.score_cells(*given, 0, plane.rings, plane.in_plane)) == CELLS_SHA256[fused.tuning.vector_width]


def test_posteriors(fused):
    rng = np.random.default_rng(6)
    start = np.arange(0, 901, 90, dtype=np.int32)
    value = eighths(rng, -40, 0, 900) + np.float32(1 / 64)
    boost, window = eighths(rng, 0, 2, 900), eighths(rng, 0, 90, 10)
    offset = np.where(np.arange(10) % 2, 0.5, -1.0).astype(np.float32)
    limits = np.array([900, 3], np.int32).repeat(5)
    statistics = fused.survey_rows(start, offset, window, value, boost, 1, 0.01, limits)
    assert sha256(statistics) == POSTERIOR_SHA256


def test_slices(fused, plane):
    rng = np.random.default_rng(1)
    parts = eighths(rng, -16, 16, (CLASSES, PADDED, PADDED, PADDED // 2 + 1, 2))
    k, rows = frequencies(plane, rng), rotation_rows(rng, 2)
    given = unpaired(SLICES), plane.ring_table, np.zeros(plane.rings, np.float32), int(plane.circle_start[-1])
    table, _, _ = fused.make_slices(parts.view(np.complex64)[..., 0], *k, rows, *given)
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
