import numpy as np
import pytest
import yaml
from cryosparc.dataset import CSDAT_FORMAT, Dataset

from coldstart.errors import ParticleFileError
from coldstart.io.cryosparc_files import (
    joined,
    read_dataset,
    read_group,
    slots,
    with_fields,
    without_slots,
    write_dataset,
    write_group,
)


def test_both_formats_hold_the_same(tmp_path, make_records):
    records = make_records(5)
    write_dataset(tmp_path / "a.cs", records)
    Dataset.load(tmp_path / "a.cs").save(tmp_path / "b.cs", format=CSDAT_FORMAT)
    assert (tmp_path / "b.cs").read_bytes()[:6] == b"\x95CSDAT"
    for name in ("a.cs", "b.cs"):
        found = read_dataset(tmp_path / name)
        assert found.dtype.names == records.dtype.names
        for field in records.dtype.names:
            np.testing.assert_array_equal(found[field], records[field])


def test_a_compressed_dataset_without_its_reader(tmp_path, make_records, monkeypatch):
    write_dataset(tmp_path / "a.cs", make_records(2))
    Dataset.load(tmp_path / "a.cs").save(tmp_path / "b.cs", format=CSDAT_FORMAT)
    monkeypatch.setitem(__import__("sys").modules, "cryosparc.dataset", None)
    with pytest.raises(ParticleFileError, match=r"cryosparc-tools reads: install it with.*\[cryosparc\]"):
        read_dataset(tmp_path / "b.cs")


def test_rows_are_joined_on_uid_in_any_order(make_records):
    records = without_slots(make_records(6), ["ctf", "location"])
    other = make_records(6)[[4, 2, 5, 0, 1, 3]]
    found = joined(records, other, ["ctf/df1_A", "ctf/tilt_A"])
    np.testing.assert_array_equal(found["ctf/df1_A"], make_records(6)["ctf/df1_A"])
    assert found["ctf/tilt_A"].shape == (6, 2)
    assert joined(records, other[:5], ["ctf/df1_A"]) is None
    assert joined(records, other[:0], ["ctf/df1_A"]) is None


def test_fields_are_replaced_in_their_places(make_records):
    records = make_records(3)
    changed = with_fields(records, {"blob/path": np.array([b"a longer path"] * 3), "new/one": np.zeros((3, 2))})
    assert changed.dtype.names == (*records.dtype.names, "new/one")
    assert changed["blob/path"].tolist() == [b"a longer path"] * 3
    assert slots(changed) == ("alignments3D", "blob", "ctf", "location", "new")
    assert slots(without_slots(changed, ["new", "ctf"])) == ("alignments3D", "blob", "location")


def test_a_group_names_its_dataset_and_its_slots(tmp_path, make_records):
    write_group(tmp_path / "a.csg", tmp_path / "a.cs", make_records(4), "title", "words")
    content = yaml.safe_load((tmp_path / "a.csg").read_text())
    assert content["group"] == {"description": "words", "name": "particles", "title": "title", "type": "particle"}
    assert content["results"]["blob"] == {"metafile": ">a.cs", "num_items": 4, "type": "particle.blob"}
    assert set(content) == {"created", "group", "results", "version"}
    assert read_group(tmp_path / "a.csg") == dict.fromkeys(
        ("alignments3D", "blob", "ctf", "location"), tmp_path / "a.cs"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no cryoSPARC dataset: it begins with b''"),
        (b"\x93NUMPY\x01\x00", "cannot be read as a cryoSPARC dataset"),
        (b"\x95CSDAT\x01", "cannot be read as a cryoSPARC dataset"),
        (b"data_particles\n", "is no cryoSPARC dataset"),
    ],
)
def test_files_that_are_no_dataset(tmp_path, content, message):
    (tmp_path / "a.cs").write_bytes(content)
    with pytest.raises(ParticleFileError, match=message):
        read_dataset(tmp_path / "a.cs")


def test_arrays_that_are_no_dataset(tmp_path, make_records):
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(ParticleFileError, match="no field uid"):
        read_dataset(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.array([(1, "x")], dtype=[("uid", "u8"), ("blob/path", "O")]))
    with pytest.raises(ParticleFileError, match="cannot be read"):
        read_dataset(tmp_path / "a.npy")
    write_dataset(tmp_path / "a.cs", make_records(5))
    (tmp_path / "a.cs").write_bytes((tmp_path / "a.cs").read_bytes()[:-10])
    with pytest.raises(ParticleFileError, match="cannot be read"):
        read_dataset(tmp_path / "a.cs")
    with pytest.raises(ParticleFileError, match="does not exist"):
        read_dataset(tmp_path / "none.cs")
    with pytest.raises(ParticleFileError, match="is a folder"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe", "cannot be read as a cryoSPARC group"),
        (b"a: [", "cannot be read as a cryoSPARC group"),
        (b"", "lists no results"),
        (b"- 1\n", "lists no results"),
        (b"results:\n  blob: 3\n", "the result blob names no metafile"),
        (b"results:\n  blob: {metafile: 3}\n", "the result blob names no metafile"),
    ],
)
def test_files_that_are_no_group(tmp_path, content, message):
    (tmp_path / "a.csg").write_bytes(content)
    with pytest.raises(ParticleFileError, match=message):
        read_group(tmp_path / "a.csg")
