import numpy as np
import pytest

from coldstart.engine.gradient import Gradient
from coldstart.engine.update import CENTER_DEAD_ZONE, REGULARIZATION, MapUpdater, enlarge, resize_map
from coldstart.model.fourier import (
    radius_grid,
    resize_spectrum,
    spectrum_of,
    trilinear_envelope,
    volume_of,
)
from coldstart.model.mask import radius_px, soft_window
from coldstart.model.polar import PolarPlane, polar_transform
from coldstart.params import AbInitioParams

SIDE, RADIUS = 24, 10.0
FREE = AbInitioParams(center=False, nonnegative=False, window_volume=False)


def blob(x=0.0, y=0.0, z=0.0, sigma=1.9):
    axis = np.arange(SIDE) - SIDE // 2
    distance2 = sum((a - b) ** 2 for a, b in zip(np.meshgrid(axis, axis, axis, indexing="ij"), (z, y, x), strict=True))
    return np.exp(-0.5 * distance2 / sigma**2).astype(np.float32)


def gradient_of(volume, weight=50.0):
    """What back-projection of perfect slices comes to: the map, blurred by the insertion, times its weights."""
    spectrum = spectrum_of(volume * trilinear_envelope(SIDE)).astype(np.complex128)
    denominator = np.full(spectrum.shape, weight)
    return Gradient(spectrum * denominator, denominator, np.zeros(RADIUS.__ceil__()))


def stepped(params, *volumes, rates=(1.0,)):
    """The states after each of these maps' gradients."""
    updater = MapUpdater(params, SIDE)
    states = [updater.start(blob())]
    for i, volume in enumerate(volumes):
        states.append(updater.step(states[-1], gradient_of(volume), rates[i % len(rates)], RADIUS))
    return states[1:]


def test_a_known_map_is_recovered():
    truth = blob(0.4, -0.3, 0.2) + 0.5 * blob(-4, 2, 0) + 0.5 * blob(3, -2, -1)
    found = stepped(AbInitioParams(center=False), truth)[0].volume
    assert found.dtype == np.float32
    # Less than the truth by the regularisation; the constant term is what makes the solvent zero.
    np.testing.assert_allclose(found * (1 + REGULARIZATION), truth, atol=0.01)


def test_weights_do_not_matter_where_all_are_alike():
    updater = MapUpdater(FREE, SIDE)
    light, heavy = (
        updater.step(updater.start(blob()), gradient_of(blob(2), w), 0.4, RADIUS).volume for w in (0.01, 1e6)
    )
    np.testing.assert_allclose(light, heavy, atol=1e-5)


def test_voxels_that_no_slice_reached_are_zero():
    gradient = gradient_of(blob())
    unseen = radius_grid(SIDE) > 4
    gradient.denominator[unseen] = 0
    gradient.numerator[unseen] = 0
    updater = MapUpdater(FREE, SIDE)
    volume = updater.step(updater.start(blob()), gradient, 0.4, RADIUS).volume
    assert np.isfinite(volume).all()


def test_the_first_minibatches_are_taken_whole_whatever_the_rate():
    one = stepped(FREE, blob(1), rates=(0.1,))[0].volume
    np.testing.assert_array_equal(one, stepped(FREE, blob(1), rates=(1.0,))[0].volume)


def test_the_map_follows_the_minibatches_at_its_rate():
    """Steps of rate r towards the same new map leave (1 - r)^n of the old one, evenly in both halves."""
    before, after, rate = blob(-3), blob(3), 0.2
    states = stepped(FREE, before, before, *[after] * 10, rates=(rate,))
    start, end = states[1].volume, stepped(FREE, after)[0].volume
    direction = (end - start).ravel()
    for steps in (2, 4, 10):
        moved = float((states[1 + steps].volume - start).ravel() @ direction / (direction @ direction))
        assert moved == pytest.approx(1 - (1 - rate) ** steps, abs=0.01)


