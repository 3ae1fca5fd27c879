import pytest

from coldstart.errors import OutputError
from coldstart.io.files import (
    atomic_path,
    is_temporary,
    remove_file,
    remove_temporary_files,
    write_text_atomically,
)


def test_text_appears_with_unix_line_ends(tmp_path):
    write_text_atomically(tmp_path / "a.txt", "å\nb\n")
    assert (tmp_path / "a.txt").read_bytes() == "å\nb\n".encode()


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail():
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(OutputError, match=r"missing.*cannot be written"):
        write_text_atomically(tmp_path / "missing" / "a.txt", "text")


def test_what_a_killed_program_left_is_told_and_removed(tmp_path):
    with atomic_path(tmp_path / "a.mrc") as temporary:
        temporary.touch()
        assert is_temporary(temporary)
    (tmp_path / ".b.txt.7.tmp").touch()
    remove_temporary_files(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mrc"]
    assert not is_temporary(tmp_path / "a.tmp")


def test_a_file_that_cannot_be_removed_is_named(tmp_path):
    (tmp_path / "folder").mkdir()
    remove_file(tmp_path / "missing")
    with pytest.raises(OutputError, match="folder cannot be removed"):
        remove_file(tmp_path / "folder")
