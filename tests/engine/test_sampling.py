import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldstart.engine.sampling import Sampler
from coldstart.model.so3 import geodesic_distance_deg

counts = st.integers(1, 40)


@given(seed=st.integers(0, 2**63 - 1), count=counts, epoch=st.integers(0, 20))
def test_every_epoch_is_a_permutation(seed, count, epoch):
    drawn = Sampler(seed, count).draw(epoch * count, count)
    assert drawn.dtype == np.int64
    np.testing.assert_array_equal(np.sort(drawn), np.arange(count))


def test_epochs_differ():
    sampler = Sampler(3, 100)
    epochs = sampler.draw(0, 500).reshape(5, 100)
    assert len(np.unique(epochs, axis=0)) == 5
    # Each particle would be at its place again in one epoch of a hundred.
    assert np.mean(epochs[0] == epochs[1:]) < 0.05


@given(count=counts, sizes=st.lists(st.integers(0, 60), max_size=8), first=st.integers(0, 100))
def test_draws_one_after_the_other_are_one_draw(count, sizes, first):
    sampler = Sampler(11, count)
    starts = first + np.cumsum([0, *sizes])
    parts = [sampler.draw(int(start), size) for start, size in zip(starts, sizes, strict=False)]
    np.testing.assert_array_equal(np.concatenate([*parts, []]), sampler.draw(first, sum(sizes)))


@given(count=counts, visits=st.integers(0, 120), clear_visits=st.integers(0, 120), some=st.booleans())
def test_seen_is_what_was_drawn(count, visits, clear_visits, some):
    sampler = Sampler(11, count, np.arange(0, count, 3) if some else None)
    drawn = np.concatenate([sampler.draw(0, visits), sampler.draw_clear(0, clear_visits)])
    np.testing.assert_array_equal(sampler.seen(visits, clear_visits), np.unique(drawn))


def test_early_draws_are_of_the_clear_particles_in_an_order_of_their_own():
    clear = np.array([2, 3, 5, 7, 11])
    sampler = Sampler(4, 12, clear)
    epochs = sampler.draw_clear(0, 500).reshape(100, 5)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.broadcast_to(clear, epochs.shape))
    assert not np.array_equal(Sampler(4, 12).draw_clear(0, 12), Sampler(4, 12).draw(0, 12))


def draws(sampler):
    """The first random numbers of each purpose and of some of its iterations, or classes."""
    for iteration in range(3):
        yield sampler.start(iteration).random(8)
        yield sampler.search(iteration).random(8)
        yield sampler.turn(iteration).ravel()[:8]


def test_each_purpose_and_iteration_has_numbers_of_its_own():
    numbers = np.array(list(draws(Sampler(5, 10))))
    assert len(np.unique(numbers.round(6), axis=0)) == len(numbers)
    repeated = np.array(list(draws(Sampler(5, 10))))
    np.testing.assert_array_equal(numbers, repeated)


def test_numbers_do_not_depend_on_what_was_asked_before():
    sampler = Sampler(5, 10)
    fresh = Sampler(5, 10).search(7).random(4)
    sampler.draw(0, 25)
    sampler.search(6).random(100)
    np.testing.assert_array_equal(sampler.search(7).random(4), fresh)


@pytest.mark.parametrize("other", [1, 2**32, 2**63 - 1])
def test_seeds_differ(other):
    for one, another in zip(draws(Sampler(0, 50)), draws(Sampler(other, 50)), strict=True):
        assert not np.array_equal(one, another)
    assert not np.array_equal(Sampler(0, 50).draw(0, 50), Sampler(other, 50).draw(0, 50))


def test_turns_are_rotations_all_over():
    turns = np.array([Sampler(1, 10).turn(iteration) for iteration in range(200)])
    np.testing.assert_allclose(turns @ np.swapaxes(turns, 1, 2), np.broadcast_to(np.eye(3), turns.shape), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(turns), 1)
    # The mean angle of an even distribution is 90 degrees and 2 / pi radians; 200 of them have a standard error of 2.6.
    assert geodesic_distance_deg(turns, np.broadcast_to(np.eye(3), turns.shape)).mean() == pytest.approx(126.5, abs=10)
