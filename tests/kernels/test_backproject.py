from dataclasses import replace

import numpy as np
import pytest

from coldstart.engine import reference
from coldstart.engine.selftest.inputs import GRID_WIDTH, USED_RINGS, gathered_slices, slice_entries
from coldstart.engine.selftest.inputs import insertable as insertable_slices
from coldstart.engine.selftest.kernels import IMAGE_SCALE, SHARES, WEIGHT_SCALE, fixed_point
from coldstart.engine.slices import unpaired

IN_PLANE = 24
CLASSES = 3


@pytest.fixture
def entries(case, rng):
    return slice_entries(case, rng)


@pytest.fixture
def gathered(case, rng):
    return fixed_point(gathered_slices(case, rng)[0], IMAGE_SCALE)


@pytest.fixture
def gathered_weight(case, rng):
    return fixed_point(gathered_slices(case, rng)[1], WEIGHT_SCALE)


@pytest.fixture
def insertable(case, gathered, gathered_weight):
    return insertable_slices(case, gathered, gathered_weight)


def gatherable(case, entries):
    return *entries, case.image, case.weight, case.phase, case.rings, IN_PLANE // 2


def test_gathered_slices_have_the_same_bytes_again_and_zeros_at_pads(kernels, case, entries):
    given = *gatherable(case, entries), IMAGE_SCALE, WEIGHT_SCALE
    found, again = kernels.gather_fixed(*given), kernels.gather_fixed(*given)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(found, again, strict=True))
    assert not any(values[..., case.pads].any() for values in found)


def test_every_addend_is_rounded_by_itself(kernels, case, entries):
    """Sums over some of the entries and over the others add up to those over all, to the last bit."""
    start, *columns = entries
    odd = np.arange(start[-1]) % 2 == 1

    def gather(mine, scales):
        starts = np.concatenate([[0], np.cumsum(mine)])[start].astype(np.int32)
        some = starts, *(column[mine] for column in columns)
        return kernels.gather_fixed(*gatherable(case, some), *scales)

    for scales in ((IMAGE_SCALE, WEIGHT_SCALE), (2.0**3, 2.0**2)):
        whole, *parts = (gather(mine, scales) for mine in (odd | ~odd, odd, ~odd))
        for total, one, other in zip(whole, *parts, strict=True):
            assert np.array_equal(total, one + other)
    expected = reference.gather_slices(*gatherable(case, entries))
    for found, exact, scale in zip(whole, expected, scales, strict=True):
        off = np.abs(found / scale - exact).max()
        assert 0.5 / scale < off <= 0.5 * np.diff(start).max() / scale + 1e-5


def test_pads_and_rings_beyond_those_used_are_not_gathered(kernels, case, entries):
    used = case.plane.count(USED_RINGS)
    other = np.union1d(case.pads, np.arange(used, case.plane.stride))
    poisoned = (case.poisoned(values, other) for values in (case.image, case.weight, case.phase))
    few = case.rings[:USED_RINGS], IN_PLANE // 2
    scales = IMAGE_SCALE, WEIGHT_SCALE
    clean = kernels.gather_fixed(*gatherable(case, entries), *scales)
    for one, another in zip(clean, kernels.gather_fixed(*entries, *poisoned, *few, *scales), strict=True):
        assert np.array_equal(one[..., :used], another[..., :used])
        assert (another[..., used:] == -1).all()  # as the test left them


def test_the_residual_of_gathered_slices_is_the_posteriors_mean_energy(kernels, case, entries):
    """Turning images back and comparing them with one slice is turning the slice and comparing it with each image."""
    start, image, shift, angle, gamma = entries
    direction = np.arange(len(start) - 1, dtype=np.int32)
    gathered = kernels.gather_slices(*gatherable(case, entries))
    explained = kernels.slice_residual(case.table, case.rings, direction, *gathered)
    found = (explained @ [1.0, -2.0]).sum(axis=1)
    slot = np.repeat(direction, np.diff(start))
    weights = kernels.score_cells(
        case.table, case.image, case.weight, case.phase, case.rings, image, slot * IN_PLANE + angle,
        np.arange(len(image) + 1, dtype=np.int32), shift, np.zeros(len(image), np.float32), 0, len(case.rings),
        IN_PLANE,
    )  # fmt: skip
    # Up to 12 energies, each of which is twice the sum of 96 products of order 1.
    np.testing.assert_allclose(found, -np.bincount(slot, gamma * weights, len(direction)), atol=1e-4)


def test_every_class_is_inserted_into(kernels, insertable):
    assert kernels.insert_fixed(*insertable).any(axis=(1, 2, 3, 4)).all()


def test_slices_are_inserted_into_the_map_of_their_class(kernels, insertable):
    """As each class alone into a map of its own."""
    kx, ky, rows, gathered, weight, count, _, *grid = insertable
    whole = kernels.insert_fixed(*insertable)
    for number in range(CLASSES):
        mine, alone = rows[:, 3] == number, rows.copy()
        alone[:, 3] = 0
        slices = (np.ascontiguousarray(values[mine]) for values in (alone, gathered, weight))
        single = kernels.insert_fixed(kx, ky, *slices, count, 1, *grid)
        assert np.array_equal(single[0], whole[number])


def test_points_beyond_count_are_not_inserted(kernels, case, insertable):
    kx, ky, rows, gathered, weight, count, *grid = insertable
    beyond = slice(count, None)
    poisoned = (case.poisoned(values, beyond) for values in (kx, ky))
    others = (case.poisoned(values, beyond) for values in (gathered, weight))
    found = kernels.insert_fixed(*poisoned, rows, *others, count, *grid)
    assert np.array_equal(found, kernels.insert_fixed(*insertable))


