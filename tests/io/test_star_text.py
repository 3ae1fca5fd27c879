import bz2
import gzip

import pandas as pd
import pytest
import starfile
from hypothesis import given
from hypothesis import strategies as st

from coldstart.errors import OutputError, ParticleFileError
from coldstart.io.star_text import read_blocks, write_blocks
from coldstart.model.carried import CarriedTable

# A value is anything that ends on no null and holds no line end; quotes before blanks of one kind alone can be written.
value = st.text(st.characters(codec="utf-8", exclude_categories=("C",)), max_size=12).filter(
    lambda text: not ("'" in text and '"' in text)
)
label = st.from_regex(r"rln[A-Za-z0-9]{1,12}", fullmatch=True)


@st.composite
def tables(draw):
    labels = draw(st.lists(label, min_size=1, max_size=5, unique=True))
    rows = draw(st.lists(st.tuples(*[value] * len(labels)), min_size=1, max_size=6))
    return CarriedTable({name: list(column) for name, column in zip(labels, zip(*rows, strict=True), strict=True)})


def rows_of(table):
    return list(zip(*(table.columns[name].tolist() for name in table), strict=True))


@given(tables(), tables())
def test_written_and_read_strings_are_equal(tmp_path_factory, optics, particles):
    path = tmp_path_factory.mktemp("star") / "a.star"
    write_blocks(path, {"optics": optics, "particles": particles})
    blocks = read_blocks(path)
    assert list(blocks) == ["optics", "particles"]
    for found, expected in ((blocks["optics"], optics), (blocks["particles"], particles)):
        assert found == expected
    write_blocks(path.with_name("b.star"), blocks)
    assert path.with_name("b.star").read_bytes() == path.read_bytes()


def test_text_holds_no_time_of_day_and_relions_version(tmp_path):
    write_blocks(tmp_path / "a.star", {"optics": CarriedTable({"rlnOpticsGroup": ["1"]})})
    expected = b"\n# version 30001\n\ndata_optics\n\nloop_\n_rlnOpticsGroup #1\n1\n"
    assert (tmp_path / "a.star").read_bytes() == expected


def test_numbers_keep_their_spelling(tmp_path):
    path = tmp_path / "a.star"
    path.write_text("data_particles\n\nloop_\n_rlnA #1\n_rlnB #2\n 007 1.50000\n1e3  nan\n\n# done\n")
    table = read_blocks(path)["particles"]
    assert table.columns["rlnA"].tolist() == ["007", "1e3"]
    assert table.columns["rlnB"].tolist() == ["1.50000", "nan"]


def test_long_tables_keep_every_row_in_order(tmp_path):
    """Several pieces of the file, among them lines with quotes, comments and nothing."""
    path = tmp_path / "a.star"
    rows = [
        f"{row:06d}@folder/with/some/longer/name/stack{row // 100}.mrcs\t{row}.5 {row % 2}" for row in range(120_000)
    ]
    odd = {70_000: "", 70_001: "# a comment", 90_000: '"000001@my stack.mrcs" 1.5 1 # and another'}
    lines = [odd.get(number, line) for number, line in enumerate(rows)]
    path.write_text("data_particles\r\n\r\nloop_\r\n_rlnImageName\r\n_rlnB\r\n_rlnC\r\n" + "\r\n".join(lines) + "\r\n")
    table = read_blocks(path)["particles"]
    assert len(table) == 119_998
    numbers = table.columns["rlnB"]
    assert numbers[[0, 69_999, 70_000, -1]].tolist() == ["0.5", "69999.5", "70002.5", "119999.5"]
    assert table.value("rlnImageName", 90_000 - 2) == "000001@my stack.mrcs"
    assert table.value("rlnImageName", 0) == "000000@folder/with/some/longer/name/stack0.mrcs"


@pytest.mark.parametrize("mark", ['"', "'"])
def test_quoted_values(tmp_path, mark):
    path = tmp_path / "a.star"
    path.write_text(f"data_particles\n\nloop_\n_rlnA #1\n_rlnB #2\n{mark}my stack{mark} 2\n{mark}{mark} it's\n")
    blocks = read_blocks(path)
    assert blocks["particles"].columns["rlnA"].tolist() == ["my stack", ""]
    assert blocks["particles"].columns["rlnB"].tolist() == ["2", "it's"]
    write_blocks(path, blocks)
    assert '"my stack"\t2\n""\tit\'s\n' in path.read_text()


def test_a_number_sign_inside_a_value_begins_no_comment(tmp_path):
    path = tmp_path / "a.star"
    path.write_text("data_a\n\nloop_\n_rlnA\n_rlnB\na#1 2\n3 4 # five\n")
    assert rows_of(read_blocks(path)["a"]) == [("a#1", "2"), ("3", "4")]


def test_rows_that_look_like_keywords(tmp_path):
    path = tmp_path / "a.star"
    path.write_text("data_a\n\nloop_\n_rlnA\n_rlnB\ndata_1.mrc 2\nloop_ 1\n_x 3\n")
    assert rows_of(read_blocks(path)["a"]) == [("data_1.mrc", "2"), ("loop_", "1"), ("_x", "3")]


