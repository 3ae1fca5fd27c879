import numpy as np
import pytest

from coldstart.engine.gradient import Gradient
from coldstart.engine.update import CENTER_DEAD_ZONE, REGULARIZATION, MapUpdater, enlarge, resize_maps
from coldstart.model.fourier import (
    radius_grid,
    resize_spectrum,
    spectrum_of,
    trilinear_envelope,
    volume_of,
)
from coldstart.model.mask import radius_px, soft_window
from coldstart.model.polar import PolarPlane, polar_transform
from coldstart.model.symmetry import point_group
from coldstart.params import AbInitioParams

SIDE, RADIUS = 24, 10.0
FREE = AbInitioParams(center=False, nonnegative=False, window_volume=False)
C1 = point_group("C1")


def blob(x=0.0, y=0.0, z=0.0, sigma=1.9):
    axis = np.arange(SIDE) - SIDE // 2
    distance2 = sum((a - b) ** 2 for a, b in zip(np.meshgrid(axis, axis, axis, indexing="ij"), (z, y, x), strict=True))
    return np.exp(-0.5 * distance2 / sigma**2).astype(np.float32)


def gradient_of(*volumes, weight=50.0):
    """What back-projection of perfect slices comes to: the maps, blurred by the insertion, times their weights."""
    blurred = [spectrum_of(volume * trilinear_envelope(volume.shape[0])) for volume in volumes]
    spectrum = np.stack(blurred).astype(np.complex128)
    denominator = np.full(spectrum.shape, weight)
    return Gradient(spectrum * denominator, denominator, np.zeros(RADIUS.__ceil__()))


def stepped(params, *volumes, rates=(1.0,)):
    """The states of one class after each of these maps' gradients."""
    updater = MapUpdater(params, SIDE, C1)
    states = [updater.start(blob()[None])]
    for i, volume in enumerate(volumes):
        states.append(updater.step(states[-1], gradient_of(volume), rates[i % len(rates)], RADIUS))
    return states[1:]


def half_correlation(updater, state):
    return updater.half_correlation(state.numerator, state.denominator, RADIUS)


def test_a_known_map_is_recovered():
    truth = blob(0.4, -0.3, 0.2) + 0.5 * blob(-4, 2, 0) + 0.5 * blob(3, -2, -1)
    found = stepped(AbInitioParams(center=False), truth)[0].volume[0]
    assert found.dtype == np.float32
    # Less than the truth by the regularisation; the constant term is what makes the solvent zero.
    np.testing.assert_allclose(found * (1 + REGULARIZATION), truth, atol=0.01)


def test_weights_do_not_matter_where_all_are_alike():
    updater = MapUpdater(FREE, SIDE, C1)
    light, heavy = (
        updater.step(updater.start(blob()[None]), gradient_of(blob(2), weight=w), 0.4, RADIUS).volume
        for w in (0.01, 1e6)
    )
    np.testing.assert_allclose(light, heavy, atol=1e-5)


