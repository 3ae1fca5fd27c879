"""Which of several starts go on, and what is said of them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from coldstart.model.starts import JUDGED_ITERATIONS, Evidence, not_behind, not_given_up, verdict
from coldstart.model.state import IterationStats, Phase

ROW = IterationStats(
    iteration=1, iterations=100, phase="initial", resolution_angstrom=35.0, fourier_radius=10.0, minibatch=90,
    learning_rate=0.3, noise_scale=1.0, ess_rotations=1.0, ess_poses=1.0, ess_fraction=0.1, angular_step_deg=7.0,
    log_likelihood=0.0, map_change=0.1, image_visits=90, sampled_fraction=0.0, seconds=0.1,
)  # fmt: skip
WAITING_RADIUS = 14.0


def rows(
    values: Sequence[float], phase: Phase, radius: float, *, waiting: bool = False, spread: float = 0.1
) -> list[IterationStats]:
    """A stretch of a log whose evidence swings about these values."""
    return [
        replace(ROW, phase=phase, fourier_radius=radius, log_likelihood=v + spread * (-1) ** at, waiting=waiting)
        for at, v in enumerate(values)
    ]


def waited(end: float) -> list[IterationStats]:
    """A start that is left where it waits, with this evidence."""
    return rows(40 * [8.0], "initial", 10.0) + rows(
        [*(20 * [8.0]), *(20 * [end])], "marching", WAITING_RADIUS, waiting=True
    )


def recognised(at_waiting: float, final: float) -> list[IterationStats]:
    """A start that marched on with the one evidence, and reached the other."""
    march = rows(np.linspace(at_waiting, final, 30).tolist(), "marching", 20.0)
    return waited(at_waiting) + march + rows(30 * [final], "final", 30.0)


def test_what_waited_in_vain_is_given_up_where_another_map_was_recognised():
    assert not_given_up({0: waited(9.0), 1: recognised(11.0, 34.0), 2: recognised(10.5, 33.0), 5: waited(8.0)}) == [
        1,
        2,
    ]


def test_a_map_that_was_good_from_the_outset_is_not_given_up():
    """Its evidence never rose, and at that resolution nobody has more; with finer detail all have."""
    assert not_given_up({0: waited(11.0), 1: recognised(11.0, 34.0)}) == [0, 1]


def test_where_all_waited_in_vain_all_go_on():
    assert not_given_up({0: waited(9.0), 1: waited(12.0)}) == [0, 1]
    assert not_given_up({}) == []


def test_a_start_that_never_waited_is_compared_where_the_others_wait():
    straight = rows(40 * [30.0], "initial", 10.0) + rows(30 * [90.0], "final", 30.0)
    assert not_given_up({0: straight, 1: waited(29.9)}) == [0, 1]
    assert not_given_up({0: straight, 1: waited(20.0)}) == [0]


@pytest.mark.parametrize(("worse", "left"), [(33.9, False), (31.0, False), (28.0, True)])
def test_a_start_is_behind_by_more_than_chance_and_a_seventh(worse, left):
    assert not_behind({0: recognised(11.0, 34.0), 3: recognised(11.0, worse)}) == [0, *([] if left else [3])]


def test_behind_by_chance_is_not_behind():
    noisy = rows(JUDGED_ITERATIONS * [30.0], "final", 30.0, spread=8.0)
    assert not_behind({0: recognised(11.0, 34.0), 1: noisy}) == [0, 1]
    assert not_behind({}) == []


def test_the_verdict_names_those_that_were_left():
    best, wrong = Evidence(34.0, 0.1), Evidence(12.5, 0.1)
    text = verdict({0: best, 1: None, 2: best, 3: wrong}, 0, 2, 15.7)
    assert text == (
        "2 of 4 starts agree to 16 Å. Their map explains an image better than the others' by 21.5 nats or more. "
        "1 waited for the map in vain and was left."
    )
    close = Evidence(32.0, 0.1)
    left = verdict({0: best, 1: best, 2: close, 3: close, 4: wrong}, 0, 2, 15.7, {2, 3})
    assert left == (
        "2 of 5 starts agree to 16 Å. 2 more were left on the way to the same map. "
        "Their map explains an image better than the others' by 21.5 nats or more."
    )
    single = verdict({0: best, 1: close, 2: None}, 0, 1, None, {1})
    assert single.startswith(
        "Start 1 of 3 alone was run to its end with this map. 1 more was left on the way to the same"
    )
    assert single.endswith("to see how far they agree. 1 waited for the map in vain and was left.")
    alone = verdict({1: None, 2: best, 3: None}, 2, 1, None)
    assert "start 3: do not trust its map alone. 2 waited for the map in vain and were left." in alone
    assert verdict({0: best, 1: best}, 1, 2, 12.0) == "Both starts agree to 12 Å."
    assert verdict({0: best, 1: best, 2: best}, 1, 3, 12.0) == "All 3 starts agree to 12 Å."
