import pandas as pd
import pytest
import starfile
from hypothesis import given
from hypothesis import strategies as st

from coldstart.errors import ParticleFileError
from coldstart.io.star_text import blocks_to_text, read_blocks

# Any printable value; starfile has no way to carry quotes and number signs, and data_ begins a block.
value = st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C"), exclude_characters="'\"#"), min_size=1)
safe_value = value.filter(lambda text: not text.startswith(("data_", "_", "loop_")) and text not in ("NaN", "<NA>"))
label = st.from_regex(r"rln[A-Za-z0-9]{1,12}", fullmatch=True)


@st.composite
def tables(draw):
    labels = draw(st.lists(label, min_size=1, max_size=5, unique=True))
    rows = draw(st.lists(st.tuples(*[safe_value] * len(labels)), min_size=1, max_size=6))
    return pd.DataFrame(rows, columns=labels, dtype=object)


@given(tables(), tables())
def test_written_and_read_strings_are_equal(tmp_path_factory, optics, particles):
    path = tmp_path_factory.mktemp("star") / "a.star"
    text = blocks_to_text({"optics": optics, "particles": particles})
    path.write_text(text, encoding="utf-8", newline="\n")
    blocks = read_blocks(path)
    assert list(blocks) == ["optics", "particles"]
    for found, expected in ((blocks["optics"], optics), (blocks["particles"], particles)):
        assert list(found.columns) == list(expected.columns)
        assert found.to_numpy().tolist() == expected.to_numpy().tolist()
    assert blocks_to_text(blocks) == text


def test_text_holds_no_time_of_day_and_relions_version():
    text = blocks_to_text({"optics": pd.DataFrame({"rlnOpticsGroup": ["1"]})})
    assert text == "\n# version 30001\n\ndata_optics\n\nloop_\n_rlnOpticsGroup #1\n1\n"


def test_numbers_keep_their_spelling(tmp_path):
    path = tmp_path / "a.star"
    path.write_text("data_particles\n\nloop_\n_rlnA #1\n_rlnB #2\n 007 1.50000\n1e3  nan\n\n# done\n")
    table = read_blocks(path)["particles"]
    assert table["rlnA"].tolist() == ["007", "1e3"]
    assert table["rlnB"].tolist() == ["1.50000", "nan"]


def test_values_with_blanks_stay_quoted(tmp_path):
    path = tmp_path / "a.star"
    path.write_text('data_particles\n\nloop_\n_rlnA #1\n_rlnB #2\n"my stack" 2\n')
    blocks = read_blocks(path)
    assert blocks["particles"]["rlnA"].tolist() == ["my stack"]
    assert '"my stack"\t2' in blocks_to_text(blocks)


def test_a_block_without_a_loop_is_one_row(tmp_path):
    path = tmp_path / "a.star"
    path.write_text("data_optics\n\n_rlnOpticsGroup 1\n_rlnVoltage 300.00\n\ndata_b\n\nloop_\n_rlnA\n")
    blocks = read_blocks(path)
    assert blocks["optics"].to_dict("records") == [{"rlnOpticsGroup": "1", "rlnVoltage": "300.00"}]
    assert blocks["b"].empty
    assert list(blocks["b"].columns) == ["rlnA"]


def test_tables_of_other_writers_are_read(tmp_path):
    path = tmp_path / "a.star"
    starfile.write({"optics": pd.DataFrame({"rlnA": [1, 2]}), "particles": pd.DataFrame({"rlnB": [0.5]})}, path)
    blocks = read_blocks(path)
    assert blocks["optics"]["rlnA"].tolist() == ["1", "2"]
    assert blocks["particles"]["rlnB"].tolist() == ["0.500000"]


def test_a_file_that_was_changed_is_read_anew(tmp_path):
    path = tmp_path / "a.star"
    path.write_text("data_a\n\nloop_\n_rlnA\n1\n")
    read_blocks(path)
    path.write_text("data_a\n\nloop_\n_rlnA\n2\n")
    assert read_blocks(path)["a"]["rlnA"].tolist() == ["2"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"hello world\n", "not a STAR file: no line begins with data_"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe", "it is not text"),
        (b"data_a\n\nloop_\n_rlnA\n_rlnB\n1 2\n3\n", "line 7: 1 values, but the table has 2 columns"),
        (b"data_a\n\nloop_\n_rlnA\n1 2\n", "line 5: 2 values, but the table has 1 columns"),
        (b"data_a\n\nloop_\n_rlnA\n_rlnA\n1 2\n", "names the column rlnA more than once"),
        (b"data_a\n\nloop_\n_rlnA\nit's\n", "line 5: apostrophes and number signs"),
        (b"data_a\n\nloop_\n_rlnA\n_rlnB\na#1 2\n", "line 6: apostrophes and number signs"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, content, message):
    path = tmp_path / "a.star"
    path.write_bytes(content)
    with pytest.raises(ParticleFileError, match=message):
        read_blocks(path)


def test_paths_that_are_no_file(tmp_path):
    with pytest.raises(ParticleFileError, match="is a folder"):
        read_blocks(tmp_path)
    with pytest.raises(ParticleFileError, match=r"none\.star does not exist"):
        read_blocks(tmp_path / "none.star")
