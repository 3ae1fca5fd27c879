from dataclasses import replace

import numpy as np
import pytest

from coldstart.engine.monitor import CONVERGED_DRIFT, DRIFT_EVERY, HALVES_EVERY, Monitor, relative_change
from coldstart.engine.schedule import Progress
from coldstart.engine.update import MapState, resize_map
from coldstart.model.fourier import radius_grid, spectrum_of, volume_of

SIDE = 8


class Halves:
    """An updater whose halves agree as much as the radius says, and which counts how often it was asked."""

    def __init__(self):
        self.asked = 0

    def half_correlation(self, state, radius):
        self.asked += 1
        return np.full(SIDE // 2, radius / 100)


def state(volume):
    return MapState(np.zeros(0), np.zeros(0), volume, 0)


def volumes(rng, changes):
    """Maps, each by `change` of its own norm away from the one before."""
    volume = rng.standard_normal((SIDE,) * 3)
    yield volume
    for change in changes:
        step = rng.standard_normal(volume.shape)
        step -= volume * np.vdot(step, volume) / np.vdot(volume, volume)
        step *= np.linalg.norm(volume) / np.linalg.norm(step)
        volume = volume * np.sqrt(1 - change**2) + change * step
        yield volume


def watched(rng, change, iterations, phase="final", phase_start=0):
    """The monitor after some iterations, the map of which changes as much every DRIFT_EVERY of them."""
    maps = list(volumes(rng, [change] * (iterations // DRIFT_EVERY)))
    monitor, updater = Monitor.of(maps[0]), Halves()
    for iteration in range(iterations):
        now = Progress(iteration, phase, phase_start, 7.0)
        monitor = monitor.after(now, state(maps[(iteration + 1) // DRIFT_EVERY]), updater)
    return monitor, updater


def test_relative_change_is_a_share_of_the_new_map(rng):
    volume = rng.standard_normal((SIDE,) * 3)
    assert relative_change(volume, volume) == 0
    assert relative_change(2 * volume, volume) == pytest.approx(0.5)
    assert relative_change(volume, -volume) == pytest.approx(2.0)
    assert np.isfinite(relative_change(np.zeros((SIDE,) * 3), volume))


def test_relative_change_does_not_see_a_finer_grid(rng):
    """As when the resolution has outgrown the grid: the same map, sampled more finely, has not changed."""
    smooth = volume_of(spectrum_of(rng.standard_normal((SIDE,) * 3)) * (radius_grid(SIDE) < 3.5))
    fine = resize_map(smooth, 2 * SIDE)
    assert relative_change(fine, smooth) == pytest.approx(0.0, abs=1e-5)
    assert relative_change(2 * fine, smooth) == pytest.approx(0.5, abs=1e-5)


def test_before_the_first_iteration_nothing_is_known(rng):
    monitor = Monitor.of(rng.standard_normal((SIDE,) * 3))
    assert not monitor.half_correlation.any()
    assert len(monitor.half_correlation) == SIDE // 2
    assert monitor.drift == 1.0


@pytest.mark.parametrize("change", [0.01, 0.3])
def test_drift_is_the_change_between_two_looks(rng, change):
    monitor, _ = watched(rng, change, 3 * DRIFT_EVERY)
    assert monitor.drift == pytest.approx(2 * np.sin(0.5 * np.arcsin(change)))


def test_drift_adds_up_small_steps(rng):
    """A map that moves on by a constant amount drifts by all the steps between two looks."""
    start, step = (rng.standard_normal((SIDE,) * 3) for _ in range(2))
    monitor = Monitor.of(start)
    for iteration in range(2 * DRIFT_EVERY):
        monitor = monitor.after(
            Progress(iteration, "final", 0, 7.0), state(start + 1e-3 * (iteration + 1) * step), Halves()
        )
    end = start + 2e-3 * DRIFT_EVERY * step
    assert monitor.drift == pytest.approx(1e-3 * DRIFT_EVERY * np.linalg.norm(step) / np.linalg.norm(end))


def test_halves_are_compared_now_and_then(rng):
    monitor, updater = watched(rng, 0.1, 4 * HALVES_EVERY)
    assert updater.asked == 4
    np.testing.assert_array_equal(monitor.half_correlation, 0.07)
    assert not watched(rng, 0.1, HALVES_EVERY - 1)[0].half_correlation.any()


@pytest.mark.parametrize("phase", ["initial", "marching", "final"])
def test_only_the_final_phase_converges(rng, phase):
    iterations = 3 * DRIFT_EVERY
    monitor, _ = watched(rng, 0.5 * CONVERGED_DRIFT, iterations, phase)
    assert monitor.has_converged(Progress(iterations, phase, 0, 7.0)) == (phase == "final")


@pytest.mark.parametrize(("change", "converged"), [(0.5 * CONVERGED_DRIFT, True), (1.5 * CONVERGED_DRIFT, False)])
def test_a_map_that_drifts_has_not_converged(rng, change, converged):
    monitor, _ = watched(rng, change, 3 * DRIFT_EVERY)
    assert monitor.has_converged(Progress(3 * DRIFT_EVERY, "final", 0, 7.0)) == converged


def test_a_look_that_began_before_the_final_phase_does_not_count(rng):
    monitor, _ = watched(rng, 0.0, 5 * DRIFT_EVERY, phase_start=3 * DRIFT_EVERY + 1)
    end = Progress(5 * DRIFT_EVERY, "final", 3 * DRIFT_EVERY + 1, 7.0)
    assert not monitor.has_converged(end)
    assert monitor.has_converged(replace(end, iteration=end.phase_start + 2 * DRIFT_EVERY))
