import gzip
from pathlib import Path

import pytest

from coldstart.errors import ParticleFileError
from coldstart.io.unpack import UnpackedFiles


def test_no_room_is_said_with_the_remedy(tmp_path, monkeypatch):
    with gzip.open(tmp_path / "a.gz", "wb") as stream:
        stream.write(b"x" * 1000)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("coldstart.io.unpack.shutil.copyfileobj", full)
    with pytest.raises(ParticleFileError, match=r"a\.gz cannot be unpacked to .*No space left.*TMPDIR"):
        UnpackedFiles().file(tmp_path / "a.gz")


def test_a_file_is_unpacked_once(tmp_path):
    for name in ("a", "b"):
        with gzip.open(tmp_path / f"{name}.gz", "wb") as stream:
            stream.write(name.encode())
    unpacked = UnpackedFiles()
    first = unpacked.file(tmp_path / "a.gz")
    assert unpacked.file(tmp_path / "b.gz").read_bytes() == b"b"
    assert unpacked.file(tmp_path / "a.gz") == first
    assert Path(first).read_bytes() == b"a"
