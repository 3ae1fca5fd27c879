from dataclasses import replace

import numpy as np
import pytest

from coldstart.engine import images as images_module
from coldstart.engine import reference
from coldstart.engine.images import ImagePreparer, MinibatchLoader, optics_table
from coldstart.engine.rings import Rings
from coldstart.model.ctf import evaluate_ctf, take_rows
from coldstart.model.mask import radius_px, soft_window
from coldstart.model.polar import PolarPlane, polar_transform
from coldstart.model.pose_grid import ShiftGrid
from coldstart.params import AbInitioParams

BOX, PIXEL = 24, 4.5
RINGS = 8
PLANE = PolarPlane(48, RINGS)
POINTS = PLANE.points


@pytest.fixture
def stack(rng):
    """White noise of another mean and scale in each image, with a blob in the middle."""
    noise = rng.standard_normal((9, BOX, BOX))
    blob = 8.0 * np.exp(-0.5 * (radius_px(BOX, 2) / 3.0) ** 2)
    level, scale = rng.uniform(-50, 50, (9, 1, 1)), rng.uniform(0.1, 20, (9, 1, 1))
    return (level + scale * (noise + blob)).astype(np.float32)


@pytest.fixture
def prepare(stack, in_memory):
    def make(**changes):
        particles, source = in_memory(stack, PIXEL)
        return ImagePreparer(particles, source, AbInitioParams(**changes), PLANE)

    return make


