from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from coldstart.api import PickedClass, PickedParticles
from coldstart.cli.main import main
from coldstart.cli.pick import picked_text
from coldstart.io.class_records import ClassSummary
from coldstart.io.results import RunFolder
from coldstart.io.run_records import Summary
from coldstart.io.star_text import read_blocks
from coldstart.model.particles import CarriedTable, Particles
from coldstart.model.state import RunResult


def invoke(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, ["pick", *(str(argument) for argument in arguments)])


@pytest.fixture
def run(tmp_path: Path, made_up_result: Callable[..., RunResult]) -> Path:
    """Four particles of three classes: 1, 2, 3 and 3."""
    names = np.array([f"{row + 1:06d}@../s.mrcs" for row in range(4)])
    result = made_up_result(np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.0, 0.3, 0.7], [0.0, 0.0, 1.0]]))
    folder = RunFolder.create(tmp_path / "run")
    folder.write_result(Particles(4, 8, 1.5, None, CarriedTable({"rlnImageName": names})), result)
    classes = tuple(ClassSummary(number, 20.0, 0.5) for number in (1, 2, 3))
    folder.write_summary(Summary(status="completed", seed=0, classes=classes))
    return folder.path


def test_several_classes_above_a_posterior(run: Path, tmp_path: Path) -> None:
    result = invoke(run, "--class", 1, 3, "--min-posterior", 0.8, "-o", tmp_path / "clean.star")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        f"{tmp_path / 'clean.star'}: 2 of 4 particles.",
        "  class 1   1 of 1",
        "  class 2   0 of 1",
        "  class 3   1 of 2",
    ]
    names = read_blocks(tmp_path / "clean.star")["particles"]["rlnImageName"].tolist()
    assert names == ["000001@s.mrcs", "000004@s.mrcs"]


def test_flags_may_come_first_and_again(run: Path, tmp_path: Path) -> None:
    result = invoke(
        "--class", 3, "--class", 1, "--label", "used", "unused", "--min-margin", 0.5, run, "-o", tmp_path / "a.star"
    )
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"{tmp_path / 'a.star'}: 2 of 4 particles.")


def test_merged_classes_and_the_other_hand(run: Path, tmp_path: Path) -> None:
    result = invoke(run, "--merge", "3,1", "--other-hand", "--class", 1, 3, "-o", tmp_path / "clean.star")
    assert result.exit_code == 0, result.output
    table = read_blocks(tmp_path / "clean.star")["particles"]
    assert table["rlnClassNumber"].tolist() == ["1", "1", "1"]
    flipped = read_blocks(RunFolder(run).table_path(3, flipped=True))["particles"]
    assert table["rlnAngleRot"].tolist() == flipped["rlnAngleRot"][[0, 2, 3]].tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--class", 4), "Error: class 4 is not in"),
        (("--min-posterior", 1, "--class", 1), "Error: no particle is left"),
        (("--merge", "1,4"), "Error: class 4 cannot be merged: the run has 3."),
        (("-o", "clean.mrcs"), "Error: clean.mrcs is no name of a particle table"),
    ],
)
def test_errors_are_one_message(run: Path, tmp_path: Path, arguments: tuple[object, ...], message: str) -> None:
    result = invoke(run, "-o", tmp_path / "clean.star", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(message)
    assert result.stdout == ""
    assert not (tmp_path / "clean.star").exists()


def test_not_a_run_folder(tmp_path: Path) -> None:
    result = invoke(tmp_path, "-o", tmp_path / "clean.star")
    assert result.exit_code == 2
    assert "Give the folder of a coldstart run" in result.stderr


@pytest.mark.parametrize(
    "arguments", [("--min-posterior", 1.5), ("--label", "good"), ("--class", 0), ("--merge", "1+2")]
)
def test_values_out_of_range_are_usage_errors(run: Path, tmp_path: Path, arguments: tuple[object, ...]) -> None:
    assert invoke(run, "-o", tmp_path / "clean.star", *arguments).exit_code == 2
    assert invoke(run).exit_code == 2


def test_text_of_one_class_is_one_line() -> None:
    assert picked_text(PickedParticles(Path("c.star"), (PickedClass(1, 1200, 3400),))) == (
        "c.star: 1,200 of 3,400 particles."
    )
