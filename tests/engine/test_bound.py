import healpix
import numpy as np
import pytest
from scipy.stats import binom, norm

from coldstart.demo.simulate import random_ctf
from coldstart.engine import reference
from coldstart.engine.grid_score import GridScorer
from coldstart.engine.stage import Stage
from coldstart.model.pose_grid import ShiftGrid, rotation_grid
from coldstart.model.so3 import matrix_to_euler, random_rotations

RINGS = 12
SHIFTS = ShiftGrid(0.06, 1 / 24)
CHANCE = 1e-6
"""With which a count of a test of rates may be out of its limit."""


def weights_of(session, table, view, first, last, image, rotation, shift):
    """-E of poses on rings first to last - 1, one pose an entry, from what is on the device."""
    held = (session.download(a) for a in (table.slice, view.image, view.weight, view.phase))
    nothing, one_each = np.zeros(len(image)), np.arange(len(image) + 1)
    rings, in_plane = view.table.plane.ring_table[: table.rings], view.table.plane.in_plane
    return reference.score_cells(*held, rings, image, rotation, one_each, shift, nothing, first, last, in_plane)


@pytest.fixture
def on_grid(rng, session, simulated, search_parts):
    """(images, CTF, signal to noise) -> parts of a search of images at poses of level 1, their view and slices on that
    level, and their rotations and shifts."""

    def make(images, ctf, snr):
        grid, level = rotation_grid(1), 1
        rotation = rng.integers(0, len(grid), images).astype(np.int32)
        shift = rng.integers(0, len(SHIFTS.points(level)), images)
        matrices, shift_px = grid.matrices(rotation, np.eye(3)), SHIFTS.points(level)[shift] * 32
        parts = search_parts(simulated(matrices, shift_px, ctf, snr), level, RINGS)
        batch = parts.loader.load(np.arange(images), np.ones(RINGS))
        parts.search.bound.weigh(batch)
        stages = tuple(Stage(each, float(RINGS), 1e-3, 100) for each in range(level + 1))
        slices = parts.search.prepare(parts.map, np.eye(3), stages)
        view = parts.loader.view(batch, level, SHIFTS, of_cells=False)
        return parts, view, slices.tables[level], rotation, shift

    return make


