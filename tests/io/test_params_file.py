"""Parameters as a file."""

from pathlib import Path

import pytest

from coldstart.errors import OutputError, ParameterError
from coldstart.io.params_file import read_params_file, write_params_file
from coldstart.io.results import RunFolder
from coldstart.params import AbInitioParams


def test_what_is_written_is_read(tmp_path: Path) -> None:
    params = AbInitioParams(classes=3, seed=9, device="1:0", max_resolution_angstrom=8.5)
    write_params_file(tmp_path / "settings.json", params)
    assert AbInitioParams.model_validate(read_params_file(tmp_path / "settings.json")) == params


def test_it_is_the_file_of_a_run_folder(tmp_path: Path) -> None:
    params = AbInitioParams(classes=2)
    write_params_file(tmp_path / "settings.json", params)
    folder = RunFolder.create(tmp_path / "run")
    folder.write_params(params)
    assert (folder.path / "params.json").read_bytes() == (tmp_path / "settings.json").read_bytes()


@pytest.mark.parametrize(
    ("content", "message"), [("{seed: 1", "is not JSON"), ("[1]", "holds no JSON object"), (None, "cannot be read")]
)
def test_other_files_are_refused(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "settings.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ParameterError, match=message):
        read_params_file(path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="nowhere"):
        write_params_file(tmp_path / "nowhere" / "settings.json", AbInitioParams())
