"""What a benchmark says agrees with itself, and with the search that it measured."""

from dataclasses import replace

import numpy as np
import pytest

from coldstart.engine import memory
from coldstart.engine.bench import FIRST_OF_A_STAGE, STEPS, bench, stage_seconds
from coldstart.engine.bench_map import BenchMap, given_map, short_run_map
from coldstart.engine.peak import device_peak_gflops, numpy_product
from coldstart.engine.update import resize_maps
from coldstart.errors import ParameterError
from coldstart.model.fsc import fourier_shell_correlation
from coldstart.model.so3 import random_rotations
from coldstart.params import AbInitioParams

PARAMS = AbInitioParams(max_resolution_angstrom=24.0, final_minibatch=20, initial_minibatch=20)


@pytest.fixture(autouse=True)
def small_copies(monkeypatch):
    monkeypatch.setattr(memory, "COPY_BYTES", 2**20)


@pytest.fixture
def truth(rng, simulated):
    return simulated(random_rotations(rng, 60), np.zeros((60, 2)), snr=2.0)


@pytest.fixture
def subject(truth, profiled):
    return given_map(truth.particles, truth.source, PARAMS, profiled, truth.volume, "truth.mrc")


def test_a_given_map_is_brought_to_the_grey_scale_of_the_images(truth, subject, profiled):
    darker = given_map(truth.particles, truth.source, PARAMS, profiled, 1e-3 * truth.volume, "dark.mrc")
    np.testing.assert_allclose(darker.volumes, subject.volumes, rtol=1e-3, atol=1e-3 * np.abs(subject.volumes).max())
    own = float(np.vdot(truth.volume, truth.volume))
    (found,) = resize_maps(subject.volumes, truth.volume.shape[0])
    assert 0.7 < float(np.vdot(found, truth.volume)) / own < 1.3


def test_a_map_that_the_images_do_not_show_is_refused(truth, profiled):
    with pytest.raises(ParameterError, match=r"--volume other\.mrc.*--invert"):
        given_map(truth.particles, truth.source, PARAMS, profiled, -truth.volume, "other.mrc")


def test_a_short_run_makes_a_map_and_ordinary_noise(truth, profiled):
    made = short_run_map(truth.particles, truth.source, PARAMS, profiled)
    (volume,) = made.volumes
    assert len(volume) % 2 == 0
    assert np.isfinite(volume).all()
    assert fourier_shell_correlation(volume, volume)[1] == pytest.approx(1.0)
    assert 0.1 < np.median(made.noise_variance) < 10
    assert "short run" in made.origin


@pytest.mark.parametrize("kind", ["learning", "posing"])
def test_figures_agree_with_each_other(truth, subject, profiled, kind):
    measured = bench(truth.particles, truth.source, PARAMS, profiled, subject, 40, kind)
    assert measured.images == 40
    assert tuple(measured.steps) == STEPS
    assert all(seconds > 0 for seconds in measured.steps.values())
    assert sum(measured.steps.values()) <= measured.wall_seconds
    assert all(stage.seconds > 0 for stage in measured.stages)
    assert sum(stage.seconds for stage in measured.stages) == pytest.approx(measured.steps["search"], rel=0.2)
    assert all(stage.count.images == 40 for stage in measured.stages)
    assert 0 < measured.pose_share < 1
    assert 0 < measured.product_share < 1
    kernels = {kernel.kernel: kernel for kernel in measured.kernels}
    products = sum(stage.count.products for stage in measured.stages[1:])
    scored = sum(kernels[name].work for name in ("score_cells", "score_poses") if name in kernels)
    assert 4 * products < scored < 80 * products
    assert measured.peak_share(kernels["score_grid"]) > 0
    assert measured.peak_share(kernels["insert_slices"]) is None
    for name in ("make_slices", "insert_slices"):
        kernel, bound = kernels[name], measured.memory_bound_seconds(kernels[name])
        assert 1e9 * bound * measured.memory_rates[name] == pytest.approx(kernel.bytes)
        assert measured.times_memory_bound(kernel) == pytest.approx(kernel.seconds / bound)
    assert measured.memory_rates["copy"] > 0
    assert measured.memory_bound_seconds(kernels["score_grid"]) is None
    assert measured.times_memory_bound(kernels["score_grid"]) is None
    assert measured.grid.product_flop == 4 * measured.stages[0].count.products
    assert measured.grid.energies == measured.stages[0].count.candidates
    assert measured.grid.gflops > 0
    assert measured.grid.product_seconds > 0


def test_more_images_than_there_are(truth, subject, profiled):
    few = replace(truth.particles, count=3)
    measured = bench(few, truth.source, PARAMS, profiled, subject, 1000, "learning")
    assert measured.images == 2
    one = replace(truth.particles, count=1)
    assert bench(one, truth.source, PARAMS, profiled, subject, 1000, "learning").images == 1


def test_stages_are_told_apart_by_their_first_kernel():
    class Launched:
        def __init__(self, kernel, enqueued):
            self.kernel, self.enqueued = kernel, enqueued

    launches = [Launched("ring_powers", 1.0), Launched(FIRST_OF_A_STAGE, 1.5), Launched("score_grid", 2.0)]
    launches += [Launched(FIRST_OF_A_STAGE, 4.0), Launched("score_cells", 4.5)]
    assert stage_seconds(launches, 0.5, 7.0, 1).tolist() == [3.5, 3.0]
    launches += [Launched(FIRST_OF_A_STAGE, 7.0)]  # a second look
    assert stage_seconds(launches, 0.5, 9.0, 1).tolist() == [3.5, 5.0]


def test_a_benchmark_needs_profiling(truth, session):
    subject = BenchMap(truth.volume[None], np.ones(9), "a map")
    with pytest.raises(ValueError, match="profiling"):
        bench(truth.particles, truth.source, PARAMS, session, subject, 4, "learning")


def test_peaks_are_positive_and_finite(profiled):
    assert 0 < device_peak_gflops(profiled) < 1e7
    product = numpy_product(20, 100)
    assert 0 < product.gflops < 1e6
    assert product.cores >= 0