def test_voxels_that_no_slice_reached_are_zero():
    gradient = gradient_of(blob())
    unseen = radius_grid(SIDE) > 4
    gradient.denominator[:, unseen] = 0
    gradient.numerator[:, unseen] = 0
    updater = MapUpdater(FREE, SIDE, C1)
    volume = updater.step(updater.start(blob()[None]), gradient, 0.4, RADIUS).volume
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
    updater = MapUpdater(FREE, SIDE, C1)
    states = stepped(FREE, blob(-2), blob(3), blob(1), rates=(0.3,))
    even, odd = gradient_of(blob(-2)).numerator, gradient_of(blob(3)).numerator
    np.testing.assert_allclose(states[1].numerator[0], np.concatenate([even, odd]))
    np.testing.assert_allclose(states[2].numerator[:, 1], odd)
    assert not np.allclose(states[2].numerator[:, 0], even)
    np.testing.assert_array_equal(states[2].steps, [3])
    assert half_correlation(updater, states[1]).shape == (1, SIDE // 2)


def test_half_correlation_tells_agreement_from_noise(rng):
    updater = MapUpdater(FREE, SIDE, C1)
    alike = stepped(FREE, blob(), blob())[-1]
    np.testing.assert_allclose(half_correlation(updater, alike)[0, 1:10], 1, atol=1e-3)
    noise = [soft_window(SIDE, 3, 0.85, 0.99) * rng.standard_normal((SIDE,) * 3) for _ in range(2)]
    unlike = stepped(FREE, *noise)[-1]
    assert np.abs(half_correlation(updater, unlike)[0, 3:10]).max() < 0.4


def test_half_correlation_before_both_halves_are_there():
    updater = MapUpdater(FREE, SIDE, C1)
    assert not half_correlation(updater, stepped(FREE, blob())[-1])[0, 1:].any()


def test_states_are_not_changed_by_a_step():
    updater = MapUpdater(AbInitioParams(), SIDE, C1)
    state = updater.start(blob(4)[None])
    updater.step(state, gradient_of(blob(4)), 0.4, RADIUS)
    assert not state.steps.any()
    assert not state.numerator.any()
    assert not state.denominator.any()


def test_what_lies_beyond_the_radius_does_not_count(rng):
    plain, rough = gradient_of(blob()), gradient_of(blob())
    far = radius_grid(SIDE) > 6.0
    rough.numerator[0, far] += rng.standard_normal(far.sum()) * 1e6
    updater = MapUpdater(AbInitioParams(), SIDE, C1)
    volumes = [updater.step(updater.start(blob()[None]), g, 0.4, 6.0).volume for g in (plain, rough)]
    np.testing.assert_array_equal(*volumes)


def peak(volume):
    """x, y, z of the highest voxel from the centre."""
    return tuple(int(i) - volume.shape[0] // 2 for i in np.unravel_index(volume.argmax(), volume.shape)[::-1])


@pytest.mark.parametrize("offset", [(3.0, 0.0, 0.0), (0.0, -2.0, 0.0), (0.0, 0.0, 2.0), (-2.0, 1.0, 3.0)])
def test_an_off_centre_map_is_moved_back(offset):
    """The map is right but for a few percent of its height: the insertion's blur had weakened it where it was."""
    moved, expected = (stepped(AbInitioParams(), blob(*at))[0].volume[0] for at in (offset, (0.0, 0.0, 0.0)))
    assert peak(moved) == (0, 0, 0)
    assert np.corrcoef(moved.ravel(), expected.ravel())[0, 1] > 0.99
    kept = stepped(AbInitioParams(center=False), blob(*offset))[0].volume[0]
    assert peak(kept) == tuple(round(o) for o in offset)


def test_the_sums_move_with_the_map():
    """The next minibatch is posed on the map that was moved, and adds to sums that lie where it does."""
    (volume,) = stepped(AbInitioParams(), blob(3.0, -2.0, 0.0), blob())[-1].volume
    assert peak(volume) == (0, 0, 0)
    assert np.corrcoef(volume.ravel(), blob().ravel())[0, 1] > 0.99


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
    assert not stepped(AbInitioParams(), wide)[0].volume[0, outside].any()
    assert stepped(AbInitioParams(window_volume=False, nonnegative=False), wide)[0].volume[0, outside].any()


def test_most_of_the_sphere_is_solvent_of_density_zero():
    inside = radius_px(SIDE, 3) < 0.5 * SIDE * 0.85
    lifted = gradient_of(blob())
    lifted.numerator[0, SIDE // 2, SIDE // 2, 0] += 1e5
    updater = MapUpdater(FREE, SIDE, C1)
    (volume,) = updater.step(updater.start(blob()[None]), lifted, 0.4, RADIUS).volume
    assert np.median(volume[inside]) == pytest.approx(0.0, abs=1e-5)


def test_solution_is_free_but_windowed():
    dented = blob(sigma=3.0) - 1.5 * blob(sigma=1.5)
    (solution,) = MapUpdater(AbInitioParams(), SIDE, C1).solution(gradient_of(dented), RADIUS)
    inside = radius_px(SIDE, 3) < 0.5 * SIDE * 0.85
    expected = dented - np.median(dented[inside])
    np.testing.assert_allclose(solution[inside] * (1 + REGULARIZATION), expected[inside], atol=0.01)
    assert not solution[radius_px(SIDE, 3) >= 0.5 * SIDE * 0.99].any()


def test_sliceable_is_padded():
    padded = MapUpdater(AbInitioParams(), SIDE, C1).sliceable(np.stack([blob(), blob(2)]))
    assert padded.shape == (2, 2 * SIDE, 2 * SIDE, SIDE + 1)
    assert padded.dtype == np.complex64
    assert padded.flags.c_contiguous


@pytest.mark.parametrize("box", [20, 24, 36])
def test_projections_of_the_enlarged_map_are_the_slices(rng, box):
    volume = volume_of(spectrum_of(rng.standard_normal((SIDE,) * 3)) * (radius_grid(SIDE) < 9))
    projection = enlarge(volume[None], box)[0].sum(axis=0)
    found = np.fft.fftshift(np.fft.rfft2(np.fft.ifftshift(projection)), axes=0) / box
    inside = slice(box // 2 - 8, box // 2 + 9), slice(0, 9)
    expected = spectrum_of(volume)[SIDE // 2, SIDE // 2 - 8 : SIDE // 2 + 9, :9]
    np.testing.assert_allclose(found[inside], expected, atol=1e-3)


def test_images_of_the_enlarged_map_have_its_coefficients_on_rings():
    """Those of a Gaussian, whatever the box of the images."""
    plane, at, sigma = PolarPlane(24, 7), np.array([1.0, -2.0]), 1.9
    projection = enlarge(blob(*at, 0.5, sigma)[None], 36).sum(axis=1)
    k = plane.frequencies[plane.points] / SIDE
    expected = (2 * np.pi * sigma**2) ** 1.5 * np.exp(-2 * (np.pi * sigma) ** 2 * np.sum(k**2, axis=1))
    found = polar_transform(projection, plane)[0, plane.points]
    np.testing.assert_allclose(found, expected * np.exp(-2j * np.pi * k @ at), atol=0.3)  # of 108 at frequency 0


@pytest.mark.parametrize("side", [32, 40])
def test_a_map_on_a_finer_grid_has_the_same_spectrum(side):
    """And so the same density a voxel of the old size: a quarter of the side more is half the height."""
    centres = np.array([[2.0, -1.0, 0.0], [0.0, 3.0, -2.0]])
    volumes = np.stack([blob(*centre) for centre in centres])
    finer = resize_maps(volumes, side)
    assert finer.shape == (2, side, side, side)
    assert finer.dtype == np.float32
    for fine, volume, centre in zip(finer, volumes, centres, strict=True):
        np.testing.assert_allclose(
            resize_spectrum(spectrum_of(fine), 20), resize_spectrum(spectrum_of(volume), 20), atol=1e-3
        )
        np.testing.assert_allclose(peak(fine), centre * side / SIDE, atol=0.6)
        assert fine.sum() == pytest.approx(volume.sum(), rel=1e-4)
    assert resize_maps(volumes, SIDE) is volumes


THREE = np.stack([blob(1), blob(-2, 1), blob(0, 0, 3)])


def of_three(*order, params=FREE, steps=3, rate=0.3):
    """The state of three classes, in some order, after steps towards maps of their own."""
    updater = MapUpdater(params, SIDE, C1)
    state = updater.start(THREE[list(order)])
    for step in range(steps):
        towards = np.roll(THREE, step, axis=1)[list(order)]
        state = updater.step(state, gradient_of(*towards), rate, RADIUS)
    return state


def test_every_class_steps_by_itself():
    """To the last bit as if there were no others, centring included."""
    params = AbInitioParams()
    together = of_three(0, 1, 2, params=params)
    assert together.classes == 3
    for number in range(3):
        alone = of_three(number, params=params)
        for name in ("numerator", "denominator", "volume", "steps"):
            np.testing.assert_array_equal(getattr(together, name)[number], getattr(alone, name)[0])


def test_a_class_that_starts_anew_forgets_its_minibatches():
    state = of_three(0, 1, 2)
    fresh = blob(0, 4)
    again = state.restarted(1, fresh)
    np.testing.assert_array_equal(again.volume[1], fresh)
    assert not again.numerator[1].any()
    assert not again.denominator[1].any()
    np.testing.assert_array_equal(again.steps, [3, 0, 3])
    for name in ("numerator", "denominator", "volume"):
        np.testing.assert_array_equal(getattr(again, name)[[0, 2]], getattr(state, name)[[0, 2]])
    np.testing.assert_array_equal(state.steps, [3, 3, 3])  # the state that it was is left as it was
    assert state.numerator[1].any()


def test_a_class_that_starts_anew_takes_its_first_minibatches_whole():
    """While the others follow theirs at the rate."""
    rate, updater = 0.2, MapUpdater(FREE, SIDE, C1)
    state = of_three(0, 1, 2).restarted(1, blob())
    target = blob(-3, 0, 1)
    after = updater.step(state, gradient_of(target, target, target), rate, RADIUS)
    np.testing.assert_array_equal(after.steps, [4, 1, 4])
    np.testing.assert_allclose(after.volume[1] * (1 + REGULARIZATION), target, atol=0.01)
    (direct,) = stepped(FREE, target)[0].volume
    np.testing.assert_array_equal(after.volume[1], direct)
    halves = gradient_of(target).numerator[0]
    assert np.allclose(after.numerator[1, 0], halves)
    assert not after.numerator[1, 1].any()
    assert not np.allclose(after.numerator[0, 1], halves)


def test_half_correlations_are_of_each_class(rng):
    updater = MapUpdater(FREE, SIDE, C1)
    noise = [soft_window(SIDE, 3, 0.85, 0.99) * rng.standard_normal((SIDE,) * 3) for _ in range(2)]
    state = updater.start(np.stack([blob(), blob()]))
    for rough in noise:
        state = updater.step(state, gradient_of(blob(1), rough), 0.3, RADIUS)
    alike, unlike = half_correlation(updater, state)
    np.testing.assert_allclose(alike[1:10], 1, atol=1e-3)
    assert np.abs(unlike[3:10]).max() < 0.4


@pytest.mark.parametrize(
    ("symmetry", "moves"),
    [("C1", (1, 1, 1)), ("C3", (0, 0, 1)), ("C7", (0, 0, 1)), ("D2", (0, 0, 0)), ("I", (0, 0, 0))],
)
def test_a_symmetric_map_is_centred_along_what_its_axes_leave(symmetry, moves):
    """Its axes must stay where they are: along z for a cyclic group, and nowhere for those of crossing axes."""
    offset = np.array([3.0, -2.0, 2.0])
    updater = MapUpdater(AbInitioParams(), SIDE, point_group(symmetry))
    state = updater.start(blob()[None])
    (volume,) = updater.step(state, gradient_of(blob(*offset)), 0.4, RADIUS).volume
    np.testing.assert_array_equal(peak(volume), offset * (1 - np.array(moves)))


def test_every_class_is_centred_by_itself():
    updater = MapUpdater(AbInitioParams(), SIDE, point_group("C2"))
    state = updater.start(np.stack([blob()] * 3))
    volumes = updater.step(state, gradient_of(blob(0, 0, 3), blob(0, 0, -2), blob()), 0.4, RADIUS).volume
    assert [peak(volume) for volume in volumes] == [(0, 0, 0)] * 3


@pytest.mark.parametrize("side", [32, 48])
def test_a_resized_state_is_the_same_state(side):
    state = of_three(0, 1, 2).restarted(1, blob(2))
    resized = state.resized(side)
    assert state.side == SIDE
    assert resized.side == side
    assert resized.classes == 3
    np.testing.assert_array_equal(resized.steps, [3, 0, 3])
    np.testing.assert_array_equal(resized.volume, resize_maps(state.volume, side))
    assert resized.numerator.shape == (3, 2, side, side, side // 2 + 1)
    assert resized.numerator.dtype == np.complex128
    assert resized.denominator.dtype == np.float64
    assert state.resized(SIDE) is state
    for whole, small in ((resized.numerator, state.numerator), (resized.denominator, state.denominator)):
        for number, half in np.ndindex(3, 2):
            one, other = (resize_spectrum(sums[number, half], 20) for sums in (whole, small))
            np.testing.assert_array_equal(one, other)


def test_steps_go_on_after_a_resize():
    """The next minibatch, on the finer grid, adds to what the coarser one held: no jump of the map where both agree."""
    side, updater = 32, MapUpdater(FREE, 32, C1)
    state = stepped(FREE, blob(1), blob(1))[-1].resized(side)
    after = updater.step(state, gradient_of(*resize_maps(blob(1)[None], side)), 0.3, RADIUS)
    np.testing.assert_array_equal(after.steps, [3])
    assert np.linalg.norm(after.volume - state.volume) < 0.05 * np.linalg.norm(state.volume)
