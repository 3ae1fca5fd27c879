"""Poses of simulated images on the map that they were made of, through the public function."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from coldstart import AbInitioParams
from coldstart.api import PoseSearchResult, search_poses
from coldstart.compute.device import list_devices
from coldstart.demo.molecule import make_molecule, molecule_map
from coldstart.demo.simulate import SimulatedSet, clean_images, simulate_set
from coldstart.errors import ParameterError
from coldstart.model.ctf import evaluate_ctf
from coldstart.model.fourier import resize_spectrum, spectrum_of, volume_of
from coldstart.model.particles import Particles
from coldstart.model.pose_grid import ShiftGrid
from coldstart.model.so3 import euler_to_matrix, geodesic_distance_deg
from coldstart.model.state import PoseTable

IMAGES, BOX, PIXEL, SNR = 24, 32, 8.0, 1.0
RESOLUTION = 20.0
PARAMS = AbInitioParams(shift_extent=0.15)

pytestmark = pytest.mark.skipif(not any(i.usable for i in list_devices()), reason="there is no usable OpenCL device")


class InMemory:
    """An image source."""

    def __init__(self, images: NDArray[np.float32]) -> None:
        self._images = images

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._images[rows]


@dataclass(frozen=True)
class Posing:
    """Images, the map that they were made of, and a search with what a test wants of it."""

    truth: SimulatedSet
    particles: Particles
    source: InMemory
    volume: NDArray[np.float32]

    def search(self, params: AbInitioParams = PARAMS, **given: object) -> PoseSearchResult:
        arguments = {"resolution_angstrom": RESOLUTION, "volume": self.volume} | given
        return search_poses(self.particles, self.source, params=params, **arguments)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def posing() -> Posing:
    molecule = make_molecule(2)
    truth = simulate_set(molecule, IMAGES, BOX, PIXEL, SNR, seed=3)
    clean = clean_images(molecule, truth.matrices, truth.shift_px, truth.ctf, BOX, PIXEL)
    volume = molecule_map(molecule, BOX, PIXEL) * np.float32(np.sqrt(SNR) / clean.std())
    return Posing(truth, Particles(IMAGES, BOX, PIXEL, truth.ctf), InMemory(truth.images), volume)


@pytest.fixture(scope="module")
def found(posing: Posing) -> PoseSearchResult:
    return posing.search(posing_params(verify_bound=0.1))


def posing_params(**changes: object) -> AbInitioParams:
    return PARAMS.model_copy(update=changes)


def test_poses_are_found_within_a_step_of_the_grid(posing: Posing, found: PoseSearchResult) -> None:
    angle = geodesic_distance_deg(euler_to_matrix(found.poses.euler_deg), posing.truth.matrices)
    origin = np.hypot(*(found.poses.origin_angstrom + PIXEL * posing.truth.shift_px).T)
    assert found.angular_step_deg == 3.75
    assert np.median(angle) < found.angular_step_deg
    assert np.mean(angle < 2 * found.angular_step_deg) >= 0.9
    assert np.median(origin) < 0.25 * PIXEL
    np.testing.assert_array_equal(found.poses.particle, np.arange(IMAGES))
    assert found.poses.used.all()
    assert found.poses.classes == 1
    np.testing.assert_array_equal(found.poses.class_posterior, 1)


@pytest.fixture(scope="module")
def two_maps(posing: Posing) -> Posing:
    """Every other image is of another molecule, and either has its map."""
    other, truth = make_molecule(5), posing.truth
    clean = clean_images(other, truth.matrices, truth.shift_px, truth.ctf, BOX, PIXEL)
    scale = np.float32(np.sqrt(SNR) / clean.std())
    noise = np.random.default_rng(8).standard_normal(clean.shape).astype(np.float32)
    images = np.where((np.arange(IMAGES) % 2 == 1)[:, None, None], scale * clean + noise, truth.images)
    maps = np.stack([posing.volume, molecule_map(other, BOX, PIXEL) * scale])
    return replace(posing, source=InMemory(images), volume=maps)


@pytest.fixture(scope="module")
def classified(two_maps: Posing) -> PoseSearchResult:
    return two_maps.search()


def test_several_maps_are_classes(two_maps: Posing, classified: PoseSearchResult) -> None:
    poses = classified.poses
    assert poses.class_posterior.shape == (IMAGES, 2)
    np.testing.assert_allclose(poses.class_posterior.sum(axis=1), 1)
    assert np.mean(poses.class_index == np.arange(IMAGES) % 2) >= 0.9
    assert poses.class_posterior.max(axis=1).mean() > 0.9
    angle = geodesic_distance_deg(euler_to_matrix(poses.euler_deg), two_maps.truth.matrices)
    assert np.median(angle) < classified.angular_step_deg
    assert (poses.log_likelihood > 0).mean() >= 0.9
    assert (poses.label == "used").mean() >= 0.9


def test_maps_in_another_order_are_the_same_classes_in_that_order(
    two_maps: Posing, classified: PoseSearchResult
) -> None:
    rows = range(6)
    swapped = two_maps.search(volume=two_maps.volume[::-1], rows=rows, noise_variance=classified.noise_variance).poses
    posterior = classified.poses.class_posterior[:6, ::-1]
    np.testing.assert_allclose(swapped.class_posterior, posterior, atol=1e-4)
    np.testing.assert_allclose(swapped.log_likelihood, classified.poses.log_likelihood[:6], rtol=1e-3)
    angle = geodesic_distance_deg(euler_to_matrix(swapped.euler_deg), euler_to_matrix(classified.poses.euler_deg[:6]))
    assert angle.max() < 0.01


def test_one_map_of_several_is_one_map(posing: Posing, found: PoseSearchResult) -> None:
    some = posing.search(volume=posing.volume[None], rows=range(6), noise_variance=found.noise_variance)
    alone = posing.search(rows=range(6), noise_variance=found.noise_variance)
    for name in PoseTable.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(some.poses, name), getattr(alone.poses, name))


def test_images_of_noise_are_explained_no_better_by_the_maps(two_maps: Posing, classified: PoseSearchResult) -> None:
    noise = np.random.default_rng(4).standard_normal((IMAGES, BOX, BOX)).astype(np.float32)
    empty = replace(two_maps, source=InMemory(noise)).search(rows=range(8))
    assert (empty.poses.log_likelihood < 2).all()
    assert np.median(empty.poses.log_likelihood) < 0
    assert (empty.poses.label == "low confidence").mean() > 0.5
    assert np.median(classified.poses.log_likelihood) > 10


def test_the_audit_counts_the_poses_of_all_maps(two_maps: Posing) -> None:
    given = posing_params(verify_bound=0.5)
    audit = two_maps.search(given, rows=range(4), resolution_angstrom=30.0, angular_step_deg=8.0).audit
    assert audit is not None
    assert audit.images == 2
    assert audit.best_pose_kept == 1.0
    assert audit.mass_lost_max < 0.05


def test_sizes_of_minibatches_may_be_left_to_the_program(posing: Posing) -> None:
    some = posing.search(posing_params(final_minibatch=0), rows=range(3))
    np.testing.assert_array_equal(some.poses.particle, [0, 1, 2])


def test_the_result_says_what_was_searched(posing: Posing, found: PoseSearchResult) -> None:
    poses, box = found.poses, posing.particles.box_angstrom
    assert found.resolution_angstrom == pytest.approx(RESOLUTION)
    assert len(found.noise_variance) == int(box / RESOLUTION)
    np.testing.assert_allclose(found.noise_variance, 1.0, atol=0.9)  # coloured, of variance 1 over the box
    assert found.shifts.extent == PARAMS.shift_extent
    assert (poses.ess >= 1 - 1e-3).all()
    assert ((poses.max_posterior > 0) & (poses.max_posterior <= 1)).all()
    assert found.stages[0].images == IMAGES
    assert found.stages[-1].radius == pytest.approx(box / RESOLUTION)
    assert 0 < found.evaluated_fraction < 0.05
    assert 0 <= found.limited_fraction <= 1
    assert found.audit is not None
    assert found.audit.images == 2
    assert 0 <= found.audit.mass_lost_mean <= found.audit.mass_lost_max <= 1
    assert not found.stopped_early


def test_chosen_rows_are_posed_as_among_all(posing: Posing, found: PoseSearchResult) -> None:
    """Given their noise, which is learnt from the images that are posed."""
    some = posing.search(rows=[17, 4, 4, 9], noise_variance=found.noise_variance)
    np.testing.assert_array_equal(some.poses.particle, [4, 9, 17])
    for name in ("euler_deg", "origin_angstrom", "log_likelihood", "ess", "max_posterior"):
        np.testing.assert_allclose(getattr(some.poses, name), getattr(found.poses, name)[[4, 9, 17]], rtol=1e-5)
    assert some.audit is None
    first = posing.search(posing_params(particles_to_use=2))
    np.testing.assert_array_equal(first.poses.particle, [0, 1])


@pytest.mark.parametrize("side", [28, 40])
def test_a_map_may_be_sampled_otherwise(posing: Posing, found: PoseSearchResult, side: int) -> None:
    """Its grey values are kept; its Nyquist planes are not."""
    resampled = volume_of(resize_spectrum(spectrum_of(posing.volume), side)) * np.float32((side / BOX) ** 3)
    some = posing.search(
        volume=resampled, rows=range(6), voxel_size_angstrom=BOX * PIXEL / side, noise_variance=found.noise_variance
    )
    np.testing.assert_allclose(some.poses.log_likelihood, found.poses.log_likelihood[:6], rtol=0.01)
    angle = geodesic_distance_deg(euler_to_matrix(some.poses.euler_deg), euler_to_matrix(found.poses.euler_deg[:6]))
    assert angle.max() < 1.0


def test_the_grid_is_the_callers(posing: Posing) -> None:
    shifts = ShiftGrid(0.13, 0.05)
    coarse = posing.search(rows=range(4), angular_step_deg=8.0, shifts=shifts, resolution_angstrom=30.0)
    assert coarse.angular_step_deg == 7.5
    assert coarse.shifts == shifts
    assert coarse.resolution_angstrom == pytest.approx(30.0)
    assert [stage.level for stage in coarse.stages][-1] == 1
    fine = posing.search(rows=range(4), angular_step_deg=1.9, shifts=shifts)
    assert fine.angular_step_deg == 1.875
    angle = geodesic_distance_deg(euler_to_matrix(fine.poses.euler_deg), posing.truth.matrices[:4])
    assert angle.max() < 8


def test_more_noise_spreads_the_posterior(posing: Posing, found: PoseSearchResult) -> None:
    noisy = posing.search(rows=range(6), noise_variance=4 * found.noise_variance)
    np.testing.assert_array_equal(noisy.noise_variance, 4 * found.noise_variance)
    assert (noisy.poses.ess > found.poses.ess[:6]).all()


def test_progress_and_stopping(posing: Posing) -> None:
    calls: list[tuple[int, int]] = []

    def on_batch(posed: int, total: int) -> None:
        calls.append((posed, total))

    stopped = posing.search(
        posing_params(final_minibatch=3), rows=range(8), on_batch=on_batch, should_stop=lambda: len(calls) == 2
    )
    assert calls == [(3, 8), (6, 8)]
    assert stopped.stopped_early
    np.testing.assert_array_equal(stopped.poses.particle, np.arange(6))
    assert stopped.stages[0].images == 6


def not_finite(volume: NDArray[np.float32]) -> NDArray[np.float32]:
    changed = volume.copy()
    changed[3, 4, 5] = np.nan
    return changed


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda v: {"volume": v[:30]}, "cube"),
        (lambda v: {"volume": v[:31, :31, :31]}, "even"),
        (lambda v: {"volume": v[0]}, "cube"),
        (lambda v: {"volume": np.stack([v, v])[:, :30]}, "cube"),
        (lambda v: {"volume": np.stack([v, not_finite(v)])}, "not numbers"),
        (lambda v: {"volume": not_finite(v)}, "not numbers"),
        (lambda v: {"voxel_size_angstrom": 4.0}, "spans 128.0 Å.*256.0 Å"),
        (lambda v: {"volume": v[:16, :16, :16]}, "36.6 Å, not 20.0 Å"),
        (lambda v: {"rows": []}, "at least one"),
        (lambda v: {"rows": [0, 24]}, "row 24"),
        (lambda v: {"rows": [-1, 3]}, "row -1"),
        (lambda v: {"rows": [0.5]}, "integers"),
        (lambda v: {"resolution_angstrom": 300.0}, "coarser than the box"),
        (lambda v: {"resolution_angstrom": -3.0}, "positive"),
        (lambda v: {"resolution_angstrom": 0.0}, "positive"),
        (lambda v: {"angular_step_deg": 0.1}, "finer than grids go"),
        (lambda v: {"angular_step_deg": float("nan")}, "finer than grids go"),
        (lambda v: {"noise_variance": np.ones(5)}, r"shape \(5,\).*12 rings"),
        (lambda v: {"noise_variance": np.zeros(12)}, "positive"),
    ],
)
def test_what_does_not_fit_is_refused(
    posing: Posing, given: Callable[[NDArray[np.float32]], dict[str, object]], message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        posing.search(**given(posing.volume))


def test_images_without_a_ctf(posing: Posing) -> None:
    """The same images, taken for pure projections, are explained less well."""
    plain = replace(posing, particles=replace(posing.particles, ctf=None))
    with_ctf, without = (each.search(rows=range(6)) for each in (posing, plain))
    assert with_ctf.poses.log_likelihood.mean() > without.poses.log_likelihood.mean()


def test_images_multiplied_by_their_ctf_find_the_same_poses(posing: Posing, found: PoseSearchResult) -> None:
    ctf = posing.truth.ctf
    kx, ky = np.meshgrid(np.fft.rfftfreq(BOX, 1 / BOX), np.fft.fftfreq(BOX, 1 / BOX))
    transfer = evaluate_ctf(ctf, kx.ravel(), ky.ravel(), BOX * PIXEL).reshape(IMAGES, BOX, -1)
    spectra = np.fft.rfft2(np.fft.ifftshift(posing.truth.images, axes=(1, 2))) * transfer
    multiplied = np.fft.fftshift(np.fft.irfft2(spectra, s=(BOX, BOX)), axes=(1, 2)).astype(np.float32)
    known = replace(posing.particles, ctf=replace(ctf, premultiplied=np.ones(IMAGES)))
    result = search_poses(known, InMemory(multiplied), posing.volume, PARAMS, resolution_angstrom=RESOLUTION)
    poses = [euler_to_matrix(each.poses.euler_deg) for each in (result, found)]
    assert np.mean(geodesic_distance_deg(*poses) < 2 * found.angular_step_deg) >= 0.9
    assert (result.poses.log_likelihood > 0).all()
    misled = search_poses(
        posing.particles, InMemory(multiplied), posing.volume, PARAMS, resolution_angstrom=RESOLUTION
    ).poses
    assert np.median(misled.log_likelihood) < np.median(result.poses.log_likelihood)
