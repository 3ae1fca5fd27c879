"""Errors of the command line: one message, exit code 2, no traceback, nothing left behind."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from coldstart import __version__
from coldstart.cli.main import main
from coldstart.demo.files import write_demo_set


def invoke(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def particles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_demo_set(tmp_path_factory.mktemp("set"), images=4, box_px=16, pixel_size_angstrom=14.0).particles_path


def assert_refused(result: Result, *words: str) -> None:
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    assert "\nError: " in f"\n{result.stderr}"
    assert result.stdout == ""
    for word in words:
        assert word in result.stderr


def test_version() -> None:
    assert __version__ in invoke("--version").output


def test_missing_particles(tmp_path: Path) -> None:
    assert_refused(invoke("run", tmp_path / "no.star", "-o", tmp_path / "out"), "no.star")
    assert not (tmp_path / "out").exists()


def test_output_that_is_not_empty(tmp_path: Path, particles: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").write_text("mine")
    assert_refused(invoke("run", particles, "-o", tmp_path / "out"), "out", "not empty")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["precious"]


def test_output_that_is_a_file(tmp_path: Path, particles: Path) -> None:
    (tmp_path / "out").write_text("mine")
    assert_refused(invoke("run", particles, "-o", tmp_path / "out"), "is a file")


def test_parameter_out_of_range(tmp_path: Path, particles: Path) -> None:
    result = invoke("run", particles, "-o", tmp_path / "out", "--classes", 0)
    assert_refused(result, "--classes is 0, but must be a whole number from 1 to 100")
    assert not (tmp_path / "out").exists()


def test_device_that_is_not_there(tmp_path: Path, particles: Path) -> None:
    result = invoke("run", particles, "-o", tmp_path / "out", "--device", "no such device")
    assert_refused(result, "device")
    assert not (tmp_path / "out").exists()


def test_demo_refuses_a_folder_with_something_in_it(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    assert_refused(invoke("demo", "-o", tmp_path), "not empty")
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_unknown_flag_and_missing_output_are_usage_errors(particles: Path) -> None:
    assert invoke("run", particles, "-o", "out", "--nonsense").exit_code == 2
    assert invoke("run", particles).exit_code == 2
