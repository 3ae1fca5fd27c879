"""The real job, from a particle table to a run folder, judged against the truth of a simulated set."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import starfile
from numpy.typing import NDArray

from coldstart.api import run_job
from coldstart.demo.compare import Agreement
from coldstart.demo.files import DemoSet, write_demo_set
from coldstart.demo.score import score_run
from coldstart.engine import reference
from coldstart.engine.images import ImagePreparer
from coldstart.errors import ParameterError
from coldstart.io.mrc import read_map, write_map
from coldstart.io.particle_files import read_particles
from coldstart.io.results import RunFolder
from coldstart.model.ctf import evaluate_ctf, take_rows
from coldstart.model.fourier import spectrum_of, trilinear_envelope
from coldstart.model.particles import Particles
from coldstart.model.polar import PolarPlane
from coldstart.model.so3 import euler_to_matrix
from coldstart.model.state import IterationStats
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


def test_a_map_that_the_images_do_not_recognise_is_noted(
    run: Path, demo_set: DemoSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The right one is recognised at once; where there is nothing but noise the run waits, and says so."""
    assert not any("recognise" in note for note in RunFolder(run).load_summary().notes)
    images = np.random.default_rng(1).standard_normal((IMAGES, BOX, BOX)).astype(np.float32)
    monkeypatch.setattr("coldstart.io.mrc.MrcStackSource.read", lambda _, rows: images[rows])
    params = PARAMS.model_copy(update={"final_iterations": 1, "waiting_iterations": 15, "particles_to_use": 200})
    summary = run_job(demo_set.particles_path, tmp_path / "run", params)
    assert any("did not recognise the map in 15 iterations at 25 Å" in note for note in summary.notes)


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
    slices = reference.slices(spectrum[None], kx, ky, axes, plane.stride) / BOX
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
    summary = run_job(demo_set.particles_path, tmp_path / "run", quick)
    folder = RunFolder(tmp_path / "run")
    tables = [path for path in (folder.particles_path, folder.unused_path) if path.exists()]
    names = [name for path in tables for name in read_particles(path)[0].table.columns["rlnImageName"].tolist()]
    assert sorted(int(name.split("@")[0]) for name in names) == list(range(1, 121))
    assert (summary.particles_used or 0) + (summary.particles_unused or 0) == 120


FEW = 150
QUICK = PARAMS.model_copy(
    update={
        "particles_to_use": FEW,
        "initial_iterations": 12,
        "final_iterations": 2,
        "fourier_radius_step": 5.0,
        "class_similarity_start": 6,
        "class_similarity_end": 10,
    }
)


@pytest.mark.parametrize(
    "change",
    [
        {"classes": 3},
        {"classes": 2, "symmetry": "C3"},
        {"symmetry": "D2"},
        {"all_particles": True, "initial_minibatch": 9, "final_minibatch": 9},
        {"initial_minibatch": 9, "final_minibatch": 9},
        {"classes": 2, "initial_minibatch": 0, "final_minibatch": 0},
    ],
    ids=str,
)
def test_every_particle_is_accounted_for(demo_set: DemoSet, tmp_path: Path, change: dict[str, object]) -> None:
    """Whatever the classes and the symmetry: each row of the input is in one table, once, and the counts add up."""
    params, folder = QUICK.model_copy(update=change), RunFolder(tmp_path / "run")
    summary = run_job(demo_set.particles_path, folder.path, params)
    numbers = list(range(1, params.classes + 1))
    tables = [folder.class_table_path(n) for n in numbers] if params.classes > 1 else [folder.particles_path]
    tables = [path for path in (*tables, folder.unused_path) if path.exists()]
    rows = [row for path in tables for row in _image_numbers(path)]
    assert sorted(rows) == list(range(1, FEW + 1))
    assert (summary.particles_used or 0) + (summary.particles_unused or 0) == FEW
    assert sum(entry.particles for entry in summary.classes) == len(rows) - len(_image_numbers(folder.unused_path))
    assert summary.symmetry == params.symmetry
    for number in numbers:
        volume, _ = read_map(folder.volume_path(number, params.classes))
        assert np.isfinite(volume).all()
    if params.classes > 1 or params.all_particles:
        assert not folder.unused_path.exists()


def test_how_many_particles_are_posed_is_told_and_not_logged(demo_set: DemoSet, tmp_path: Path) -> None:
    told: list[IterationStats] = []
    params = QUICK.model_copy(update={"final_minibatch": 40, "all_particles": True})
    run_job(
        demo_set.particles_path, tmp_path / "run", params, on_iteration=lambda snapshot: told.append(snapshot.stats)
    )
    *on_the_way, whole = (stats for stats in told if stats.phase == "posing")
    assert len(on_the_way) >= 3
    assert all(stats.is_posing_on for stats in on_the_way)
    assert not whole.is_posing_on
    assert {stats.minibatch + stats.visits_ahead for stats in on_the_way} == {whole.minibatch} == {FEW}
    assert np.all(np.diff([stats.minibatch for stats in (*on_the_way, whole)]) > 0)
    logged = RunFolder(tmp_path / "run").load_iterations()
    assert list(logged) == [stats for stats in told if not stats.is_posing_on]
    assert np.all(np.diff([stats.visits_ahead for stats in logged]) <= 0)
    assert logged[-1].visits_ahead == 0


def test_a_run_starts_from_a_given_volume(demo_set: DemoSet, run: Path, tmp_path: Path) -> None:
    """Every class from a variant of it; a map of another box is refused before anything is written."""
    given = {"initial_volume": str(RunFolder(run).volume_path(1, 1)), "classes": 2}
    run_job(demo_set.particles_path, tmp_path / "run", QUICK.model_copy(update=given))
    assert (tmp_path / "run" / "volume_class_2.mrc").is_file()
    wrong = QUICK.model_copy(update={"initial_volume": str(_map_of_another_box(tmp_path))})
    with pytest.raises(ParameterError, match="--initial-volume"):
        run_job(demo_set.particles_path, tmp_path / "refused", wrong)
    assert not (tmp_path / "refused").exists()


def test_an_unknown_symmetry_is_refused_before_anything_is_written(demo_set: DemoSet, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="X7"):
        run_job(demo_set.particles_path, tmp_path / "run", PARAMS.model_copy(update={"symmetry": "X7"}))
    assert not (tmp_path / "run").exists()


def _image_numbers(table: Path) -> list[int]:
    """Numbers of the images in a table; none where it has no rows, or is not there."""
    if not table.exists():
        return []
    names = starfile.read(table, always_dict=True, parse_as_string=["rlnImageName"])["particles"]["rlnImageName"]
    return [int(str(name).split("@")[0]) for name in np.atleast_1d(np.asarray(names))]


def _map_of_another_box(folder: Path) -> Path:
    write_map(folder / "small.mrc", np.ones((BOX, BOX, BOX), np.float32), 0.5 * PIXEL)
    return folder / "small.mrc"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