def test_the_sums_of_two_parts_are_those_of_the_whole(kernels, rng, insertable):
    """Of gathered values that are split in any way: to the last bit."""
    kx, ky, rows, gathered, weight, *grid = insertable
    some, part = (rng.integers(-(2**20), 2**20, values.shape).astype(np.int32) for values in (gathered, weight))
    pads = weight == 0
    some[np.repeat(pads[:, None], 2, axis=1)], part[pads] = 0, 0
    part[rng.random(part.shape) < 0.2] = 0  # weights that round to nothing, of points that do not
    one = kernels.insert_fixed(kx, ky, rows, some, part, *grid)
    other = kernels.insert_fixed(kx, ky, rows, gathered - some, weight - part, *grid)
    assert np.array_equal(one + other, kernels.insert_fixed(*insertable))


def test_slices_may_come_in_any_order_and_any_number_of_copies(kernels, rng, insertable):
    kx, ky, rows, gathered, weight, *tail = insertable

    def insert(order, copies):
        return kernels.insert_fixed(kx, ky, rows[order], gathered[order], weight[order], *tail, copies)

    expected = insert(np.arange(11), 1).tobytes()
    for copies in (1, 2, 3, 7, 16):
        assert insert(rng.permutation(11), copies).tobytes() == expected


def test_atomic_sums_and_own_copies_have_the_same_bytes(kernels, insertable):
    other = type(kernels)(kernels.session, replace(kernels.tuning, atomic=not kernels.tuning.atomic))
    assert kernels.insert_fixed(*insertable).tobytes() == other.insert_fixed(*insertable).tobytes()


def test_slicing_and_insertion_are_adjoint(kernels, case, insertable):
    """<slices of V, Z> == <V, inserted Z> for the real and imaginary parts as they are stored."""
    kx, ky, rows, gathered, _, count, *_ = insertable
    volumes = np.ascontiguousarray(case.volumes[:, 10:30, 10:30, :GRID_WIDTH])
    rings, circle = case.rings[:USED_RINGS], int(case.plane.circle_start[USED_RINGS])
    given = unpaired(11), rings, np.zeros(USED_RINGS, np.float32), circle
    table, _, _ = kernels.make_slices(volumes, kx, ky, rows, *given)
    y = reference.turned_slices(table, rings, np.arange(11), np.zeros(11, int), IN_PLANE)
    z = gathered[:, 0, :count] + 1j * gathered[:, 1, :count]
    sums = kernels.insert_fixed(*insertable)
    inserted = (sums[..., 0] + 1j * sums[..., 1]) / SHARES
    assert np.vdot(y, z).real == pytest.approx(np.vdot(volumes, inserted).real, rel=1e-5)


def test_all_weight_is_inserted(kernels, insertable):
    _, _, _, _, weight, count, *_ = insertable
    sums = kernels.insert_fixed(*insertable)[..., 2] / SHARES
    assert sums.sum() == pytest.approx(weight[:, :count].sum(dtype=np.float64), rel=1e-6)
    assert (sums >= 0).all()


def test_residual_of_the_first_rings(kernels, case, rng):
    direction = rng.integers(0, len(case.table), 11).astype(np.int32)
    given = case.table, case.rings[:USED_RINGS], direction, *gathered_slices(case, rng)
    # Up to 24 products of order 1 with slices of steps of 2^-18.
    np.testing.assert_allclose(kernels.slice_residual(*given), reference.slice_residual(*given), atol=1e-4)


def test_the_residual_of_two_parts_is_that_of_the_whole(kernels, case, rng, gathered, gathered_weight):
    some, part = gathered // 3, gathered_weight // 5
    given = case.table, case.rings, rng.integers(0, len(case.table), 11).astype(np.int32)
    whole, one, other = (
        kernels.residual_fixed(*given, *sums)
        for sums in ((gathered, gathered_weight), (some, part), (gathered - some, gathered_weight - part))
    )
    assert np.array_equal(whole, one + other)


def test_residual_is_the_change_of_the_images_power(case):
    """With the images' own power it gives the posterior's mean of |X - C S Y|^2."""
    ctf, gamma = 0.6, np.array([0.3, 0.7])
    x = case.image[:1].astype(np.float64)
    undamped = np.ones(case.plane.stride)
    phase = reference.phase_table(case.kx, case.ky, np.array([[0.05, -0.02], [0.0, 0.1]]), undamped)
    start, none, angle = np.array([0, 2]), np.zeros(2, int), np.array([5, 17])
    gathered = reference.gather_slices(
        start, none, np.arange(2), angle, gamma, ctf * x, ctf**2 * undamped[None], phase, case.rings, IN_PLANE // 2
    )
    change = reference.slice_residual(case.table, case.rings, np.array([3]), *gathered)[0] @ [1.0, -2.0]
    y = reference.turned_slices(case.table, case.rings, np.array([3, 3]), angle, IN_PLANE)
    shift = phase[:, 0] + 1j * phase[:, 1]
    seen = x[0, 0] + 1j * x[0, 1]
    left = (gamma @ np.abs(seen - ctf * shift * y) ** 2 - np.abs(seen) ** 2)[case.plane.points]
    ring = case.plane.ring[case.plane.points]
    np.testing.assert_allclose(change, np.bincount(ring, left)[1:], atol=1e-9)
