from dataclasses import replace

import numpy as np
import pytest

from coldstart.engine import reference

GRID_SIDE, GRID_WIDTH = 20, 11
COARSE_SCALE, FINE_SCALE = 2.0**12, 2.0**40


@pytest.fixture
def entries(case, rng):
    """Each rotation's entries, 0 to 12 of them: start, image, shift, weight."""
    counts = rng.integers(0, 13, len(case.rows))
    counts[4] = 0
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    image, shift = (rng.integers(0, n, start[-1]).astype(np.int32) for n in (len(case.image), len(case.phase)))
    return start, image, shift, rng.random(start[-1]).astype(np.float32)


@pytest.fixture
def rows(case):
    """Rotation rows in points of the target grid, which is not padded."""
    return case.rows / np.float32(2)


@pytest.fixture
def slice_data(case, rng):
    return case.plane.padded(rng.standard_normal((11, 2, len(case.plane))))


@pytest.fixture
def slice_weight(case, rng):
    return case.plane.padded(rng.random((11, len(case.plane))))


def test_gather_slices(kernels, case, entries):
    given = *entries, case.image, case.weight, case.phase, case.count
    found, expected = kernels.gather_slices(*given), reference.gather_slices(*given)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(
            one[..., : case.count], other[..., : case.count], atol=5e-6
        )  # 24 products of order 1
    assert all(a.tobytes() == b.tobytes() for a, b in zip(found, kernels.gather_slices(*given), strict=True))


def test_insert_slices(kernels, case, rows, slice_data, slice_weight):
    given = case.kx, case.ky, rows, slice_data, slice_weight, case.count, GRID_SIDE, GRID_WIDTH
    expected = reference.insert_slices(*given)
    found = kernels.insert_slices(*given, FINE_SCALE) / FINE_SCALE
    # Shares come from coordinates that float32 holds to 1e-6, along three axes.
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_fixed_point_step(kernels, case, rows, slice_data, slice_weight):
    """Every addition loses less than one step, besides what float32 does to the shares."""
    given = case.kx, case.ky, rows, slice_data, slice_weight, case.count, GRID_SIDE, GRID_WIDTH
    kx, ky = case.kx[: case.count, None], case.ky[: case.count, None]
    index, _, _ = reference.trilinear(kx * rows[:, None, 0:3] + ky * rows[:, None, 4:7], GRID_SIDE, GRID_WIDTH)
    additions = np.bincount(index.ravel(), minlength=GRID_SIDE**2 * GRID_WIDTH).reshape(
        GRID_SIDE, GRID_SIDE, GRID_WIDTH, 1
    )
    lost = np.abs(kernels.insert_slices(*given, COARSE_SCALE) / COARSE_SCALE - reference.insert_slices(*given))
    assert (lost <= additions / COARSE_SCALE + 1e-5).all()
    assert lost.max() > 0.5 / COARSE_SCALE


def test_slices_may_come_in_any_order_and_any_number_of_copies(kernels, case, rng, rows, slice_data, slice_weight):
    def insert(order, copies):
        return kernels.insert_slices(
            case.kx, case.ky, rows[order], slice_data[order], slice_weight[order], case.count, GRID_SIDE, GRID_WIDTH,
            FINE_SCALE, copies,
        )  # fmt: skip

    expected = insert(np.arange(11), 1).tobytes()
    for copies in (1, 2, 3, 7, 16):
        assert insert(rng.permutation(11), copies).tobytes() == expected


def test_atomic_sums_and_own_copies_have_the_same_bytes(kernels, case, rows, slice_data, slice_weight):
    given = case.kx, case.ky, rows, slice_data, slice_weight, case.count, GRID_SIDE, GRID_WIDTH, FINE_SCALE
    other = type(kernels)(kernels.session, replace(kernels.tuning, atomic=not kernels.tuning.atomic))
    assert kernels.insert_slices(*given).tobytes() == other.insert_slices(*given).tobytes()


def test_slicing_and_insertion_are_adjoint(kernels, case, rows, slice_data, slice_weight):
    """<slices of V, Z> == <V, inserted Z> for the real and imaginary parts as they are stored."""
    volume = np.ascontiguousarray(case.volume[10:30, 10:30, :GRID_WIDTH])
    ones = np.zeros_like(slice_weight)
    right, _ = kernels.pack_slices(*packable(volume, case, rows, kernels.tuning.score_columns))
    y = unpacked(right)[: len(rows)]
    z = slice_data[:, 0, : case.count] + 1j * slice_data[:, 1, : case.count]
    sums = kernels.insert_slices(
        case.kx, case.ky, rows, slice_data, ones, case.count, GRID_SIDE, GRID_WIDTH, FINE_SCALE
    )
    inserted = (sums[..., 0] + 1j * sums[..., 1]) / FINE_SCALE
    assert np.vdot(y, z).real == pytest.approx(np.vdot(volume, inserted).real, rel=1e-5)
    assert not sums[..., 2].any()


def packable(volume, case, rows, tile):
    padded = rows[np.minimum(np.arange(-(-len(rows) // tile) * tile), len(rows) - 1)]
    return volume, case.kx, case.ky, padded, case.count, tile


def unpacked(right):
    blocks, twice_count, tile = right.shape
    parts = right.reshape(blocks, twice_count // 2, 2, tile)
    return (parts[:, :, 0] + 1j * parts[:, :, 1]).swapaxes(1, 2).reshape(-1, twice_count // 2)


def test_slice_residual(kernels, case, slice_data, slice_weight):
    shell_end = np.cumsum(case.plane.shell_sizes[:5]).astype(np.int32)
    given = case.volume, case.kx, case.ky, case.rows, slice_data, slice_weight, shell_end
    found = kernels.slice_residual(*given)
    # At most 16 coefficients a shell, each the product of numbers of order 1 with slices that are exact to 2e-5.
    np.testing.assert_allclose(found, reference.slice_residual(*given), atol=2e-4)
    assert np.array_equal(found, kernels.slice_residual(*given))


def test_residual_is_the_change_of_the_images_power(case):
    """With the images' own power it gives the posterior's mean of |X - C S Y|^2."""
    ctf, gamma = 0.6, np.array([0.3, 0.7])
    x = case.image[:1].astype(np.float64)
    phase = reference.phase_table(case.kx, case.ky, np.array([[0.05, -0.02], [0.0, 0.1]]))
    image, weight = ctf * x, np.full((1, case.plane.stride), ctf**2)
    start, none = np.array([0, 2]), np.zeros(2, int)
    z, u = reference.gather_slices(start, none, np.arange(2), gamma, image, weight, phase, case.count)
    ends = np.cumsum(case.plane.shell_sizes[:4])
    change = reference.slice_residual(case.volume, case.kx, case.ky, case.rows[:1], z, u, ends)[0]
    y = reference.slices(case.volume, case.kx, case.ky, case.rows[:1], ends[-1])[0]
    shift = (phase[:, 0] + 1j * phase[:, 1])[:, : ends[-1]]
    seen = (x[0, 0] + 1j * x[0, 1])[: ends[-1]]
    left = gamma @ np.abs(seen - ctf * shift * y) ** 2
    shells = np.repeat(np.arange(4), case.plane.shell_sizes[:4])
    np.testing.assert_allclose(change, np.bincount(shells, left - np.abs(seen) ** 2), atol=1e-9)