def test_a_block_without_a_loop_is_one_row(tmp_path):
    path = tmp_path / "a.star"
    path.write_text("data_optics\n\n_rlnOpticsGroup 1\n_rlnVoltage 300.00\n\ndata_b\n\nloop_\n_rlnA\n")
    blocks = read_blocks(path)
    assert list(blocks["optics"]) == ["rlnOpticsGroup", "rlnVoltage"]
    assert rows_of(blocks["optics"]) == [("1", "300.00")]
    assert len(blocks["b"]) == 0
    assert list(blocks["b"]) == ["rlnA"]


def test_starfile_reads_what_is_written_and_the_other_way_round(tmp_path):
    path = tmp_path / "a.star"
    starfile.write({"optics": pd.DataFrame({"rlnA": [1, 2]}), "particles": pd.DataFrame({"rlnB": [0.5]})}, path)
    blocks = read_blocks(path)
    assert blocks["optics"].columns["rlnA"].tolist() == ["1", "2"]
    assert blocks["particles"].columns["rlnB"].tolist() == ["0.500000"]
    write_blocks(path, {"x": CarriedTable({"rlnA": ["a b", "c"], "rlnB": ["1.5", "2"]})})
    table = starfile.read(path)
    assert table["rlnA"].tolist() == ["a b", "c"]
    assert table["rlnB"].tolist() == [1.5, 2.0]


def test_a_mark_of_utf8_at_the_start(tmp_path):
    path = tmp_path / "a.star"
    path.write_bytes(b"\xef\xbb\xbfdata_a\n\nloop_\n_rlnA\n\xc3\xa5\n")
    assert read_blocks(path)["a"].columns["rlnA"].tolist() == ["å"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"hello world\n", "not a STAR file: no line begins with data_"),
        (b"\x89PNG\r\n\x1a\n\0\xff\xfe", "it is not text"),
        ("data_a\n\nloop_\n_rlnA\n1\n".encode("utf-16"), "it is not text"),
        (b"data_a\n\nloop_\n_rlnA\n\xe9\n", r"line 5: the byte 0xe9 is no UTF-8.*iconv -f latin1"),
        (b"data_a\n\nloop_\n_rlnA\n_rlnB\n1 2\n3\n", "line 7: 1 values, but the table has 2 columns"),
        (b"data_a\n\nloop_\n_rlnA\n1 2\n", "line 5: 2 values, but the table has 1 columns"),
        (b"data_a\n\nloop_\n_rlnA\n_rlnA\n1 2\n", "names the column rlnA more than once"),
        (b"data_a\n\n_rlnA 1\n\nloop_\n_rlnB\n2\n", "line 5: data_a holds a second table"),
        (b"data_a\n\n_rlnA 1\n\ndata_a\n_rlnB 2\n", "several blocks data_a"),
        (b"data_a\n\n_rlnA two words\n", "line 3: 2 values for _rlnA, which takes one"),
        (b"data_a\n\n_rlnA\n", "line 3: 0 values for _rlnA"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, content, message):
    path = tmp_path / "a.star"
    path.write_bytes(content)
    with pytest.raises(ParticleFileError, match=message):
        read_blocks(path)


def test_a_value_that_fits_no_quotes_leaves_no_file(tmp_path):
    with pytest.raises(OutputError, match="both kinds of quotes"):
        write_blocks(tmp_path / "a.star", {"a": CarriedTable({"rlnA": ["a' \" b"]})})
    assert not list(tmp_path.iterdir())


def test_paths_that_are_no_file(tmp_path):
    with pytest.raises(ParticleFileError, match="is a folder"):
        read_blocks(tmp_path)
    with pytest.raises(ParticleFileError, match=r"none\.star does not exist"):
        read_blocks(tmp_path / "none.star")


def test_compressed_text_is_read(tmp_path):
    text = "data_particles\n\nloop_\n_rlnImageName #1\n_rlnX #2\n" + "1@a.mrcs 2.5\n" * 1000
    packed = gzip.compress(text.encode())
    (tmp_path / "a.star").write_text(text)
    (tmp_path / "a.star.gz").write_bytes(packed)
    assert read_blocks(tmp_path / "a.star.gz") == read_blocks(tmp_path / "a.star")
    for damaged in (packed[:-20], packed[:40] + bytes(20) + packed[60:]):
        (tmp_path / "b.star.gz").write_bytes(damaged)
        with pytest.raises(ParticleFileError, match=r"b\.star\.gz (is damaged|cannot be read): "):
            read_blocks(tmp_path / "b.star.gz")
    (tmp_path / "a.star.bz2").write_bytes(bz2.compress(text.encode()))
    with pytest.raises(ParticleFileError, match="unpack what is compressed otherwise than with gzip"):
        read_blocks(tmp_path / "a.star.bz2")