def test_the_halves_are_summed_apart():
    updater = MapUpdater(FREE, SIDE)
    states = stepped(FREE, blob(-2), blob(3), blob(1), rates=(0.3,))
    even, odd = gradient_of(blob(-2)).numerator, gradient_of(blob(3)).numerator
    np.testing.assert_allclose(states[1].numerator, [even, odd])
    np.testing.assert_allclose(states[2].numerator[1], odd)
    assert not np.allclose(states[2].numerator[0], even)
    assert states[2].steps == 3
    assert updater.half_correlation(states[1], RADIUS).shape == (SIDE // 2,)


def test_half_correlation_tells_agreement_from_noise(rng):
    updater = MapUpdater(FREE, SIDE)
    alike = stepped(FREE, blob(), blob())[-1]
    np.testing.assert_allclose(updater.half_correlation(alike, RADIUS)[1:10], 1, atol=1e-3)
    noise = [soft_window(SIDE, 3, 0.85, 0.99) * rng.standard_normal((SIDE,) * 3) for _ in range(2)]
    unlike = stepped(FREE, *noise)[-1]
    assert np.abs(updater.half_correlation(unlike, RADIUS)[3:10]).max() < 0.4


def test_half_correlation_before_both_halves_are_there():
    updater = MapUpdater(FREE, SIDE)
    assert not updater.half_correlation(stepped(FREE, blob())[-1], RADIUS)[1:].any()


def test_states_are_not_changed_by_a_step():
    updater = MapUpdater(AbInitioParams(), SIDE)
    state = updater.start(blob(4))
    updater.step(state, gradient_of(blob(4)), 0.4, RADIUS)
    assert state.steps == 0
    assert not state.numerator.any()
    assert not state.denominator.any()


def test_what_lies_beyond_the_radius_does_not_count(rng):
    plain, rough = gradient_of(blob()), gradient_of(blob())
    far = radius_grid(SIDE) > 6.0
    rough.numerator[far] += rng.standard_normal(far.sum()) * 1e6
    updater = MapUpdater(AbInitioParams(), SIDE)
    volumes = [updater.step(updater.start(blob()), g, 0.4, 6.0).volume for g in (plain, rough)]
    np.testing.assert_array_equal(*volumes)


@pytest.mark.parametrize("offset", [(3.0, 0.0, 0.0), (0.0, -2.0, 0.0), (0.0, 0.0, 2.0), (-2.0, 1.0, 3.0)])
def test_an_off_centre_map_is_moved_back(offset):
    """The map is right but for a few percent of its height: the insertion's blur had weakened it where it was."""
    state, expected = (stepped(AbInitioParams(), blob(*at))[0] for at in (offset, (0.0, 0.0, 0.0)))
    assert np.unravel_index(state.volume.argmax(), state.volume.shape) == (SIDE // 2,) * 3
    assert np.corrcoef(state.volume.ravel(), expected.volume.ravel())[0, 1] > 0.99
    kept = stepped(AbInitioParams(center=False), blob(*offset))[0].volume
    assert np.unravel_index(kept.argmax(), kept.shape) == tuple(SIDE // 2 + round(o) for o in offset[::-1])


def test_the_sums_move_with_the_map():
    """The next minibatch is posed on the map that was moved, and adds to sums that lie where it does."""
    state = stepped(AbInitioParams(), blob(3.0, -2.0, 0.0), blob())[-1]
    assert np.unravel_index(state.volume.argmax(), state.volume.shape) == (SIDE // 2,) * 3
    assert np.corrcoef(state.volume.ravel(), blob().ravel())[0, 1] > 0.99


def test_a_map_inside_the_dead_zone_stays():
    offset = 0.5 * CENTER_DEAD_ZONE * SIDE
    centred = stepped(AbInitioParams(), blob(offset))[0]
    np.testing.assert_array_equal(centred.volume, stepped(AbInitioParams(center=False), blob(offset))[0].volume)


def test_nonnegativity():
    dented = blob(sigma=3.0) - 1.5 * blob(sigma=1.5)
    assert stepped(AbInitioParams(), dented)[0].volume.min() == 0
    assert stepped(AbInitioParams(nonnegative=False), dented)[0].volume.min() < -0.3


def test_window():
    wide = blob(sigma=6.0)
    outside = radius_px(SIDE, 3) >= 0.5 * SIDE * 0.99
    assert not stepped(AbInitioParams(), wide)[0].volume[outside].any()
    assert stepped(AbInitioParams(window_volume=False, nonnegative=False), wide)[0].volume[outside].any()


def test_most_of_the_sphere_is_solvent_of_density_zero():
    inside = radius_px(SIDE, 3) < 0.5 * SIDE * 0.85
    lifted = gradient_of(blob())
    lifted.numerator[SIDE // 2, SIDE // 2, 0] += 1e5
    updater = MapUpdater(FREE, SIDE)
    volume = updater.step(updater.start(blob()), lifted, 0.4, RADIUS).volume
    assert np.median(volume[inside]) == pytest.approx(0.0, abs=1e-5)


def test_solution_is_free_but_windowed():
    dented = blob(sigma=3.0) - 1.5 * blob(sigma=1.5)
    solution = MapUpdater(AbInitioParams(), SIDE).solution(gradient_of(dented), RADIUS)
    inside = radius_px(SIDE, 3) < 0.5 * SIDE * 0.85
    expected = dented - np.median(dented[inside])
    np.testing.assert_allclose(solution[inside] * (1 + REGULARIZATION), expected[inside], atol=0.01)
    assert not solution[radius_px(SIDE, 3) >= 0.5 * SIDE * 0.99].any()


def test_sliceable_is_padded():
    padded = MapUpdater(AbInitioParams(), SIDE).sliceable(blob())
    assert padded.shape == (2 * SIDE, 2 * SIDE, SIDE + 1)
    assert padded.dtype == np.complex64
    assert padded.flags.c_contiguous


@pytest.mark.parametrize("box", [20, 24, 36])
def test_projections_of_the_enlarged_map_are_the_slices(rng, box):
    volume = volume_of(spectrum_of(rng.standard_normal((SIDE,) * 3)) * (radius_grid(SIDE) < 9))
    projection = enlarge(volume, box).sum(axis=0)
    found = np.fft.fftshift(np.fft.rfft2(np.fft.ifftshift(projection)), axes=0) / box
    inside = slice(box // 2 - 8, box // 2 + 9), slice(0, 9)
    expected = spectrum_of(volume)[SIDE // 2, SIDE // 2 - 8 : SIDE // 2 + 9, :9]
    np.testing.assert_allclose(found[inside], expected, atol=1e-3)


def test_images_of_the_enlarged_map_have_its_coefficients_on_rings():
    """Those of a Gaussian, whatever the box of the images."""
    plane, at, sigma = PolarPlane(24, 7), np.array([1.0, -2.0]), 1.9
    projection = enlarge(blob(*at, 0.5, sigma), 36).sum(axis=0)[None]
    k = plane.frequencies[plane.points] / SIDE
    expected = (2 * np.pi * sigma**2) ** 1.5 * np.exp(-2 * (np.pi * sigma) ** 2 * np.sum(k**2, axis=1))
    found = polar_transform(projection, plane)[0, plane.points]
    np.testing.assert_allclose(found, expected * np.exp(-2j * np.pi * k @ at), atol=0.3)  # of 108 at frequency 0


@pytest.mark.parametrize("side", [32, 40])
def test_a_map_on_a_finer_grid_has_the_same_spectrum(side):
    """And so the same density a voxel of the old size: a quarter of the side more is half the height."""
    volume = blob(2.0, -1.0)
    fine = resize_map(volume, side)
    assert fine.shape == (side,) * 3
    assert fine.dtype == np.float32
    np.testing.assert_allclose(
        resize_spectrum(spectrum_of(fine), 20), resize_spectrum(spectrum_of(volume), 20), atol=1e-3
    )
    peak = np.unravel_index(fine.argmax(), fine.shape)
    expected = np.array([0.0, -1.0, 2.0]) * side / SIDE + side // 2
    np.testing.assert_allclose(peak, expected, atol=0.6)
    assert fine.sum() == pytest.approx(volume.sum(), rel=1e-4)
    assert resize_map(volume, SIDE) is volume


@pytest.mark.parametrize("side", [32, 48])
def test_a_resized_state_is_the_same_state(side):
    state = stepped(AbInitioParams(), blob(-2), blob(3))[-1]
    resized = state.resized(side)
    assert state.side == SIDE
    assert resized.side == side
    assert resized.steps == state.steps
    assert resized.numerator.shape == (2, side, side, side // 2 + 1)
    assert resized.numerator.dtype == np.complex128
    assert resized.denominator.dtype == np.float64
    assert state.resized(SIDE) is state
    for whole, small in ((resized.numerator, state.numerator), (resized.denominator, state.denominator)):
        for half in range(2):
            np.testing.assert_array_equal(resize_spectrum(whole[half], 20), resize_spectrum(small[half], 20))


def test_steps_go_on_after_a_resize():
    """The next minibatch, on the finer grid, adds to what the coarser one held: no jump of the map where both agree."""
    side, updater = 32, MapUpdater(FREE, 32)
    state = stepped(FREE, blob(1), blob(1))[-1].resized(side)
    spectrum = spectrum_of(resize_map(blob(1), side) * trilinear_envelope(side)).astype(np.complex128)
    gradient = Gradient(50.0 * spectrum, np.full(spectrum.shape, 50.0), np.zeros(10))
    after = updater.step(state, gradient, 0.3, RADIUS)
    assert after.steps == 3
    assert np.linalg.norm(after.volume - state.volume) < 0.05 * np.linalg.norm(state.volume)
