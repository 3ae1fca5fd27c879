"""`coldstart check`: a table or JSON, and an exit code; the same at the head of a run."""

import json
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
from click.testing import CliRunner, Result

from coldstart.cli.main import main
from coldstart.demo.files import write_demo_set
from coldstart.io.results import RunFolder


def invoke(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, [*map(str, arguments)])


@pytest.fixture(scope="module")
def particles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_demo_set(
        tmp_path_factory.mktemp("set"), images=220, box_px=32, pixel_size_angstrom=8.0, snr=0.5
    ).particles_path


@pytest.fixture(scope="module")
def dark(particles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, inverted."""
    folder = tmp_path_factory.mktemp("dark")
    with mrcfile.open(particles.with_name("particles.mrcs")) as stack:
        images, size = np.array(stack.data), float(stack.voxel_size.x)
    with mrcfile.new(folder / "particles.mrcs") as stack:
        stack.set_data(-images)
        stack.set_image_stack()
        stack.voxel_size = size
    (folder / "particles.star").write_bytes(particles.read_bytes())
    return folder / "particles.star"


def test_clean_particles(particles: Path) -> None:
    result = invoke("check", particles)
    assert result.exit_code == 0, result.output
    assert "220 particles in boxes of 32 px, 256 Å" in result.stdout
    assert "Nothing was found" in result.stdout


def test_errors_and_what_to_do(dark: Path) -> None:
    result = invoke("check", dark, "--quick")
    assert result.exit_code == 2
    assert "darker than the background" in result.stdout
    assert "--invert" in result.stdout
    assert invoke("check", dark, "--quick", "--invert").exit_code == 0


def test_warnings(particles: Path) -> None:
    result = invoke("check", particles, "--quick", "-n", 100)
    assert result.exit_code == 1
    assert "100 particles are few" in result.stdout


def test_json(dark: Path) -> None:
    result = invoke("check", dark, "--json")
    assert result.exit_code == 2
    report = json.loads(result.stdout)
    assert (report["count"], report["box_px"], report["exit_code"]) == (220, 32, 2)
    assert [(finding["check"], finding["severity"]) for finding in report["findings"]] == [("contrast", "error")]
    assert report["statistics"]["sample_size"] == 220
    assert len(report["statistics"]["power"]) == 15
    assert report["forecast"]["device_bytes"] > 2**20


def test_forecast_is_for_the_run_that_is_meant(particles: Path, tmp_path: Path) -> None:
    file = tmp_path / "params.json"
    file.write_text(json.dumps({"classes": 3, "final_minibatch": 150, "max_resolution_angstrom": 18.0}))

    def forecast(*arguments: object) -> dict[str, Any]:
        result = invoke("check", particles, "--quick", "--json", *arguments)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)["forecast"]

    one, three = forecast(), forecast("--classes", 3)
    assert (one["classes"], three["classes"]) == (1, 3)
    assert three["device_bytes"] > one["device_bytes"]
    assert three["seconds"][0] > one["seconds"][0]
    of_file = forecast("--params", file)
    assert (of_file["classes"], of_file["final_minibatch"]) == (3, 150)
    assert forecast("--params", file, "--max-resolution", 16, "--classes", 1)["classes"] == 1
    assert forecast("--preset", "quick-look")["iterations"] < one["iterations"]
    assert "A run of 3 classes takes" in invoke("check", particles, "--quick", "--params", file).stdout


def test_one_number_of_classes_at_a_time(particles: Path) -> None:
    result = invoke("check", particles, "--classes", 1, 2)
    assert result.exit_code == 2
    assert "give the largest" in result.stderr


def test_table_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "particles.star").write_text("data_\n")
    result = invoke("check", tmp_path / "particles.star", "--json")
    assert result.exit_code == 2
    (finding,) = json.loads(result.stdout)["findings"]
    assert finding["check"] == "input"


@pytest.mark.usefixtures("stand_in")
def test_errors_stop_a_run_before_anything_is_written(dark: Path, tmp_path: Path) -> None:
    result = invoke("run", dark, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "darker than the background" in result.stderr
    assert "--despite-errors" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("stand_in")
def test_run_despite_errors_notes_them(dark: Path, tmp_path: Path) -> None:
    result = invoke("run", dark, "-o", tmp_path / "out", "--despite-errors")
    assert result.exit_code == 0, result.output
    assert any("darker than the background" in note for note in RunFolder(tmp_path / "out").load_summary().notes)


@pytest.mark.usefixtures("stand_in")
def test_jobs_are_checked_once(dark: Path, tmp_path: Path) -> None:
    result = invoke("run", dark, "-o", tmp_path / "out", "--classes", 1, 2)
    assert result.exit_code == 2
    assert result.stderr.count("darker than the background") == 1
    assert not (tmp_path / "out").exists()
