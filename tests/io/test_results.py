import json
import math
import os
from dataclasses import replace
from zipfile import ZipFile

import numpy as np
import pytest

from coldstart.errors import OutputError
from coldstart.io.class_records import CandidateSummary, ClassSummary, HalfSummary, OrientationSummary, SymmetrySummary
from coldstart.io.mrc import read_map
from coldstart.io.particle_files import read_particles
from coldstart.io.results import RunFolder
from coldstart.io.run_records import SearchSummary, Summary
from coldstart.model.orientation_report import Evenness
from coldstart.model.state import BoundAudit, IterationStats, Snapshot, StageCount
from coldstart.params import AbInitioParams

STATS = IterationStats(
    iteration=3,
    iterations=500,
    phase="marching",
    resolution_angstrom=30.5,
    fourier_radius=8.04,
    minibatch=90,
    learning_rate=0.4,
    noise_scale=12.0,
    ess_rotations=40.0,
    ess_poses=3.0,
    ess_fraction=0.01,
    angular_step_deg=7.5,
    log_likelihood=-12.25,
    map_change=0.02,
    image_visits=270,
    sampled_fraction=0.0,
    seconds=0.5,
    limited_fraction=0.25,
    evaluated_fraction=0.002,
    stages=(StageCount(0, 8.0, 90, 9000, 900, 100_000), StageCount(1, 8.04, 90, 28800, 180, 300_000)),
    audit=BoundAudit(4, 0.75, 0.01, 0.03),
    class_shares=(0.625, 0.375),
    class_similarity=0.1,
    class_ess=1.5,
    waiting=True,
)
# What the first version wrote, which had no stages and no audits.
ADDED_TO_LOG = (
    "limited_fraction",
    "evaluated_fraction",
    "stages",
    "audit",
    "class_shares",
    "class_similarity",
    "class_ess",
    "waiting",
)
ADDED_TO_SUMMARY = ("search", "verify_bound", "symmetry", "resolution_angstrom", "class_similarity")
ADDED_TO_CLASSES = ("particles", "flatness", "is_noise")


@pytest.fixture
def folder(tmp_path):
    return RunFolder.create(tmp_path / "deep" / "run")


def strip(path, keys):
    record = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in record.items() if key not in keys}) + "\n")


def test_create_makes_the_folder_with_its_parents(folder):
    assert folder.path.is_dir()
    assert folder.load_iterations() == ()
    assert folder.load_snapshots() == ()


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "run").mkdir()
    assert RunFolder.create(tmp_path / "run").path == tmp_path / "run"


