"""The particles that a run learns from first."""

import numpy as np
import pytest

from coldstart.engine.clarity import FEWEST_CLEAR, clear_particles, mean_power
from coldstart.model.ctf import evaluate_ctf
from coldstart.model.particles import Ctf

BOX = 300.0


def defocused(defocus_angstrom, scale=1.0):
    """Particles at these defoci, with the optics of a 300 kV microscope."""
    defocus = np.asarray(defocus_angstrom, dtype=np.float64)
    fill = np.full(defocus.shape, 1.0)
    return Ctf(
        defocus, defocus, 0 * fill, 300 * fill, 2.7 * fill, 0.1 * fill, 0 * fill, 0 * fill, scale * fill, 0 * fill
    )


def test_mean_power_is_that_of_the_coefficients_inside_the_radius():
    ctf = defocused([5e3, 1.5e4, 3e4])
    k = np.arange(-8, 9)
    kx, ky = (axis.ravel() for axis in np.meshgrid(k, k))
    inside = (np.hypot(kx, ky) <= 8.5) & ((kx != 0) | (ky != 0))
    exact = np.mean(evaluate_ctf(ctf, kx[inside], ky[inside], BOX) ** 2, axis=1)
    assert mean_power(ctf, 8.9, BOX) == pytest.approx(exact, rel=0.05)


def test_particles_near_focus_wait():
    defocus = np.random.default_rng(0).uniform(5e3, 2e4, 8000)
    rows = clear_particles(defocused(defocus), 8000, 8.0, BOX, classes=1)
    assert len(rows) == 2400
    assert np.all(np.diff(rows) > 0)
    assert defocus[rows].min() >= np.sort(defocus)[-2400]


def test_only_the_particles_in_use_are_chosen_from():
    rows = clear_particles(defocused(np.linspace(5e3, 2e4, 9000)), 6000, 8.0, BOX, classes=1)
    assert rows.max() == 5999
    assert len(rows) == 1800


@pytest.mark.parametrize(("count", "classes"), [(FEWEST_CLEAR, 1), (2 * FEWEST_CLEAR, 2)])
def test_few_particles_are_all_drawn_from_the_start(count, classes):
    assert clear_particles(defocused(np.full(count, 1e4)), count, 8.0, BOX, classes) is None


def test_without_a_ctf_no_particle_is_clearer():
    assert clear_particles(None, 100_000, 8.0, BOX, classes=1) is None
