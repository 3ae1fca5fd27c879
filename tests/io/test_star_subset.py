from pathlib import Path

import numpy as np
import pytest

from coldstart.errors import OutputError, ParticleFileError
from coldstart.io.star_subset import check_new_table, particle_block, write_subset
from coldstart.io.star_text import read_blocks

TABLE = """
data_optics

loop_
_rlnOpticsGroup #1
1

data_images

loop_
_rlnImageName #1
_rlnVoltage #2
_other #3
1@s.mrcs 300.000 "two words"
2@s.mrcs 3e2 plain
/data/s.mrcs@3 1 1
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.star"
    path.write_text(TABLE.replace("/data/s.mrcs@3", "3@/data/s.mrcs"))
    return path


def test_every_column_keeps_its_text_and_names_lead_to_the_stacks(source: Path, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    blocks = read_blocks(source)
    assert particle_block(blocks, source) == "images"
    write_subset(tmp_path / "deep" / "some.star", blocks, blocks["images"].take(np.array([0, 2])), source)
    found = read_blocks(tmp_path / "deep" / "some.star")
    assert found["optics"] == blocks["optics"]
    columns = {label: values.tolist() for label, values in found["images"].columns.items()}
    assert columns == {
        "rlnImageName": ["1@../s.mrcs", "3@/data/s.mrcs"],
        "rlnVoltage": ["300.000", "1"],
        "other": ["two words", "1"],
    }


def test_a_table_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParticleFileError, match="with the column rlnImageName"):
        particle_block({}, tmp_path / "t.star")


def test_names_that_are_refused(source: Path, tmp_path: Path) -> None:
    star, dataset = (".star",), (".star", ".cs")
    check_new_table(tmp_path / "new.star", (source,), star, overwrite=False)
    check_new_table(tmp_path / "new.cs", (source,), dataset, overwrite=False)
    with pytest.raises(OutputError, match=r"end it in \.star"):
        check_new_table(tmp_path / "new.mrc", (source,), star, overwrite=True)
    with pytest.raises(OutputError, match=r"end it in \.star, or in \.cs for cryoSPARC"):
        check_new_table(tmp_path / "new.mrc", (source,), dataset, overwrite=True)
    (tmp_path / "taken.csg").touch()
    with pytest.raises(OutputError, match=r"taken\.csg is there already"):
        check_new_table(tmp_path / "taken.cs", (), dataset, overwrite=False)
    with pytest.raises(OutputError, match="is there already"):
        check_new_table(source, (), star, overwrite=False)
    with pytest.raises(OutputError, match="is the table that the particles come from"):
        check_new_table(tmp_path / "." / "source.star", (source,), star, overwrite=True)
