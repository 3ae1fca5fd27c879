from dataclasses import replace

import numpy as np
import pytest

from coldstart.engine.monitor import (
    CONVERGED_DRIFT,
    DRIFT_EVERY,
    HALVES_EVERY,
    HOLDS,
    Monitor,
    drift_every,
    map_holds,
    relative_change,
)
from coldstart.engine.plan import Plan
from coldstart.engine.schedule import Progress
from coldstart.engine.update import MapState, resize_maps
from coldstart.model.fourier import radius_grid, spectrum_of, volume_of

SIDE = 8
PLAN = Plan(3.0, 7.0, 10, 10, 100, 90, 300)


class Halves:
    """An updater whose halves agree as much as they are told to, and which counts how often it was asked."""

    def __init__(self, *agreement):
        self.asked = 0
        self.agreement = agreement

    def half_correlation(self, numerator, denominator, radius):
        self.asked += 1
        return np.array([np.full(SIDE // 2, agreement) for agreement in self.agreement])


def state(*volumes):
    nothing = np.zeros((len(volumes), 2, 1))
    return MapState(nothing, nothing, np.stack(volumes), np.zeros(len(volumes), np.int64))


def grown(volume, change, times):
    """A map and those after it, each of which is by `change` of itself more than the one before."""
    return [volume / (1 - change) ** n for n in range(times + 1)]


def watched(rng, changes, iterations, phase="final", phase_start=0, agreement=None):
    """The monitor after some iterations, the maps of which change as much every DRIFT_EVERY of them.

    `changes` is that of each class, or of the only one; the halves of all agree unless `agreement` says how much.
    """
    changes, looks = np.atleast_1d(changes), iterations // DRIFT_EVERY
    maps = list(zip(*(grown(rng.standard_normal((SIDE,) * 3), c, looks) for c in changes), strict=True))
    updater = Halves(*(np.ones(len(changes)) if agreement is None else agreement))
    monitor = Monitor.of(np.stack(maps[0]))
    for iteration in range(iterations):
        now = Progress(iteration, phase, phase_start, 7.0)
        monitor = monitor.after(now, state(*maps[(iteration + 1) // DRIFT_EVERY]), updater, PLAN)
    return monitor, updater


def test_relative_change_is_a_share_of_the_new_map(rng):
    volume = rng.standard_normal((SIDE,) * 3)
    assert relative_change(volume, volume) == 0
    assert relative_change(2 * volume, volume) == pytest.approx(0.5)
    assert relative_change(volume, -volume) == pytest.approx(2.0)
    assert np.isfinite(relative_change(np.zeros((SIDE,) * 3), volume))


def test_drift_does_not_see_a_finer_grid(rng):
    """As when the resolution has outgrown the grid: the same map, sampled more finely, has not changed."""
    smooth = [volume_of(spectrum_of(rng.standard_normal((SIDE,) * 3)) * (radius_grid(SIDE) < 3.5)) for _ in range(2)]
    fine = resize_maps(np.stack(smooth), 2 * SIDE)
    look = Progress(DRIFT_EVERY - 1, "final", 0, 7.0)
    monitor = Monitor.of(np.stack(smooth)).after(look, state(fine[0], 2 * fine[1]), Halves(1.0, 1.0), PLAN)
    np.testing.assert_allclose(monitor.drift, [0.0, 0.5], atol=1e-5)
    assert monitor.reference.shape == fine.shape


def test_before_the_first_iteration_nothing_is_known(rng):
    monitor = Monitor.of(rng.standard_normal((3, SIDE, SIDE, SIDE)))
    assert not monitor.half_correlation.any()
    assert monitor.half_correlation.shape == (3, SIDE // 2)
    np.testing.assert_array_equal(monitor.drift, 1.0)
    assert not monitor.has_converged(Progress(100, "final", 0, 7.0), PLAN)


def test_drift_is_the_change_of_each_map_between_two_looks(rng):
    changes = np.array([0.01, 0.3, 0.0])
    monitor, _ = watched(rng, changes, 3 * DRIFT_EVERY)
    np.testing.assert_allclose(monitor.drift, changes, atol=1e-6)


def test_drift_adds_up_small_steps(rng):
    """A map that moves on by a constant amount drifts by all the steps between two looks."""
    start = rng.standard_normal((SIDE,) * 3)
    monitor = Monitor.of(start[None])
    for iteration in range(2 * DRIFT_EVERY):
        now = Progress(iteration, "final", 0, 7.0)
        monitor = monitor.after(now, state((1 + 1e-3 * (iteration + 1)) * start), Halves(1.0), PLAN)
    assert monitor.drift[0] == pytest.approx(1e-3 * DRIFT_EVERY / (1 + 2e-3 * DRIFT_EVERY), rel=1e-4)


def test_what_does_not_hold_may_drift(rng):
    """Of two maps that change in their outer shells alone, the halves of one agree there."""
    start, end = (rng.standard_normal((SIDE,) * 3) for _ in range(2))
    inner = np.rint(radius_grid(SIDE)) < 2.5
    end = volume_of(np.where(inner, spectrum_of(start), spectrum_of(end)))

    class Agreeing(Halves):
        def half_correlation(self, numerator, denominator, radius):
            return np.array([[1.0, 1.0, HOLDS, HOLDS], [1.0, 1.0, HOLDS, HOLDS - 0.01]])

    look = Progress(DRIFT_EVERY - 1, "final", 0, 7.0)
    monitor = Monitor.of(np.stack([start, start])).after(look, state(end, end), Agreeing(), PLAN)
    assert monitor.drift[0] > 0.5
    assert monitor.drift[1] == pytest.approx(0.0, abs=1e-5)


def test_halves_are_compared_now_and_then(rng):
    monitor, updater = watched(rng, [0.1, 0.1], 4 * HALVES_EVERY, agreement=(0.07, 0.9))
    assert updater.asked == 4
    np.testing.assert_array_equal(monitor.half_correlation, np.transpose([(0.07, 0.9)] * (SIDE // 2)))
    assert not watched(rng, 0.1, HALVES_EVERY - 1)[0].half_correlation.any()


@pytest.mark.parametrize("phase", ["initial", "marching", "final"])
def test_only_the_final_phase_converges(rng, phase):
    iterations = 3 * DRIFT_EVERY
    monitor, _ = watched(rng, 0.5 * CONVERGED_DRIFT, iterations, phase)
    assert monitor.has_converged(Progress(iterations, phase, 0, 7.0), PLAN) == (phase == "final")


STILL, DRIFTING = 0.5 * CONVERGED_DRIFT, 2.5 * CONVERGED_DRIFT


@pytest.mark.parametrize(
    ("changes", "agreement", "converged"),
    [
        ([STILL], [0.9], True),
        ([DRIFTING], [0.9], False),
        ([STILL, STILL, STILL], [0.9, 0.8, 0.7], True),
        ([STILL, DRIFTING, STILL], [0.9, 0.8, 0.7], False),  # one map still drifts
        ([STILL, DRIFTING, STILL], [0.9, 0.3, 0.7], True),  # but it is noise, which drifts for ever
        ([DRIFTING, DRIFTING, STILL], [0.9, 0.3, 0.7], False),
        ([STILL, STILL], [0.2, 0.3], False),  # all is noise: nothing has converged
        ([STILL], [0.3], False),
    ],
)
def test_no_map_may_drift_but_those_that_are_noise(rng, changes, agreement, converged):
    monitor, _ = watched(rng, changes, 3 * DRIFT_EVERY, agreement=agreement)
    assert monitor.has_converged(Progress(3 * DRIFT_EVERY, "final", 0, 7.0), PLAN) is converged


def test_a_map_holds_whose_halves_agree_up_to_the_initial_resolution():
    """In the mean of its shells; the constant term and finer shells do not count."""
    shells = np.arange(10)
    curves = np.array(
        [
            np.where(shells <= 4, HOLDS + 0.01, 0.0),
            np.where(shells <= 3, HOLDS + 0.01, 0.0),
            np.where((shells == 0) | (shells > 4), 1.0, HOLDS - 0.01),
            np.where(shells % 2 == 0, 2 * HOLDS + 0.01, 0.0),
        ]
    )
    np.testing.assert_array_equal(map_holds(curves, 4.8), [True, False, False, True])
    np.testing.assert_array_equal(map_holds(curves, 0.4), [True, True, False, False])  # one shell at least


def test_a_look_that_began_before_the_final_phase_does_not_count(rng):
    monitor, _ = watched(rng, 0.0, 5 * DRIFT_EVERY, phase_start=3 * DRIFT_EVERY + 1)
    end = Progress(5 * DRIFT_EVERY, "final", 3 * DRIFT_EVERY + 1, 7.0)
    assert not monitor.has_converged(end, PLAN)
    assert monitor.has_converged(replace(end, iteration=end.phase_start + 2 * DRIFT_EVERY), PLAN)


@pytest.mark.parametrize(
    ("classes", "images", "iterations"), [(1, 90, 20), (1, 300, 20), (1, 1000, 6), (2, 1500, 8), (1, 10**6, 1)]
)
def test_as_many_images_are_between_two_looks_at_the_drift(classes, images, iterations):
    assert drift_every(replace(PLAN, final_minibatch=images, classes=classes)) == iterations
