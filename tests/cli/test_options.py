"""Options come from the model: every field has a flag, and what the model refuses is told in terms of flags."""

import json
import re
from pathlib import Path

import pytest
import rich_click as click
from click.testing import CliRunner

from coldstart.cli.main import main
from coldstart.cli.options import flag_name, merge_jobs, merge_parameters
from coldstart.cli.run import run
from coldstart.errors import ParameterError
from coldstart.params import GROUPS, AbInitioParams
from coldstart.presets import preset_of


@pytest.mark.parametrize(
    ("field", "flag"),
    [
        ("initial_resolution_angstrom", "--initial-resolution"),
        ("pixel_size_angstrom", "--pixel-size"),
        ("particles_to_use", "--particles-to-use"),
        ("shift_px", "--shift"),
        ("step_deg", "--step"),
        ("seed", "--seed"),
        ("verify_bound", "--verify-bound"),
    ],
)
def test_flags_are_field_names_without_units(field: str, flag: str) -> None:
    assert flag_name(field) == flag


def test_every_field_has_one_flag_with_help() -> None:
    options = {option.name: option for option in run.params if isinstance(option, click.Option)}
    for name, field in AbInitioParams.model_fields.items():
        assert flag_name(name) in options[name].opts
        assert str(field.description) in str(options[name].help)
    flags = [flag_name(name) for name in AbInitioParams.model_fields]
    assert len(set(flags)) == len(flags)


def test_help_shows_groups_in_order_with_units_and_defaults() -> None:
    text = CliRunner(env={"COLUMNS": "200"}).invoke(main, ["run", "--help"]).output
    positions = [text.index(f"─ {group} ─") for group in GROUPS]
    assert positions == sorted(positions)
    assert "[default: 35 Å]" in text
    assert "[default: on]" in text
    assert "--ctf/--no-ctf" in text
    assert "[default: 1]" in text
    assert re.search(r"--classes +INTEGER \.\.\. ", text)


def test_main_help_lists_the_verbs() -> None:
    text = CliRunner().invoke(main, ["--help"]).output
    assert text.index("run ") < text.index("demo ") < text.index("devices ")


def test_flags_go_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "params.json"
    path.write_text(json.dumps({"seed": 5, "max_resolution_angstrom": 9.0}))
    params = merge_parameters({"seed": "8", "ctf": False, "threads": None}, path)
    assert params == AbInitioParams(seed=8, max_resolution_angstrom=9.0, ctf=False)


def test_flags_and_file_go_over_the_preset(tmp_path: Path) -> None:
    path = tmp_path / "params.json"
    path.write_text(json.dumps({"initial_iterations": 30}))
    params = merge_parameters({"final_iterations": "40"}, path, "quick-look")
    assert (params.initial_iterations, params.final_iterations) == (30, 40)
    assert params.max_resolution_angstrom == preset_of("quick-look").changes["max_resolution_angstrom"]


@pytest.mark.parametrize(
    ("numbers", "expected"), [((), [5]), (("2",), [2]), (("1", "4", "2"), [1, 4, 2]), (("2", "2"), [2, 2])]
)
def test_each_number_of_classes_is_a_job(tmp_path: Path, numbers: tuple[str, ...], expected: list[int]) -> None:
    path = tmp_path / "params.json"
    path.write_text(json.dumps({"classes": 5, "seed": 7}))
    jobs = merge_jobs({"classes": numbers, "threads": "3"}, path)
    assert jobs == tuple(AbInitioParams(classes=number, seed=7, threads=3) for number in expected)


def test_without_flag_and_file_there_is_one_job_of_one_class() -> None:
    assert merge_jobs({"classes": ()}) == (AbInitioParams(),)


def test_parameters_of_a_run_can_be_given_again(tmp_path: Path) -> None:
    params = AbInitioParams(seed=3, noise_model="white", device="1:0", particles_to_use=500)
    path = tmp_path / "params.json"
    path.write_text(params.model_dump_json())
    assert merge_parameters({}, path) == params


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"classes": "0"}, "--classes is 0, but must be a whole number from 1 to 100."),
        ({"classes": "two"}, "--classes is two, but must be a whole number from 1 to 100."),
        ({"learning_rate": "1.5"}, "--learning-rate is 1.5, but must be a number above 0 and at most 1."),
        ({"verify_bound": "2"}, "--verify-bound is 2, but must be a number from 0 to 1."),
        ({"max_resolution_angstrom": "-3"}, "--max-resolution is -3, but must be a number above 0."),
        ({"max_resolution_angstrom": "50"}, "the maximum resolution (50 Å) is coarser than the initial one (35 Å)"),
    ],
)
def test_refused_flags_are_named_with_value_and_range(flags: dict[str, str], message: str) -> None:
    with pytest.raises(ParameterError) as error:
        merge_parameters(flags)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_each_refused_value_gets_its_line() -> None:
    with pytest.raises(ParameterError) as error:
        merge_parameters({"classes": "0", "threads": "0"})
    assert [line.split()[0] for line in str(error.value).splitlines()] == ["--classes", "--threads"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"clases": 2}', "there is no parameter 'clases'; did you mean 'classes'?"),
        ('{"classes": 0}', "classes is 0, but must be a whole number from 1 to 100."),
        ("{classes: 2", "is not JSON"),
        ("[1, 2]", "holds no JSON object"),
    ],
)
def test_refused_files_are_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "mine.json"
    path.write_text(content)
    with pytest.raises(ParameterError) as error:
        merge_parameters({}, path)
    assert "mine.json" in str(error.value)
    assert message in str(error.value)


def test_missing_file_of_parameters_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"nowhere\.json cannot be read"):
        merge_parameters({}, tmp_path / "nowhere.json")
