"""The real job, from a particle table to a run folder, judged against the truth of a simulated set."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from coldstart.api import run_job
from coldstart.demo.compare import Agreement
from coldstart.demo.files import DemoSet, write_demo_set
from coldstart.demo.score import score_run
from coldstart.engine import reference
from coldstart.engine.images import ImagePreparer
from coldstart.errors import ParameterError
from coldstart.io.mrc import read_map
from coldstart.io.results import RunFolder
from coldstart.io.star import read_particles
from coldstart.model.ctf import evaluate_ctf, take_rows
from coldstart.model.fourier import spectrum_of, trilinear_envelope
from coldstart.model.particles import Particles
from coldstart.model.polar import PolarPlane
from coldstart.model.so3 import euler_to_matrix
from coldstart.params import AbInitioParams

IMAGES, BOX, PIXEL = 500, 32, 7.0
PARAMS = AbInitioParams(initial_iterations=60, final_iterations=40, seed=1)


@pytest.fixture(scope="module")
def demo_set(tmp_path_factory: pytest.TempPathFactory) -> DemoSet:
    return write_demo_set(
        tmp_path_factory.mktemp("set"), 5, images=IMAGES, box_px=BOX, pixel_size_angstrom=PIXEL, snr=0.4
    )


@pytest.fixture(scope="module")
def run(demo_set: DemoSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("job") / "run"
    run_job(demo_set.particles_path, folder, PARAMS)
    return folder


@pytest.fixture(scope="module")
def agreement(run: Path, demo_set: DemoSet) -> Agreement:
    return score_run(run, demo_set.truth)


def test_the_map_is_the_molecule(agreement: Agreement) -> None:
    assert agreement.resolution_angstrom < 16.5  # the pixels of 7 Å end at 14 Å


def test_the_poses_are_those_of_the_images(agreement: Agreement) -> None:
    assert agreement.median_angle_deg < 4.0
    assert agreement.median_origin_angstrom < 0.5 * PIXEL
    assert agreement.near_fraction > 0.8


def test_the_map_is_in_the_grey_scale_of_the_images(run: Path) -> None:
    """Its projections at its own poses are the normalised images, once and not some times over."""
    volume, voxel = read_map(RunFolder(run).volume_path(1, 1))
    assert volume.shape == (BOX, BOX, BOX)
    assert voxel == pytest.approx(PIXEL)
    particles, source = read_particles(RunFolder(run).particles_path)
    rows, plane = np.arange(0, IMAGES, 5), PolarPlane(in_plane=48, rings=10)
    weight = np.sqrt(plane.weights[plane.points])
    images = ImagePreparer(particles, source, PARAMS, plane).coefficients(rows)[:, plane.points] * weight
    predicted = _predicted_coefficients(volume, particles, rows, plane)[:, plane.points] * weight
    slope = np.vdot(predicted, images).real / np.vdot(predicted, predicted).real
    assert slope == pytest.approx(1.0, abs=0.1)


def _predicted_coefficients(
    volume: NDArray[np.float32], particles: Particles, rows: NDArray[np.int64], plane: PolarPlane
) -> NDArray[np.complex128]:
    """Coefficients of the map's projections at the poses of a table, (len(rows), stride)."""
    euler, origin = (
        np.stack([particles.table.columns[f"rln{name}"][rows].astype(float) for name in names], axis=1)
        for names in (("AngleRot", "AngleTilt", "AnglePsi"), ("OriginXAngst", "OriginYAngst"))
    )
    matrices, (kx, ky) = euler_to_matrix(euler), plane.frequencies.T
    axes = np.zeros((len(rows), 8))
    axes[:, 0:3], axes[:, 4:7] = 2 * matrices[:, 0], 2 * matrices[:, 1]
    spectrum = spectrum_of(volume / trilinear_envelope(2 * BOX, BOX), 2 * BOX)
    slices = reference.slices(spectrum, kx, ky, axes, plane.stride) / BOX
    transfer = evaluate_ctf(take_rows(particles.ctf, rows), kx, ky, particles.box_angstrom)
    moved = np.exp(2j * np.pi * origin @ plane.frequencies.T / particles.box_angstrom)
    return transfer * moved * slices


def test_every_particle_is_in_the_table_once(run: Path, demo_set: DemoSet) -> None:
    table, _ = read_particles(RunFolder(run).particles_path)
    truth, _ = read_particles(demo_set.particles_path)
    numbers = [name.split("@")[0] for name in table.table.columns["rlnImageName"]]
    assert numbers == [name.split("@")[0] for name in truth.table.columns["rlnImageName"]]
    assert not RunFolder(run).unused_path.exists()


def test_the_summary_tells_the_run(run: Path) -> None:
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "completed"
    assert summary["particles_used"] == IMAGES
    assert summary["particles_unused"] == 0
    assert summary["peak_device_bytes"] > 0
    assert summary["image_visits"] > IMAGES
    posing_pass = 1
    assert len((run / "log.jsonl").read_text().splitlines()) == summary["iterations"] + posing_pass


def test_same_seed_same_bytes(run: Path, demo_set: DemoSet, tmp_path_factory: pytest.TempPathFactory) -> None:
    again = tmp_path_factory.mktemp("job") / "run"
    run_job(demo_set.particles_path, again, PARAMS)
    for name in ("volume.mrc", "particles.star"):
        assert _digest(again / name) == _digest(run / name), name


def test_first_particles_alone(demo_set: DemoSet, tmp_path: Path) -> None:
    few = PARAMS.model_copy(update={"particles_to_use": 120, "initial_iterations": 2, "final_iterations": 1})
    quick = few.model_copy(update={"fourier_radius_step": 5.0})
    run_job(demo_set.particles_path, tmp_path / "run", quick)
    folder = RunFolder(tmp_path / "run")
    used, _ = read_particles(folder.particles_path)
    unused, _ = read_particles(folder.unused_path)
    numbers = [int(name.split("@")[0]) for name in used.table.columns["rlnImageName"]]
    assert max(numbers) <= 120
    assert used.count + unused.count == IMAGES


@pytest.mark.parametrize("change", [{"classes": 2}, {"symmetry": "D2"}])
def test_what_is_not_there_is_refused_before_anything_is_written(
    demo_set: DemoSet, tmp_path: Path, change: dict[str, object]
) -> None:
    with pytest.raises(ParameterError, match="as yet"):
        run_job(demo_set.particles_path, tmp_path / "run", PARAMS.model_copy(update=change))
    assert not (tmp_path / "run").exists()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
