"""Views are evened out: who is drawn how often."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldstart.engine.balance import ViewBalance
from coldstart.engine.sampling import Sampler
from coldstart.model.directions import ViewDensity
from coldstart.model.so3 import matrix_to_euler, random_rotations
from coldstart.model.state import PoseTable
from coldstart.model.symmetry import point_group

C1 = point_group("C1")


def poses(matrices: np.ndarray, class_index: np.ndarray | None = None) -> PoseTable:
    count = len(matrices)
    ones, classes = np.ones(count), np.zeros(count, np.int64) if class_index is None else class_index
    return PoseTable(
        np.arange(count), matrix_to_euler(matrices), np.zeros((count, 2)), np.eye(int(classes.max()) + 1)[classes],
        ones, ones, ones, ones > 0,
    )  # fmt: skip


def biased(rng: np.random.Generator, count: int = 6000) -> np.ndarray:
    """Rotations of which two thirds look along z, either way, within 25 degrees."""
    matrices = random_rotations(rng, 12 * count)
    near = np.abs(matrices[:, 2, 2]) > np.cos(np.deg2rad(25.0))
    return np.concatenate([matrices[near][: 2 * count // 3], matrices[: count // 3]])


def test_chances_even_the_views_out(rng: np.random.Generator) -> None:
    matrices = biased(rng)
    balance = ViewBalance.of(len(matrices)).seen(poses(matrices))
    chances = balance.chances(C1)
    assert chances.max() == 1.0
    near = np.abs(balance.direction[:, 2]) > np.cos(np.deg2rad(15.0))
    before, after = near.mean(), chances[near].sum() / chances.sum()
    even = 1.0 - np.cos(np.deg2rad(15.0))
    assert before > 6 * even
    assert even < after < 2.0 * even / (1.0 - 2.0 / 3.0 * 0.9)
    rare = np.abs(balance.direction[:, 2]) < np.cos(np.deg2rad(45.0))
    assert chances[rare].min() > 0.5


def test_particles_without_a_pose_are_always_drawn() -> None:
    balance = ViewBalance.of(50)
    rows, visits, _ = balance.minibatch(Sampler(3, 50), 20, 45, C1)
    np.testing.assert_array_equal(rows, Sampler(3, 50).draw(20, 45))
    assert visits == 65


def test_classes_are_evened_out_by_themselves(rng: np.random.Generator) -> None:
    """One class sees along z, the other evenly: together they would look biased."""
    along, even = biased(rng, 3000), random_rotations(rng, 3000)
    class_index = np.repeat([0, 1], [3000, 3000])
    balance = ViewBalance.of(6000).seen(poses(np.concatenate([along, even]), class_index))
    chances = balance.chances(C1)
    assert chances[3000:].mean() > 0.85
    assert chances[:2000].mean() < 0.4 * chances[3000:].mean()


def test_symmetry_makes_views_equivalent(rng: np.random.Generator) -> None:
    """Under O, views along z alone are views along x and y as well."""
    matrices = biased(rng)
    balance = ViewBalance.of(len(matrices)).seen(poses(matrices))
    alone, mates = (balance.chances(point_group(name)) for name in ("C1", "O"))
    assert mates[:4000].mean() > 2.0 * alone[:4000].mean()


@given(count=st.integers(1, 30), sizes=st.lists(st.integers(1, 40), max_size=5), seed=st.integers(0, 99))
def test_some_are_drawn_as_often_as_they_should_be(count: int, sizes: list[int], seed: int) -> None:
    sampler, chance = Sampler(seed, count), np.random.default_rng(seed).uniform(0.2, 1.0, count)
    visits, drawn = 0, []
    for size in sizes:
        rows, visits = sampler.draw_some(visits, size, chance)
        assert rows.shape == (size,)
        drawn.append(rows)
    again, end = sampler.draw_some(0, max(sum(sizes), 1), chance)
    if sizes:  # minibatch by minibatch, or at once
        np.testing.assert_array_equal(np.concatenate(drawn), again)
        assert end == visits


def test_chances_are_kept(rng: np.random.Generator) -> None:
    chance = np.repeat([1.0, 0.25], 500)
    rows, visits = Sampler(1, 1000).draw_some(0, 50_000, chance)
    assert np.mean(rows < 500) == pytest.approx(0.8, abs=0.01)
    assert visits == pytest.approx(80_000, rel=0.02)


def test_few_views_are_taken_for_even_ones(rng: np.random.Generator) -> None:
    density = ViewDensity.of(np.array([[0.0, 0.0, 1.0]])).smoothed(1)
    assert density.at(np.array([[0.0, 0.0, -1.0]]))[0] < 1.5
    even = ViewDensity.of(random_rotations(rng, 20_000)[:, 2]).smoothed(20_000)
    np.testing.assert_allclose(even.density, 1.0, atol=0.35)


def test_passed_over_turns_are_no_images_seen() -> None:
    balance = replace(ViewBalance.of(3), passed_over=7)
    assert balance.seen(poses(np.eye(3)[None])).passed_over == 7
