import json
import os
from pathlib import Path

import pytest

from coldstart.errors import OutputError, ParticleFileError
from coldstart.io.inputs import Inputs, changes_text, read_inputs, write_inputs


@pytest.fixture
def stacks(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"stack {number}.mrcs" for number in (1, 2)]
    for path in paths:
        path.write_bytes(bytes(100))
    return paths


@pytest.fixture
def inputs(tmp_path: Path, stacks: list[Path]) -> Inputs:
    (tmp_path / "particles.star").write_text("data_\n")
    (tmp_path / "start.mrc").write_bytes(b"map")
    return Inputs.of(tmp_path / "particles.star", tmp_path, stacks, tmp_path / "start.mrc")


def test_every_file_is_described(inputs: Inputs, tmp_path: Path) -> None:
    assert [file.kind for file in inputs.files] == ["table", "stack", "stack", "map"]
    assert [file.bytes for file in inputs.files] == [6, 100, 100, 3]
    assert [file.sha256 is not None for file in inputs.files] == [True, False, False, True]
    assert inputs.path == str(tmp_path / "particles.star")
    assert inputs.changes() == []
    assert inputs.stack_changes([tmp_path / "stack 1.mrcs", tmp_path / "stack 2.mrcs"]) == []


def test_the_record_comes_back(inputs: Inputs, tmp_path: Path) -> None:
    write_inputs(tmp_path / "inputs.json", inputs)
    assert read_inputs(tmp_path / "inputs.json") == inputs
    assert json.loads((tmp_path / "inputs.json").read_text())["files"][1]["path"] == str(tmp_path / "stack 1.mrcs")
    assert read_inputs(tmp_path / "other.json") is None


def test_names_that_are_no_text_are_kept(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.mrcs")
    path.write_bytes(b"x")
    inputs = Inputs.of(path, None, [path])
    write_inputs(tmp_path / "inputs.json", inputs)
    found = read_inputs(tmp_path / "inputs.json")
    assert found is not None
    assert found.path == str(path)
    assert found.changes() == []


def test_relative_paths_become_absolute(
    inputs: Inputs, stacks: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    relative = Inputs.of(Path("particles.star"), Path(), [Path(path.name) for path in stacks], Path("start.mrc"))
    assert relative.files == inputs.files
    assert (relative.particles, relative.data_root) == ("particles.star", str(tmp_path))


def test_changes_are_told(inputs: Inputs, stacks: list[Path], tmp_path: Path) -> None:
    os.utime(stacks[0], (10**9, 10**9))
    stacks[1].write_bytes(bytes(99))
    (tmp_path / "particles.star").write_text("DATA_\n")
    (tmp_path / "start.mrc").unlink()
    table, first, second, start = inputs.changes()
    assert table == f"the content of the table {tmp_path / 'particles.star'} has changed"
    assert f"the stack {stacks[0]} was last modified on" in first
    assert first.endswith(" UTC, and now on 2001-09-09 01:46:40 UTC")
    assert second == f"the stack {stacks[1]} had 100 bytes, and now has 99"
    assert start == f"the map {tmp_path / 'start.mrc'} cannot be read any more: No such file or directory"
    assert inputs.changes("stack") == [first, second]
    assert changes_text([first]).endswith(f"when the run began: {first}.")
    assert "(3 more files have changed)" in changes_text(inputs.changes())
    assert "(1 more file has changed)" in changes_text([first, second])


def test_times_within_a_second_are_told_apart(inputs: Inputs, stacks: list[Path]) -> None:
    os.utime(stacks[0], ns=(0, 10**18))
    then = Inputs.of(stacks[0], None, stacks[:1])
    os.utime(stacks[0], ns=(0, 10**18 + 5 * 10**8))
    (change,) = then.changes()
    assert change.endswith("on 2001-09-09T01:46:40.000000+00:00, and now on 2001-09-09T01:46:40.500000+00:00")


def test_a_table_with_the_same_content_has_not_changed(inputs: Inputs, tmp_path: Path) -> None:
    os.utime(tmp_path / "particles.star", (10**9, 10**9))
    assert inputs.changes() == []


def test_stacks_may_lie_elsewhere(inputs: Inputs, stacks: list[Path], tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    moved = [path.rename(tmp_path / "new" / path.name) for path in stacks]
    assert len(inputs.changes()) == 2
    assert inputs.stack_changes(moved) == []
    assert inputs.stack_changes(moved[:1]) == ["there were 2 stacks, and now there are 1"]


def test_a_plain_stack_and_a_folder_of_stacks_are_no_tables(stacks: list[Path]) -> None:
    assert [file.kind for file in Inputs.of(stacks[0], None, stacks[:1]).files] == ["stack"]
    folder = Inputs.of(stacks[0].parent, None, stacks)
    assert (folder.path, [file.kind for file in folder.files]) == (str(stacks[0].parent), ["stack", "stack"])


def test_a_file_that_is_not_there_is_named(tmp_path: Path, stacks: list[Path]) -> None:
    with pytest.raises(ParticleFileError, match=r"none\.star cannot be read: No such file"):
        Inputs.of(tmp_path / "none.star", None, stacks)


@pytest.mark.parametrize(
    "content", ["{", "{}", '{"particles": "a", "path": "a", "data_root": null, "files": [{"kind": 1}]}']
)
def test_something_else_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "inputs.json").write_text(content)
    with pytest.raises(OutputError, match=r"inputs\.json cannot be read.*no record of a run's input"):
        read_inputs(tmp_path / "inputs.json")


def test_the_datasets_of_a_group_are_described_once_each(tmp_path: Path, stacks: list[Path]) -> None:
    slots = {"blob": ">one.cs", "ctf": ">two.cs", "location": ">two.cs"}
    entries = "".join(f'  {slot}: {{metafile: "{name}"}}\n' for slot, name in slots.items())
    (tmp_path / "group.csg").write_text(f"results:\n{entries}")
    for name in ("one.cs", "two.cs"):
        (tmp_path / name).write_bytes(b"dataset")
    inputs = Inputs.of(tmp_path / "group.csg", None, stacks)
    assert [(file.kind, Path(file.path).name) for file in inputs.files[:3]] == [
        ("table", "group.csg"), ("table", "one.cs"), ("table", "two.cs")
    ]  # fmt: skip
    (tmp_path / "two.cs").write_bytes(b"another")
    assert inputs.changes() == [f"the content of the table {tmp_path / 'two.cs'} has changed"]
