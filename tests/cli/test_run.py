"""`coldstart run` around the stand-in for the engine: one number of classes, or several."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from coldstart.cli.main import main
from coldstart.io.results import RunFolder


def invoke(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, ["run", *(str(argument) for argument in arguments)])


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(("flags", "classes"), [((), 1), (("--classes", 3), 3)])
def test_one_number_of_classes_fills_the_folder_itself(
    small_set: Path, tmp_path: Path, flags: tuple[object, ...], classes: int
) -> None:
    result = invoke(small_set, "-o", tmp_path / "out", *flags)
    assert result.exit_code == 0, result.output
    assert RunFolder(tmp_path / "out").load_params().classes == classes
    assert "Completed 30 iterations" in result.stdout
    assert "job" not in result.stdout


@pytest.mark.usefixtures("stand_in")
def test_several_numbers_of_classes_have_a_folder_each(small_set: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = invoke("-o", out, "--classes", 1, 3, small_set, "--seed", 2)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir()) == ["classes_1", "classes_3", "report.html", "runs.json"]
    assert {RunFolder(out / name).load_params().seed for name in ("classes_1", "classes_3")} == {2}
    assert "3 classes, job 2 of 2  iteration  1/31" in result.stdout
    assert "Completed 2 jobs" in result.stdout
    assert f"  3 classes   {out / 'classes_3'}  (resolution 29.0 Å, 29.0 Å, 29.0 Å)" in result.stdout
    assert f"  comparison  {out / 'report.html'}" in result.stdout


@pytest.mark.usefixtures("stand_in")
def test_file_of_parameters_says_the_number_where_no_flag_does(small_set: Path, tmp_path: Path) -> None:
    path = tmp_path / "params.json"
    path.write_text(json.dumps({"classes": 2}))
    assert invoke(small_set, "-o", tmp_path / "out", "--params", path).exit_code == 0
    assert RunFolder(tmp_path / "out").load_params().classes == 2
    assert invoke(small_set, "-o", tmp_path / "jobs", "--params", path, "--classes", 3, 1).exit_code == 0
    assert (tmp_path / "jobs" / "classes_3").is_dir()


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (("0",), "--classes is 0, but must be a whole number from 1 to 100."),
        (("two",), "--classes is two, but must be a whole number from 1 to 100."),
        (("-1",), "--classes is -1, but must be a whole number from 1 to 100."),
        (("1", "2", "101"), "--classes is 101, but must be a whole number from 1 to 100."),
        (("2", "1", "2"), "the number of classes 2 is given 2 times: give each number once"),
    ],
)
def test_numbers_that_are_refused_are_named_in_one_line(
    small_set: Path, tmp_path: Path, numbers: tuple[str, ...], message: str
) -> None:
    result = invoke(small_set, "-o", tmp_path / "out", "--classes", *numbers)
    assert result.exit_code == 2
    assert result.stderr == f"Error: {message}\n"
    assert not (tmp_path / "out").exists()


def test_what_is_no_number_after_a_number_is_an_argument(small_set: Path, tmp_path: Path) -> None:
    result = invoke(small_set, "-o", tmp_path / "out", "--classes", 1, "two")
    assert result.exit_code == 2
    assert "unexpected extra argument" in result.output


@pytest.mark.parametrize("half", [("--cluster", "local"), ("--workers", 2)])
def test_a_cluster_is_asked_for_with_its_number_of_workers(
    small_set: Path, tmp_path: Path, half: tuple[object, ...]
) -> None:
    result = invoke(small_set, "-o", tmp_path / "out", *half)
    assert result.exit_code == 2
    assert "--cluster and --workers go together" in result.stderr
    assert not (tmp_path / "out").exists()