@pytest.mark.parametrize("inner", [0.0, 6.0, 10.0])
def test_no_pose_is_below_the_deterministic_bound(rng, session, some_ctf, on_grid, inner):
    images = 20
    parts, view, table, rotation, shift = on_grid(images, some_ctf(images), snr=2.0)
    _, certain = parts.search.bound.tails(table, inner, RINGS, 4.0, parts.preparer.window_power, model_free=False)
    image = np.repeat(np.arange(images), 500)
    others = rng.integers(0, len(rotation_grid(1)), len(image)).astype(np.int32)
    others[::500] = rotation
    moved = rng.integers(0, view.phase.shape[0], len(image))
    moved[::500] = shift
    exact = -weights_of(session, table, view, int(inner), RINGS, image, others, moved)
    bound = certain[image, others // rotation_grid(1).in_plane]
    assert (bound <= exact + 1e-5 * np.abs(bound) + 1e-3).all()
    assert certain.min() < 0


@pytest.mark.parametrize("sigmas", [1.0, 2.0])
def test_the_true_tail_is_seldom_below_the_probabilistic_bound(session, rng, on_grid, sigmas):
    """Images and window as in a run, whose noise is that of pixels."""
    images, inner = 400, 5.0
    parts, view, table, rotation, shift = on_grid(images, random_ctf(rng, images), snr=0.2)
    share = parts.preparer.window_power
    exact = -weights_of(session, table, view, int(inner), RINGS, np.arange(images), rotation, shift)
    own = np.arange(images), rotation // rotation_grid(1).in_plane
    of_the_map, free = (
        parts.search.bound.tails(table, inner, RINGS, sigmas, share, model_free=model_free)[0]
        for model_free in (False, True)
    )
    assert (free <= of_the_map).all()
    assert np.sum(exact < of_the_map[own]) <= binom.isf(CHANCE, images, norm.sf(sigmas))


def test_a_bound_of_more_sigmas_is_looser_and_of_no_rings_is_nothing(rng, on_grid):
    parts, _, table, _, _ = on_grid(3, random_ctf(rng, 3), snr=1.0)
    tails = parts.search.bound.tails
    loose, tight = (tails(table, 4.0, RINGS, sigmas, 0.8, model_free=False) for sigmas in (4, 2))
    assert (loose[0] < tight[0]).all()
    np.testing.assert_array_equal(loose[1], tight[1])
    np.testing.assert_array_equal(tails(table, RINGS, RINGS, 4.0, 0.8, model_free=False), 0)


@pytest.fixture
def in_cells(rng, simulated, search_parts):
    """Images at random poses, a search of them down to level 2, and their cells of a level."""

    def make(images, snr):
        matrices = random_rotations(rng, images)
        coarse = SHIFTS.coarse[rng.integers(0, len(SHIFTS.coarse), images)]
        shift = coarse + rng.uniform(-0.5, 0.5, (images, 2)) * SHIFTS.step
        truth = simulated(matrices, shift * 32, random_ctf(rng, images), snr)

        def cells(level):
            grid, (rot, tilt, psi) = rotation_grid(level), np.deg2rad(matrix_to_euler(matrices)).T
            direction = healpix.ang2pix(grid.nside, tilt, rot, nest=True)
            in_plane = np.floor(np.mod(psi, 2 * np.pi) / (2 * np.pi) * grid.in_plane)
            away = np.abs(SHIFTS.points(level) - shift[:, None]).max(axis=2)
            return (direction * grid.in_plane + in_plane).astype(np.int32), away.argmin(axis=1)

        return search_parts(truth, 2, RINGS), cells

    return make


def test_cells_of_poses_are_those_of_the_grid(in_cells, rng):
    """The cells that the next test speaks of hold the poses."""
    _, cells = in_cells(50, 1.0)
    (coarse, coarse_shift), (fine, fine_shift) = cells(0), cells(1)
    assert (rotation_grid(0).children(coarse) == fine[:, None]).any(axis=1).all()
    assert (ShiftGrid.children(coarse_shift) == fine_shift[:, None]).any(axis=1).all()


@pytest.mark.parametrize(("level", "radius"), [(0, 8.0), (1, 12.0)])
def test_the_true_cell_is_seldom_behind_the_best_one_by_more_than_the_window(session, in_cells, level, radius):
    """The best of all cells, which noise favours over any one that is chosen before."""
    images = 300
    parts, cells = in_cells(images, 0.1)
    search = parts.search
    slices = search.prepare(parts.map, np.eye(3), tuple(Stage(each, radius, 1e-3, 100) for each in range(3)))
    batch = parts.loader.load(np.arange(images), np.ones(RINGS))
    search.bound.weigh(batch)
    view, table = parts.loader.view(batch, level, SHIFTS, of_cells=True), slices.tables[level]
    true = weights_of(session, table, view, 0, int(radius), np.arange(images), *cells(level))
    scores = GridScorer(session, level, track_best=True).score(images, view, table, radius)
    behind = session.download(scores.best_weight).max(axis=1) - true
    assert behind.min() > -1e-2
    assert behind.mean() > 1
    windows = [session.download(search.bound.window(view, table, sigmas)) for sigmas in (1.0, 2.0, 4.0)]
    assert (np.diff(windows, axis=0) > 0).all()
    for sigmas, window in zip((1.0, 2.0, 4.0), windows, strict=True):
        assert np.sum(behind > window) <= binom.isf(CHANCE, images, norm.sf(sigmas))


def test_windows_without_cells_or_without_sigmas(session, rng, on_grid):
    """A pose stands for itself alone: only the noise can put it behind."""
    parts, view, table, _, _ = on_grid(3, random_ctf(rng, 3), snr=1.0)
    window = parts.search.bound.window
    np.testing.assert_array_equal(session.download(window(view, table, 0.0)), 0)
    np.testing.assert_allclose(session.download(window(view, table, 3)), 4.5, rtol=1e-5)  # exact slices, no cells


def test_cells_of_half_the_width_hide_a_quarter(session, rng, search_parts, simulated):
    """Beyond the tables the window follows from the last one: the root of what is hidden is halved at each level."""
    truth = simulated(random_rotations(rng, 4), np.zeros((4, 2)), random_ctf(rng, 4), snr=1.0)
    parts = search_parts(truth, 1, RINGS)
    parts.search.bound.weigh(parts.loader.load(np.arange(4), np.ones(RINGS)))
    stages = tuple(Stage(level, float(RINGS), 1e-3, 100) for level in range(2))
    slices = parts.search.prepare(parts.map, np.eye(3), stages)
    view = parts.loader.view(parts.loader.load(np.arange(4), np.ones(RINGS)), 0, SHIFTS, of_cells=False)
    reach = [
        np.sqrt(session.download(parts.search.bound.window(view, slices.tables[0], 4.0, below))) - np.sqrt(8.0)
        for below in range(3)
    ]
    assert (reach[0] > 1.0).all()
    np.testing.assert_allclose(reach[1], reach[0] / 2, rtol=1e-4)
    np.testing.assert_allclose(reach[2], reach[0] / 4, rtol=1e-4)