def test_background_has_mean_0_and_variance_1_and_particles_are_bright(prepare):
    images = prepare().normalized(np.arange(9)).astype(np.float64)
    background = images[:, radius_px(BOX, 2) > 0.5 * BOX * 0.85]
    np.testing.assert_allclose(background.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(background.var(axis=1), 1, atol=1e-4)
    assert (images[:, BOX // 2 - 1 : BOX // 2 + 2, BOX // 2 - 1 : BOX // 2 + 2].mean(axis=(1, 2)) > 3).all()


def test_inverted_images_are_the_same_the_other_way_round(prepare):
    rows = np.arange(9)
    np.testing.assert_array_equal(prepare(invert=True).normalized(rows), -prepare().normalized(rows))


def test_a_constant_image_becomes_zero(in_memory):
    particles, source = in_memory(np.full((1, BOX, BOX), 7.0, np.float32), PIXEL)
    preparer = ImagePreparer(particles, source, AbInitioParams(), PLANE)
    assert not preparer.normalized(np.array([0])).any()


@pytest.mark.parametrize("windowed", [True, False])
def test_coefficients_are_those_of_the_windowed_image(prepare, windowed):
    preparer, rows = prepare(window_images=windowed), np.array([4, 1, 8])
    window = soft_window(BOX, 2, 0.85, 0.99) if windowed else np.ones((BOX, BOX), np.float32)
    expected = polar_transform(preparer.normalized(rows) * window, PLANE)
    np.testing.assert_allclose(preparer.coefficients(rows), expected, atol=1e-6)
    assert preparer.window_power == pytest.approx(np.mean(window.astype(float) ** 2))


@pytest.mark.parametrize("remembered", [0, 4, 9])
def test_images_are_read_again_only_where_memory_is_short(prepare, monkeypatch, remembered):
    monkeypatch.setattr(images_module, "CACHE_BYTES", 8 * PLANE.stride * remembered)
    preparer = prepare()
    first = preparer.coefficients(np.arange(9))
    again = preparer.coefficients(np.arange(9)[::-1])
    np.testing.assert_array_equal(again[::-1], first)
    assert preparer._source.reads == 9 + 9 - remembered


def test_the_same_particle_twice_in_a_batch(prepare):
    """As at the border of two epochs."""
    expected = prepare().coefficients(np.arange(9))
    preparer = prepare()
    for rows in ([3, 3, 5], [6, 0], [3, 5, 6, 0], np.arange(9), np.arange(9)):
        np.testing.assert_array_equal(preparer.coefficients(np.array(rows)), expected[rows])


@pytest.mark.parametrize("model", ["symmetric", "white"])
def test_noise_variance_is_that_of_the_background(rng, in_memory, model):
    particles, source = in_memory(rng.standard_normal((300, BOX, BOX)).astype(np.float32), PIXEL)
    preparer = ImagePreparer(particles, source, AbInitioParams(noise_model=model), PLANE)
    variance = preparer.noise_variance(np.arange(300))
    assert variance.shape == (8,)
    np.testing.assert_allclose(variance, 1.0, rtol=0.12)
    assert (np.ptp(variance) == 0) == (model == "white")


def test_optics_table_makes_the_models_ctf(rng, some_ctf):
    ctf, rows, box_angstrom = some_ctf(6), np.array([5, 0, 3]), 240.0
    kx, ky = PLANE.frequencies.T
    ones = np.ones((3, 2, PLANE.stride))
    table = optics_table(ctf, rows, box_angstrom)
    assert table.dtype == np.float32
    image, weight = reference.weigh_images(kx, ky, ones, table, np.ones(PLANE.stride))
    expected = evaluate_ctf(take_rows(ctf, rows), kx, ky, box_angstrom)
    np.testing.assert_allclose(image[:, 0], expected, atol=1e-5)  # phases of some radians from float32 constants
    np.testing.assert_allclose(weight, expected**2, atol=1e-5)


def test_without_ctf_the_transfer_is_one():
    ones, optics = np.ones((2, 2, PLANE.stride)), optics_table(None, np.arange(2), 100.0)
    image, weight = reference.weigh_images(*PLANE.frequencies.T, ones, optics, np.ones(PLANE.stride))
    assert (image == 1).all()
    assert (weight == 1).all()


@pytest.fixture
def loader(session, stack, in_memory, some_ctf):
    """Particles, preparer and loader, for levels 0 and 1."""
    particles, source = in_memory(stack, PIXEL, some_ctf(9))
    rings = Rings(session, 1, RINGS)
    preparer = ImagePreparer(particles, source, AbInitioParams(), rings.plane)
    return particles, preparer, MinibatchLoader(session, particles, preparer, rings)


def on_host(session, held, plane=PLANE):
    """A and W of a minibatch or a view."""
    image, weight = session.download(held.image), session.download(held.weight)
    pads = np.setdiff1d(np.arange(plane.stride), plane.points)
    assert not image[..., pads].any()
    assert not weight[..., pads].any()
    return image[:, 0] + 1j * image[:, 1], weight


def test_a_minibatch_is_weighted_by_ctf_noise_and_area(session, loader, rng):
    particles, preparer, loads = loader
    rows, variance = np.array([2, 7, 1, 0, 5]), rng.uniform(0.5, 3.0, RINGS)
    batch = loads.load(rows, variance)
    image, weight = on_host(session, batch)
    x = preparer.coefficients(rows)
    transfer = evaluate_ctf(take_rows(particles.ctf, rows), *PLANE.frequencies.T, particles.box_angstrom)
    inverse = PLANE.weights / variance[PLANE.ring - 1]
    np.testing.assert_allclose(image, transfer * x * inverse, atol=1e-4)  # coefficients of up to 20
    np.testing.assert_allclose(weight, transfer**2 * inverse, atol=1e-4)
    assert len(batch) == 5
    np.testing.assert_array_equal(batch.rows, rows)
    np.testing.assert_array_equal(batch.noise_variance, variance)
    power = np.mean(np.abs(x) ** 2, axis=0)[POINTS]
    expected = [power[PLANE.ring[POINTS] == ring].mean() for ring in range(1, RINGS + 1)]
    np.testing.assert_allclose(batch.power, expected, rtol=1e-5)


@pytest.mark.parametrize("off_centre_px", [0, 3])
@pytest.mark.parametrize("ctf", [True, False])
def test_nothing_exceeds_the_bound(session, stack, in_memory, some_ctf, ctf, off_centre_px):
    """At three pixels along x and y the largest coefficients have equal real and imaginary parts."""
    moved = np.roll(stack, (off_centre_px, off_centre_px), axis=(1, 2))
    particles, source = in_memory(moved, PIXEL, some_ctf(9) if ctf else None)
    rings = Rings(session, 1, RINGS)
    loads = MinibatchLoader(session, particles, ImagePreparer(particles, source, AbInitioParams(), PLANE), rings)
    batch = loads.load(np.arange(9), np.full(RINGS, 0.8))
    image, weight = on_host(session, batch)
    assert np.abs(image).max() <= batch.image_bound * (1 + 1e-6)
    assert weight.max() <= batch.weight_bound * (1 + 1e-6)


SHIFTS = ShiftGrid(0.16, 0.08)


@pytest.mark.parametrize("level", [0, 1])
def test_a_view_has_the_points_of_its_level_with_their_areas(session, loader, rng, level):
    """Sums over a coarser level's points are those over the finer one's, for what is as smooth as it can tell."""
    _, _, loads = loader
    batch = loads.load(np.arange(9), rng.uniform(0.5, 3.0, RINGS))
    view = loads.view(batch, level, SHIFTS, of_cells=False)
    plane = view.table.plane
    assert plane is loads.rings.table(level).plane
    image, weight = on_host(session, view, plane)
    fine_image, fine_weight = on_host(session, batch)
    source = plane.source(PLANE)[plane.points]
    share = plane.weights[plane.points] / PLANE.weights[source]
    np.testing.assert_allclose(image[:, plane.points], share * fine_image[:, source], rtol=1e-5)
    np.testing.assert_allclose(weight[:, plane.points], share * fine_weight[:, source], rtol=1e-5)
    np.testing.assert_allclose(view.damping, 1.0)
    np.testing.assert_allclose(image @ np.ones(plane.stride), fine_image.sum(axis=1), atol=0.02 * np.abs(image).sum())


@pytest.mark.parametrize("level", [0, 1])
def test_phases_move_images_by_the_shifts(session, loader, level):
    _, _, loads = loader
    batch = loads.load(np.arange(2), np.ones(RINGS))
    view = loads.view(batch, level, SHIFTS, of_cells=False)
    plane, points = view.table.plane, view.table.plane.points
    phase = session.download(view.phase)
    assert phase.shape == (len(SHIFTS.points(level)), 2, plane.stride)
    expected = np.exp(-2j * np.pi * SHIFTS.points(level) @ plane.frequencies.T)
    np.testing.assert_allclose((phase[:, 0] + 1j * phase[:, 1])[:, points], expected[:, points], atol=1e-5)


@pytest.mark.parametrize("level", [0, 1])
def test_a_shift_that_stands_for_its_cell_has_the_mean_phase(session, loader, rng, level):
    """Over all shifts in the cell; the images' weights and the ring's power fall as the slices' do."""
    _, _, loads = loader
    batch = loads.load(np.arange(9), np.ones(RINGS))
    sharp = on_host(session, loads.view(batch, level, SHIFTS, of_cells=False), loads.rings.table(level).plane)
    view = loads.view(batch, level, SHIFTS, of_cells=True)
    plane, points = view.table.plane, view.table.plane.points
    side, each = SHIFTS.step / 2**level, (np.arange(40) + 0.5) / 40 - 0.5
    inside = side * np.stack(np.meshgrid(each, each), axis=-1).reshape(-1, 2)
    one_cell = np.exp(-2j * np.pi * inside @ plane.frequencies.T).mean(axis=0)
    centres = SHIFTS.points(level)
    phase = session.download(view.phase)
    expected = np.exp(-2j * np.pi * centres @ plane.frequencies.T) * one_cell
    np.testing.assert_allclose((phase[:, 0] + 1j * phase[:, 1])[:, points], expected[:, points], atol=1e-3)
    image, weight = on_host(session, view, plane)
    np.testing.assert_array_equal(image, sharp[0])
    np.testing.assert_allclose(weight, sharp[1] * np.abs(one_cell) ** 2, rtol=0.01, atol=1e-6)
    kept = [np.mean(np.abs(one_cell[points][plane.ring[points] == r]) ** 2) for r in range(1, RINGS + 1)]
    np.testing.assert_allclose(view.damping, kept, rtol=0.01)
    assert (np.diff(view.damping) < 0).all()


def test_phases_are_made_anew_when_the_grid_of_shifts_changes(session, loader):
    _, _, loads = loader
    batch = loads.load(np.arange(2), np.ones(RINGS))

    def phase(shifts, *, of_cells):
        return session.download(loads.view(batch, 1, shifts, of_cells=of_cells).phase)

    first = phase(SHIFTS, of_cells=False)
    for shifts, of_cells in ((SHIFTS, True), (ShiftGrid(0.16, 0.07), False)):
        assert not np.array_equal(phase(shifts, of_cells=of_cells), first)
        np.testing.assert_array_equal(phase(SHIFTS, of_cells=False), first)


@pytest.fixture
def multiplied_too(rng, in_memory, some_ctf):
    """Preparers and particles of the same images, plain and multiplied by their CTFs, under white noise."""
    box = 64
    count = 200
    ctf = some_ctf(count)
    signal = 2.0 * np.exp(-0.5 * (radius_px(box, 2) / 6.0) ** 2)
    images = (signal + rng.standard_normal((count, box, box))).astype(np.float32)
    kx, ky = np.meshgrid(np.fft.rfftfreq(box, 1 / box), np.fft.fftfreq(box, 1 / box))
    transfer = evaluate_ctf(ctf, kx.ravel(), ky.ravel(), box * PIXEL).reshape(count, box, -1)
    spectra = np.fft.rfft2(np.fft.ifftshift(images, axes=(1, 2))) * transfer
    multiplied = np.fft.fftshift(np.fft.irfft2(spectra, s=(box, box)), axes=(1, 2)).astype(np.float32)
    plain = in_memory(images, PIXEL, ctf)
    known = in_memory(multiplied, PIXEL, replace(ctf, premultiplied=np.ones(count)))
    plane = PolarPlane(48, 16)
    return {
        name: (particles, ImagePreparer(particles, source, AbInitioParams(noise_model=model), plane))
        for model in ("white", "symmetric")
        for name, (particles, source) in {f"plain {model}": plain, f"multiplied {model}": known}.items()
    }


@pytest.mark.parametrize("model", ["white", "symmetric"])
def test_noise_of_images_that_were_multiplied_by_their_ctf_is_that_of_the_plain_ones(multiplied_too, model):
    rows = np.arange(200)
    plain, multiplied = (multiplied_too[f"{name} {model}"][1].noise_variance(rows) for name in ("plain", "multiplied"))
    # At the innermost rings little is left to measure, and the window mixes rings.
    np.testing.assert_allclose(multiplied[2:], plain[2:], rtol=0.2)


def test_images_that_were_multiplied_by_their_ctf_are_weighed_as_the_plain_ones(multiplied_too, session):
    rows = np.arange(40)
    loaded = {}
    for name in ("plain white", "multiplied white"):
        particles, preparer = multiplied_too[name]
        rings = Rings(session, 1, 16)
        assert rings.plane == preparer.plane
        batch = MinibatchLoader(session, particles, preparer, rings).load(rows, np.ones(16))
        loaded[name] = session.download(batch.image), session.download(batch.weight), batch.power
    (plain, weight, power), (multiplied, weight_too, power_too) = loaded.values()
    np.testing.assert_array_equal(weight, weight_too)
    correlation = np.vdot(plain, multiplied) / np.linalg.norm(plain) / np.linalg.norm(multiplied)
    assert correlation > 0.95  # the window comes after the CTF in one, before it in the other
    assert np.vdot(plain, multiplied) / np.vdot(plain, plain) == pytest.approx(1.0, abs=0.03)
    np.testing.assert_allclose(power_too[3:], power[3:], rtol=0.3)
