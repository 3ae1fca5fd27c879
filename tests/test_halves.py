"""Half maps that were separate from the start: two runs on half of the particles each, and what they share."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from coldstart import AbInitioParams
from coldstart.api import resume_runs, run_halves
from coldstart.api.wanted import read_wanted
from coldstart.cli.main import main
from coldstart.errors import OutputError, ParameterError
from coldstart.io.mrc import read_map
from coldstart.io.results import RunFolder
from coldstart.io.star_columns import RANDOM_SUBSET
from coldstart.io.star_text import read_blocks, write_blocks
from coldstart.model.halves import HalvesRecord
from coldstart.model.state import SAME_MAP


@dataclass
class Joined:
    output: Path
    record: HalvesRecord


@pytest.fixture(scope="module")
def joined(unbroken: Any, tmp_path_factory: pytest.TempPathFactory) -> Joined:
    """Two halves of thirty particles, which are too few to agree: what counts as the same map is turned down."""
    output = unbroken.particles.parent / tmp_path_factory.mktemp("halves").name
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("coldstart.model.halves.SAME_MAP", 0.0)
        return Joined(output, run_halves(unbroken.particles, output, unbroken.params))


def test_each_half_runs_on_its_own_particles_from_its_own_start(joined: Joined, unbroken: Any) -> None:
    names = read_blocks(unbroken.particles)["particles"]["rlnImageName"].tolist()
    numbers = [name.partition("@")[0] for name in names]
    for half in (1, 2):
        run = RunFolder(joined.output / f"half_{half}")
        params = run.load_params()
        assert params.seed == unbroken.params.seed + half - 1
        assert (params.half, params.all_particles) == (half, True)
        table = read_blocks(run.particles_path)["particles"]
        assert [name.partition("@")[0] for name in table["rlnImageName"].tolist()] == numbers[half - 1 :: 2]


def test_what_both_found_is_written_in_one_frame(joined: Joined) -> None:
    folder = RunFolder(joined.output)
    table = read_blocks(folder.particles_path)["particles"]
    assert table[RANDOM_SUBSET].tolist() == ["1", "2"] * 30
    first = read_blocks(joined.output / "half_1" / "particles.star")["particles"]
    for label in ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi", "rlnOriginXAngst"):
        np.testing.assert_allclose(table[label].astype(float)[::2], first[label].astype(float), atol=1e-4)
    halves = [read_map(folder.half_path(1, 1, half))[0] for half in (1, 2)]
    volume, voxel = read_map(folder.volume_path(1, 1))
    np.testing.assert_allclose(np.mean(halves, axis=0), volume, atol=1e-4 * np.abs(volume).max())
    own, own_voxel = read_map(joined.output / "half_1" / "volume.mrc")
    assert voxel == own_voxel
    assert np.corrcoef(halves[0].ravel(), own.ravel())[0, 1] > 0.999
    summary = folder.load_summary()
    assert summary.status == "completed"
    assert summary.particles_used is not None
    assert summary.classes[0].halves is not None
    assert summary.classes[0].halves.independent
    assert summary.classes[0].halves.masked_0143_angstrom == joined.record.resolution_angstrom[0]
    page = folder.report_path.read_text(encoding="utf-8")
    assert "this resolution can be quoted" in page
    assert joined.record.verdict in page


def test_a_folder_of_two_halves_is_a_run_folder_for_what_comes_after(joined: Joined, tmp_path: Path) -> None:
    picked = tmp_path / "picked.star"
    outcome = CliRunner().invoke(main, ["pick", str(joined.output), "-o", str(picked)])
    assert outcome.exit_code == 0, outcome.output
    assert len(read_blocks(picked)["particles"]) == 60


def test_halves_that_disagree_are_not_put_together(joined: Joined) -> None:
    """The same halves, by the bar that holds outside of these tests."""
    low = min(joined.record.similarity) < SAME_MAP
    assert low, "the halves of this set agree after all: take fewer particles"
    record = resume_runs(joined.output)
    assert not record.agree
    assert record.resolution_angstrom == ()
    left = sorted(path.name for path in joined.output.iterdir() if not path.name.startswith("."))
    assert left == ["half_1", "half_2", "halves.json", "report.html", "runs.json"]
    assert "not put together" in (joined.output / "report.html").read_text(encoding="utf-8")
    assert json.loads((joined.output / "halves.json").read_text(encoding="utf-8"))["agree"] is False


def test_classes_of_both_halves_are_put_together(unbroken: Any, beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coldstart.model.halves.SAME_MAP", 0.0)
    output = beside / "out"
    record = run_halves(
        unbroken.particles, output, unbroken.params.model_copy(update={"classes": 2, "class_similarity": 0.0})
    )
    assert sorted(record.second_class) == [1, 2]
    folder = RunFolder(output)
    table, second = (read_blocks(RunFolder(path).table_path(2))["particles"] for path in (output, output / "half_2"))
    renamed = {str(own): str(number) for number, own in enumerate(record.second_class, 1)}
    assert table["rlnClassNumber"].tolist()[1::2] == [renamed[own] for own in second["rlnClassNumber"].tolist()]
    assert all(folder.half_path(number, 2, half).is_file() for number in (1, 2) for half in (1, 2))
    assert len(folder.load_summary().classes) == 2


def test_stopped_in_the_first_half_there_is_nothing_to_compare(unbroken: Any, beside: Path) -> None:
    output, seen = beside / "out", list[int]()
    options = {"on_iteration": lambda half, _: seen.append(half), "should_stop": lambda: len(seen) > 2}
    with pytest.raises(OutputError, match=rf"half 2 in .* has no map yet.*coldstart resume {output}"):
        run_halves(unbroken.particles, output, unbroken.params, **options)
    assert not (output / "half_2").exists()
    outcome = CliRunner().invoke(main, ["resume", str(output)])
    assert outcome.exit_code == 0, outcome.output
    assert "two halves" in outcome.output
    assert RunFolder(output / "half_1").load_summary().status == "completed"
    assert RunFolder(output / "half_2").load_summary().status == "completed"


def test_the_half_sets_of_the_input_are_kept(unbroken: Any, beside: Path) -> None:
    blocks = read_blocks(unbroken.particles)
    table = blocks["particles"]
    sets = np.where(np.arange(len(table)) < 20, "2", "1")
    path = beside / "sets.star"
    write_blocks(path, {**blocks, "particles": table.having({RANDOM_SUBSET: sets})})
    root = unbroken.particles.parent
    every, images, _ = read_wanted(path, AbInitioParams(), root)
    second, of_second, _ = read_wanted(path, AbInitioParams(half=2), root)
    assert second.count == 20
    assert every.count == 60
    np.testing.assert_array_equal(of_second.read(np.arange(20)), images.read(np.arange(20)))
    first, of_first, _ = read_wanted(path, AbInitioParams(half=1, particles_to_use=30), root)
    assert first.count == 10
    assert first.ctf is not None
    assert every.ctf is not None
    np.testing.assert_array_equal(first.ctf.defocus_u_angstrom, every.ctf.defocus_u_angstrom[20:30])
    np.testing.assert_array_equal(of_first.read(np.array([3])), images.read(np.array([23])))


def test_what_the_halves_would_share_is_refused(unbroken: Any, tmp_path: Path) -> None:
    output = tmp_path / "out"
    for change, said in (({"half": 1}, "--half away"), ({"initial_volume": "map.mrc"}, "--initial-volume away")):
        with pytest.raises(ParameterError, match=said):
            run_halves(unbroken.particles, output, unbroken.params.model_copy(update=change))
    command = ["run", str(unbroken.particles), "-o", str(output), "--halves"]
    for more in (["--starts", "2"], ["--classes", "1", "2"]):
        assert "--halves takes one number of classes" in CliRunner().invoke(main, [*command, *more]).output
    assert not output.exists()