def test_a_folder_in_use_is_refused_and_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="is not empty: choose another one"):
        RunFolder.create(tmp_path)
    with pytest.raises(OutputError, match="is a file"):
        RunFolder.create(tmp_path / "notes.txt")
    with pytest.raises(OutputError, match="cannot be made"):
        RunFolder.create(tmp_path / "notes.txt" / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_what_a_killed_run_leaves_at_its_start_is_nothing(folder):
    (folder.path / ".lock").touch()
    (folder.path / ".checkpoint.npz.7.tmp").touch()
    assert RunFolder.create(folder.path) == folder
    folder.write_snapshot(Snapshot(STATS, np.ones((1, 6, 6, 6), np.float32), 3.0))
    with pytest.raises(OutputError, match="is not empty"):
        RunFolder.create(folder.path)


def test_a_folder_with_a_checkpoint_says_how_it_goes_on(folder):
    folder.checkpoint_path.touch()
    with pytest.raises(OutputError, match="holds a run that can go on: continue it with 'coldstart resume'"):
        RunFolder.create(folder.path)


def test_rewinding_drops_what_came_after(folder):
    rows = tuple(replace(STATS, iteration=number) for number in range(1, 6))
    for row in rows:
        folder.append_iteration(row)
        folder.write_snapshot(Snapshot(row, np.ones((2, 6, 6, 6), np.float32), 3.0))
    whole = (folder.path / "log.jsonl").read_bytes()
    (folder.path / ".volume.mrc.7.tmp").touch()
    (folder.path / "snapshots" / ".iteration_00001_class_1.mrc.7.tmp").touch()
    folder.rewind(rows[:4], lambda iteration: iteration % 2 == 0)
    assert folder.load_iterations() == rows[:4]
    assert whole.startswith((folder.path / "log.jsonl").read_bytes())
    assert [(entry.iteration, entry.class_number) for entry in folder.load_snapshots()] == [
        (2, 1),
        (2, 2),
        (4, 1),
        (4, 2),
    ]
    assert not list(folder.path.rglob("*.tmp"))


def test_a_line_of_the_log_that_does_not_fit_leaves_the_log_as_it_was(folder):
    """A limit on the size of files cuts the line off, as a full disk does."""
    resource = pytest.importorskip("resource")
    folder.append_iteration(STATS)
    before = (folder.path / "log.jsonl").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, hard))
    try:
        with pytest.raises(OutputError, match=r"log\.jsonl cannot be written: File too large"):
            folder.append_iteration(STATS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (folder.path / "log.jsonl").read_bytes() == before


def test_params_round_trip(folder):
    params = AbInitioParams(seed=7, max_resolution_angstrom=9.5)
    folder.write_params(params)
    assert folder.load_params() == params
    assert json.loads((folder.path / "params.json").read_text())["seed"] == 7


def test_iterations_are_lines_of_plain_json(folder):
    unknown = replace(STATS, iteration=4, log_likelihood=math.nan, map_change=math.inf)
    folder.append_iteration(STATS)
    folder.append_iteration(unknown)
    lines = (folder.path / "log.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["resolution_angstrom"] == 30.5
    assert json.loads(lines[1])["log_likelihood"] is None
    assert json.loads(lines[1])["map_change"] is None
    first, second = folder.load_iterations()
    assert first == STATS
    assert math.isnan(second.log_likelihood)


def test_numpy_numbers_are_plain_json(folder):
    folder.append_iteration(replace(STATS, seconds=np.float32(0.5), minibatch=np.int64(90)))
    assert folder.load_iterations() == (STATS,)


def test_a_last_line_cut_off_by_a_crash_is_left_out(folder):
    folder.append_iteration(STATS)
    with (folder.path / "log.jsonl").open("a") as log:
        log.write('{"iteration": 4, "iter')
    assert folder.load_iterations() == (STATS,)


def test_summary_has_its_keys_from_the_start(folder):
    folder.write_summary(Summary(status="running", seed=5))
    record = json.loads((folder.path / "summary.json").read_text())
    assert list(record) == [
        "status",
        "seed",
        "device",
        "wall_seconds",
        "cpu_seconds",
        "peak_host_bytes",
        "peak_device_bytes",
        "iterations",
        "image_visits",
        "particles_used",
        "particles_unused",
        "symmetry",
        "resolution_angstrom",
        "classes",
        "class_similarity",
        "converged",
        "search",
        "verify_bound",
        "notes",
    ]
    assert record["status"] == "running"
    assert record["wall_seconds"] is None


def test_summary_round_trip(folder):
    halves = HalfSummary(False, 12.0, 14.5, 13.0, 15.5, 0.1, masked=(1.0, 0.9), unmasked=(1.0, 0.8))
    axes = (0.0, 0.6, 0.8), (0.0, 0.8, 0.6)
    views = OrientationSummary(
        True, 0.6, 0.7, 0.9, 0.15, *axes, 3.6, 0.7, (1.0, 0.0, 0.0), 14.0, 12.0, Evenness(0.8, 0.9, 1.0, 0.4)
    )
    shown = SymmetrySummary("C3", True, (CandidateSummary("C3", 0.9, (0.0, 0.6, 0.8)),))
    summary = Summary(
        status="completed",
        seed=5,
        device="a device",
        wall_seconds=12.5,
        particles_used=10,
        symmetry="D7",
        resolution_angstrom=12.0,
        classes=(
            ClassSummary(1, 14.2, 0.75, 6, 0.9, halves=halves, symmetry=shown, orientation=views),
            ClassSummary(2, None, 0.25, 2, 0.5, is_noise=True),
        ),
        class_similarity=((1.0, 0.5), (0.5, 1.0)),
        converged=True,
        search=SearchSummary(0.001, 0.5, 0.02, 0.25, 3.75),
        verify_bound=BoundAudit(7, 1.0, 1e-5, 2e-5),
        notes=("one", "two"),
    )
    folder.write_summary(Summary(status="running", seed=5))
    folder.write_summary(summary)
    assert folder.load_summary() == summary
    classes = json.loads((folder.path / "summary.json").read_text())["classes"]
    assert classes[0] == {
        "class": 1,
        "resolution_angstrom": 14.2,
        "particle_share": 0.75,
        "particles": 6,
        "flatness": 0.9,
        "is_noise": False,
        "halves": {
            "independent": False,
            "masked_0143_angstrom": 12.0,
            "masked_05_angstrom": 14.5,
            "unmasked_0143_angstrom": 13.0,
            "unmasked_05_angstrom": 15.5,
            "mask_share": 0.1,
            "masked": [1.0, 0.9],
            "unmasked": [1.0, 0.8],
        },
        "symmetry": {
            "group": "C3",
            "is_conclusive": True,
            "candidates": [{"group": "C3", "correlation": 0.9, "axis": [0.0, 0.6, 0.8]}],
        },
        "orientation": {
            "misses_views": True,
            "efficiency": 0.6,
            "compensation": 0.7,
            "filled": 0.9,
            "least_sampling": 0.15,
            "least_axis": [0.0, 0.6, 0.8],
            "main_view": [0.0, 0.8, 0.6],
            "main_density": 3.6,
            "cone_ratio": 0.7,
            "worst_axis": [1.0, 0.0, 0.0],
            "worst_angstrom": 14.0,
            "best_angstrom": 12.0,
            "drawn": {"efficiency": 0.8, "compensation": 0.9, "filled": 1.0, "least_sampling": 0.4},
        },
    }
    assert classes[1]["is_noise"]
    assert classes[1]["halves"] is None


def test_summary_names_the_figures_of_the_search_and_of_its_audit(folder):
    search, audit = SearchSummary(0.001, 0.5, 0.02, 0.25, 3.75), BoundAudit(7, 1.0, 1e-5, 2e-5)
    folder.write_summary(Summary(status="completed", seed=5, search=search, verify_bound=audit))
    record = json.loads((folder.path / "summary.json").read_text())
    assert record["search"] == {
        "evaluated_fraction": 0.001,
        "limited_fraction": 0.5,
        "iterations_evaluated_fraction": 0.02,
        "iterations_limited_fraction": 0.25,
        "angular_step_deg": 3.75,
    }
    assert record["verify_bound"] == {
        "images": 7,
        "best_pose_kept": 1.0,
        "mass_lost_mean": 1e-5,
        "mass_lost_max": 2e-5,
    }


def test_search_of_a_run_is_that_of_its_final_pass_and_the_mean_of_its_iterations():
    """4 of 10 thousand products and 6 of 30 thousand are a quarter of all."""
    one, other = (replace(STATS.stages[0], products=products) for products in (4000, 6000))
    first = replace(STATS, minibatch=100, stages=(one,), evaluated_fraction=0.4, limited_fraction=1.0)
    second = replace(STATS, minibatch=300, stages=(other,), evaluated_fraction=0.2, limited_fraction=0.0)
    final = replace(STATS, phase="posing", evaluated_fraction=0.01, limited_fraction=0.5, angular_step_deg=1.875)
    search = SearchSummary.of((first, second, final))
    assert (search.evaluated_fraction, search.limited_fraction, search.angular_step_deg) == (0.01, 0.5, 1.875)
    assert search.iterations_evaluated_fraction == pytest.approx(0.25)
    assert search.iterations_limited_fraction == pytest.approx(0.25)
    assert SearchSummary.of((final,)).iterations_evaluated_fraction == 0.0


def test_run_folders_of_earlier_versions_are_read(folder):
    folder.write_summary(Summary(status="completed", seed=5, classes=(ClassSummary(1, 14.2, 1.0),), notes=("one",)))
    folder.append_iteration(STATS)
    strip(folder.path / "summary.json", ADDED_TO_SUMMARY)
    strip(folder.path / "log.jsonl", ADDED_TO_LOG)
    summary_path = folder.path / "summary.json"
    record = json.loads(summary_path.read_text())
    entries = [{key: entry[key] for key in entry if key not in ADDED_TO_CLASSES} for entry in record["classes"]]
    summary_path.write_text(json.dumps({**record, "classes": entries}) + "\n")
    summary = folder.load_summary()
    assert (summary.search, summary.verify_bound) == (None, None)
    assert (summary.seed, summary.classes, summary.notes) == (5, (ClassSummary(1, 14.2, 1.0),), ("one",))
    assert (summary.symmetry, summary.resolution_angstrom, summary.class_similarity) == ("C1", None, None)
    (stats,) = folder.load_iterations()
    assert stats == replace(
        STATS,
        limited_fraction=0.0,
        evaluated_fraction=0.0,
        stages=(),
        audit=None,
        class_shares=(),
        class_similarity=0.0,
        class_ess=1.0,
        waiting=False,
    )


def test_a_similarity_that_is_not_known_is_read_as_nan(folder):
    folder.write_summary(Summary(status="completed", seed=5, class_similarity=((1.0, math.nan), (math.nan, 1.0))))
    (first, _) = folder.load_summary().class_similarity
    assert first[0] == 1.0
    assert math.isnan(first[1])


def test_keys_of_later_versions_are_passed_over(folder):
    folder.write_summary(Summary(status="completed", seed=5))
    folder.append_iteration(STATS)
    for name in ("summary.json", "log.jsonl"):
        path = folder.path / name
        path.write_text(json.dumps({**json.loads(path.read_text()), "from_the_future": 1}) + "\n")
    assert folder.load_summary() == Summary(status="completed", seed=5)
    assert folder.load_iterations() == (STATS,)


def test_reading_what_is_no_run_folder(tmp_path):
    with pytest.raises(OutputError, match=r"summary\.json cannot be read"):
        RunFolder(tmp_path).load_summary()


@pytest.mark.parametrize(
    ("content", "message"),
    [("[1]", "no JSON object"), ('{"status": "completed"}', "seed is missing"), ("{", "cannot be read")],
)
def test_a_summary_of_something_else_is_refused(tmp_path, content, message):
    (tmp_path / "summary.json").write_text(content)
    with pytest.raises(OutputError, match=message):
        RunFolder(tmp_path).load_summary()


def test_a_damaged_line_of_the_log_is_named(folder):
    folder.append_iteration(STATS)
    with (folder.path / "log.jsonl").open("a") as log:
        log.write('{"iteration": 4}\n')
    with pytest.raises(OutputError, match=r"log\.jsonl, line 2, is no record of an iteration: iterations is missing"):
        folder.load_iterations()


def test_snapshots_are_listed_by_iteration_and_class(folder):
    volumes = np.random.default_rng(0).normal(size=(2, 6, 6, 6)).astype(np.float32)
    for iteration in (100, 20):
        folder.write_snapshot(Snapshot(replace(STATS, iteration=iteration), volumes, 3.0))
    found = folder.load_snapshots()
    assert [(entry.iteration, entry.class_number) for entry in found] == [(20, 1), (20, 2), (100, 1), (100, 2)]
    assert found[0].path.name == "iteration_00020_class_1.mrc"
    volume, voxel_size = read_map(found[3].path)
    np.testing.assert_array_equal(volume, volumes[1])
    assert voxel_size == pytest.approx(3.0)


ONE_CLASS = {
    "volume.mrc",
    "volume_flipped.mrc",
    "particles.star",
    "particles_flipped.star",
    "particles_unused.star",
}
TWO_CLASSES = {
    "volume_class_1.mrc",
    "volume_class_1_flipped.mrc",
    "volume_class_2.mrc",
    "volume_class_2_flipped.mrc",
    "particles_all_classes.star",
    "particles_all_classes_flipped.star",
    "particles_class_1.star",
    "particles_class_2.star",
}


def files(folder):
    return {path.name for path in folder.path.iterdir() if path.is_file()}


def test_result_of_one_class_with_unused_particles(folder, small_set, made_up_result):
    particles, source = read_particles(small_set)
    result = made_up_result(np.ones((2, 1)))
    folder.write_result(particles, result, source)
    assert files(folder) == ONE_CLASS
    np.testing.assert_array_equal(read_map(folder.volume_path(1, 1))[0], result.volumes[0])
    used, used_source = read_particles(folder.particles_path)
    unused, _ = read_particles(folder.unused_path)
    assert (used.count, unused.count) == (2, 1)
    np.testing.assert_array_equal(used_source.read(np.arange(2)), source.read(np.arange(2)))


def test_a_result_replaces_one_that_had_unused_particles(folder, small_set, made_up_result):
    particles, source = read_particles(small_set)
    particles = particles.first(3)
    folder.write_result(particles, made_up_result(np.ones((2, 1))), source)
    assert folder.unused_path.exists()
    folder.write_result(particles, made_up_result(np.ones((3, 1))), source)
    assert files(folder) == ONE_CLASS - {"particles_unused.star"}


def test_result_of_several_classes_with_all_particles(folder, small_set, made_up_result):
    particles, source = read_particles(small_set)
    folder.write_result(particles, made_up_result(np.array([[0.9, 0.1], [0.2, 0.8], [1.0, 0.0]])), source)
    assert files(folder) == TWO_CLASSES


def test_half_maps_are_written_in_the_box_of_the_map(folder, small_set, made_up_result):
    particles, source = read_particles(small_set)
    rng = np.random.default_rng(0)
    result = made_up_result(np.full((3, 2), 0.5))
    box = result.volumes.shape[-1]
    halves = rng.normal(size=(2, 2, box - 2, box - 2, box - 2)).astype(np.float32)
    folder.write_result(particles, replace(result, half_volumes=halves), source)
    names = {f"volume_class_{number}_half{half}.mrc" for number in (1, 2) for half in (1, 2)}
    assert files(folder) == TWO_CLASSES | names
    volume, voxel_size = read_map(folder.half_path(2, 2, 1))
    assert volume.shape == (box,) * 3
    assert voxel_size == pytest.approx(result.pixel_size_angstrom)
    # In the grey scale of the map: the engine's values times the side of the box, and its voxels the fewer.
    assert volume.sum() == pytest.approx(halves[1, 0].sum() * box, rel=1e-3)


def test_snapshots_are_in_the_archive_too(folder, small_set, made_up_result):
    particles, source = read_particles(small_set)
    volumes = np.random.default_rng(0).normal(size=(2, 6, 6, 6)).astype(np.float32)
    for iteration in (7, 400):
        folder.write_snapshot(Snapshot(replace(STATS, iteration=iteration), volumes, 3.0))
    folder.write_result(particles, made_up_result(np.full((3, 2), 0.5)), source)
    assert files(folder) == TWO_CLASSES | {"all_volumes.zip"}
    with ZipFile(folder.archive_path) as archive:
        assert archive.namelist() == [
            "volume_class_1_iteration_00007.mrc",
            "volume_class_2_iteration_00007.mrc",
            "volume_class_1_iteration_00400.mrc",
            "volume_class_2_iteration_00400.mrc",
        ]
        assert archive.testzip() is None
        for name, snapshot in zip(archive.namelist(), folder.load_snapshots(), strict=True):
            assert archive.read(name) == snapshot.path.read_bytes()


def test_the_same_result_gives_the_same_bytes(tmp_path, small_set, made_up_result):
    particles, source = read_particles(small_set)
    folders = [RunFolder.create(tmp_path / name) for name in ("one", "two")]
    for age, folder in enumerate(folders):
        for file in folder.write_snapshot(Snapshot(STATS, np.ones((1, 6, 6, 6), np.float32), 3.0)):
            os.utime(file.path, (10**9 * (age + 1),) * 2)
        folder.write_result(particles, made_up_result(np.ones((2, 1))), source)
    for name in ONE_CLASS | {"all_volumes.zip"}:
        first, second = ((folder.path / name).read_bytes() for folder in folders)
        assert first == second, name
