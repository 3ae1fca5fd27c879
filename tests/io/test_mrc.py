import gc
import gzip
import sys
import tempfile
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from coldstart.errors import OutputError, ParticleFileError
from coldstart.io.mrc import MrcStackSource, find_stack, read_map, read_stack_header, write_map
from coldstart.io.mrc import write_stack as write_images


def source_of(path, rows):
    return MrcStackSource([path], np.zeros(len(rows), np.int64), np.asarray(rows))


def overwrite_bytes(path: Path, offset: int, data: bytes):
    content = bytearray(path.read_bytes())
    content[offset : offset + len(data)] = data
    path.write_bytes(content)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.float32, np.uint16, np.float16])
def test_every_mode_is_read_as_float32(tmp_path, write_stack, dtype):
    images = write_stack(tmp_path / "a.mrcs", 5, 6, dtype=dtype)
    read = source_of(tmp_path / "a.mrcs", range(5)).read(np.array([4, 0, 4]))
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, images[[4, 0, 4]].astype(np.float32))


def test_rows_come_from_several_stacks_in_the_order_asked(tmp_path, write_stack):
    first = write_stack(tmp_path / "a.mrcs", 3, 6, seed=1)
    second = write_stack(tmp_path / "b.mrcs", 4, 6, seed=2)
    source = MrcStackSource([tmp_path / "a.mrcs", tmp_path / "b.mrcs"], np.array([0, 1, 1, 0]), np.array([2, 3, 0, 1]))
    expected = np.stack([first[1], second[3], first[2], second[0]])
    np.testing.assert_array_equal(source.read(np.array([3, 1, 0, 2])), expected)
    assert source.read(np.array([], np.int64)).shape == (0, 6, 6)


def test_big_endian_extended_header_and_missing_identifiers(tmp_path):
    images = np.random.default_rng(0).normal(size=(3, 4, 4)).astype(np.float32)
    path = tmp_path / "a.mrcs"
    with mrcfile.new(path) as mrc:
        mrc.set_data(images.astype(">f4"))
        mrc.set_image_stack()
        mrc.set_extended_header(np.frombuffer(b"x" * 1024, dtype="V1"))
    np.testing.assert_array_equal(source_of(path, range(3)).read(np.arange(3)), images)
    with mrcfile.new(path, overwrite=True) as mrc:
        mrc.set_data(images)
    overwrite_bytes(path, 208, bytes(8))  # map identifier and machine stamp
    np.testing.assert_array_equal(source_of(path, range(3)).read(np.arange(3)), images)


def test_a_single_image_is_a_stack_of_one(tmp_path):
    mrcfile.write(tmp_path / "a.mrcs", np.eye(6, dtype=np.float32), voxel_size=2.5)
    header = read_stack_header(tmp_path / "a.mrcs")
    assert (header.count, header.box_px, header.pixel_size_angstrom) == (1, 6, 2.5)


def test_header_of_a_stack(tmp_path, write_stack):
    write_stack(tmp_path / "a.mrcs", 7, 12, pixel_size=1.25)
    header = read_stack_header(tmp_path / "a.mrcs")
    assert (header.count, header.box_px, header.pixel_size_angstrom) == (7, 12, 1.25)


def test_the_other_extension_is_found(tmp_path):
    (tmp_path / "a.mrc").touch()
    assert find_stack(tmp_path / "a.mrcs") == tmp_path / "a.mrc"
    assert find_stack(tmp_path / "a.mrc") == tmp_path / "a.mrc"
    assert find_stack(tmp_path / "b.mrcs") is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="resident memory is read from /proc")
def test_memory_does_not_grow_with_what_was_read(tmp_path, write_stack):
    def resident_bytes():
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    write_stack(tmp_path / "a.mrcs", 2000, 64)  # 31 MiB
    source = source_of(tmp_path / "a.mrcs", range(2000))
    source.read(np.arange(100))
    before = resident_bytes()
    for start in range(0, 2000, 100):
        source.read(np.arange(start, start + 100))
    assert resident_bytes() - before < 12 * 2**20


def test_truncated_stack(tmp_path, write_stack):
    path = tmp_path / "a.mrcs"
    write_stack(path, 5, 8)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(ParticleFileError, match=r"a\.mrcs is truncated: its header promises 5 images.*3 whole"):
        source_of(path, range(5))


def test_index_beyond_the_stack(tmp_path, write_stack):
    write_stack(tmp_path / "a.mrcs", 3, 8)
    with pytest.raises(ParticleFileError, match=r"row 2 asks for image 4 of .*a\.mrcs, which has 3 images"):
        source_of(tmp_path / "a.mrcs", [0, 3])


def test_boxes_must_agree(tmp_path, write_stack):
    write_stack(tmp_path / "a.mrcs", 2, 8)
    write_stack(tmp_path / "b.mrcs", 2, 10)
    with pytest.raises(ParticleFileError, match=r"b\.mrcs has a box of 10 px, .*a\.mrcs one of 8 px"):
        MrcStackSource([tmp_path / "a.mrcs", tmp_path / "b.mrcs"], np.array([0, 1]), np.array([0, 0]))


@pytest.mark.parametrize("shape", [(2, 7, 7), (2, 6, 8)])
def test_odd_or_oblong_box(tmp_path, shape):
    mrcfile.write(tmp_path / "a.mrcs", np.ones(shape, np.float32))
    with pytest.raises(ParticleFileError, match=f"{shape[2]} x {shape[1]} px, but must be square with an even side"):
        read_stack_header(tmp_path / "a.mrcs")


@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "not finite"), (np.inf, "not finite"), (None, "every pixel has the same value")]
)
def test_broken_images_are_named(tmp_path, write_stack, value, message):
    images = np.random.default_rng(0).normal(size=(4, 6, 6)).astype(np.float32)
    if value is None:
        images[2] = 3.0
    else:
        images[2, 1, 4] = value
    write_stack(tmp_path / "a.mrcs", 4, 6)
    overwrite_bytes(tmp_path / "a.mrcs", 1024, images.tobytes())
    source = source_of(tmp_path / "a.mrcs", [3, 2])
    source.read(np.array([0]))
    with pytest.raises(ParticleFileError, match=rf"a\.mrcs, image 3 \(particle row 2\).*{message}"):
        source.read(np.array([0, 1]))


def test_files_that_are_no_stack(tmp_path, write_stack):
    with pytest.raises(ParticleFileError, match="missing"):
        read_stack_header(tmp_path / "none.mrcs")
    with pytest.raises(ParticleFileError, match="folder"):
        read_stack_header(tmp_path)
    (tmp_path / "short.mrcs").write_bytes(b"abc")
    with pytest.raises(ParticleFileError, match="3 bytes, too few"):
        read_stack_header(tmp_path / "short.mrcs")
    (tmp_path / "text.mrcs").write_bytes(b"not a stack at all " * 200)
    with pytest.raises(ParticleFileError, match="not an MRC file"):
        read_stack_header(tmp_path / "text.mrcs")
    (tmp_path / "zeros.mrcs").write_bytes(bytes(2048))
    with pytest.raises(ParticleFileError, match=r"not an MRC file: its header gives \[0, 0, 0\]"):
        read_stack_header(tmp_path / "zeros.mrcs")
    write_stack(tmp_path / "mode.mrcs", 2, 8)
    overwrite_bytes(tmp_path / "mode.mrcs", 12, (4).to_bytes(4, "little"))
    with pytest.raises(ParticleFileError, match="MRC mode 4"):
        read_stack_header(tmp_path / "mode.mrcs")
    mrcfile.write(tmp_path / "packed.mrcs.bz2", np.ones((2, 8, 8), np.float32))
    with pytest.raises(ParticleFileError, match="compressed with bzip2"):
        read_stack_header(tmp_path / "packed.mrcs.bz2")


def packed(path, target):
    with gzip.open(target, "wb") as stream:
        stream.write(path.read_bytes())
    return target


def test_packed_stacks_are_unpacked_to_a_temporary_folder(tmp_path, write_stack, monkeypatch):
    images = write_stack(tmp_path / "a.mrcs", 5, 8, dtype=np.float16)
    path = packed(tmp_path / "a.mrcs", tmp_path / "packed.mrcs.gz")
    (tmp_path / "room").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "room"))
    source = source_of(path, [4, 0])
    assert source.headers[0].is_packed
    assert not list((tmp_path / "room").iterdir())
    np.testing.assert_array_equal(source.read(np.array([0, 1])), images[[4, 0]])
    assert len(list((tmp_path / "room").iterdir())) == 1
    del source
    gc.collect()
    assert not list((tmp_path / "room").iterdir())


def test_a_packed_stack_stands_in_for_one_that_is_missing(tmp_path, write_stack):
    write_stack(tmp_path / "a.mrc", 2, 8)
    packed(tmp_path / "a.mrc", tmp_path / "a.mrc.gz")
    assert find_stack(tmp_path / "a.mrcs") == tmp_path / "a.mrc"
    (tmp_path / "a.mrc").unlink()
    assert find_stack(tmp_path / "a.mrcs") == tmp_path / "a.mrc.gz"


def test_packed_stacks_that_are_damaged(tmp_path, write_stack):
    write_stack(tmp_path / "a.mrcs", 5, 8)
    path = packed(tmp_path / "a.mrcs", tmp_path / "packed.mrcs.gz")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ParticleFileError, match=r"packed\.mrcs\.gz is damaged.*Copy it again"):
        source_of(path, [0]).read(np.array([0]))
    content = (tmp_path / "a.mrcs").read_bytes()
    (tmp_path / "a.mrcs").write_bytes(content[:-300])
    packed(tmp_path / "a.mrcs", path)
    with pytest.raises(ParticleFileError, match=r"truncated: its header promises 5 images, the file holds 3 whole"):
        source_of(path, [0]).read(np.array([0]))
    path.write_bytes(whole[:20])
    with pytest.raises(ParticleFileError, match="cannot be read as an MRC file"):
        read_stack_header(path)


def test_several_maps_in_one_file(tmp_path):
    with mrcfile.new(tmp_path / "a.mrc") as mrc:
        mrc.set_data(np.zeros((2, 4, 4, 4), np.float32))
    with pytest.raises(ParticleFileError, match="several maps"):
        read_map(tmp_path / "a.mrc")


def test_map_round_trip(tmp_path):
    volume = np.random.default_rng(0).normal(size=(6, 7, 8)).astype(np.float32)
    write_map(tmp_path / "a.mrc", volume, 1.37)
    back, voxel_size = read_map(tmp_path / "a.mrc")
    np.testing.assert_array_equal(back, volume)
    assert voxel_size == pytest.approx(1.37)
    assert mrcfile.validate(tmp_path / "a.mrc")
    with mrcfile.open(tmp_path / "a.mrc") as mrc:
        assert mrc.is_volume()
        assert int(mrc.header.mode) == 2
        assert mrc.header.origin.item() == (0, 0, 0)
        assert float(mrc.header.dmax) == pytest.approx(float(volume.max()))
        assert float(mrc.header.rms) == pytest.approx(float(volume.std()), rel=1e-5)


def test_the_same_map_gives_the_same_bytes(tmp_path):
    volume = np.random.default_rng(0).normal(size=(4, 4, 4)).astype(np.float32)
    write_map(tmp_path / "a.mrc", volume, 2.0)
    write_map(tmp_path / "b.mrc", volume, 2.0)
    content = (tmp_path / "a.mrc").read_bytes()
    assert content == (tmp_path / "b.mrc").read_bytes()
    assert b"mrcfile" not in content  # its label would hold the time of day
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mrc", "b.mrc"]


def test_the_same_stack_gives_the_same_bytes(tmp_path):
    images = np.random.default_rng(0).normal(size=(3, 4, 4)).astype(np.float32)
    write_images(tmp_path / "a.mrcs", images, 2.0)
    write_images(tmp_path / "b.mrcs", images, 2.0)
    assert (tmp_path / "a.mrcs").read_bytes() == (tmp_path / "b.mrcs").read_bytes()
    header = read_stack_header(tmp_path / "a.mrcs")
    assert (header.count, header.box_px, header.pixel_size_angstrom) == (3, 4, 2.0)
    np.testing.assert_array_equal(header.open(), images)
    assert mrcfile.validate(tmp_path / "a.mrcs")


def test_images_may_be_looked_at_whatever_they_hold(tmp_path):
    images = np.zeros((2, 4, 4), np.float32)
    images[1] = 1.0
    write_images(tmp_path / "a.mrcs", images, 2.0)
    source = MrcStackSource([tmp_path / "a.mrcs"], np.zeros(2), np.arange(2))
    np.testing.assert_array_equal(source.peek(np.array([1, 0])), images[::-1])


def test_maps_that_cannot_be_read_or_written(tmp_path):
    write_map(tmp_path / "a.mrc", np.ones((4, 4, 4), np.float32), 2.0)
    (tmp_path / "a.mrc").write_bytes((tmp_path / "a.mrc").read_bytes()[:-4])
    with pytest.raises(ParticleFileError, match="truncated"):
        read_map(tmp_path / "a.mrc")
    with pytest.raises(OutputError, match="cannot be written"):
        write_map(tmp_path / "missing" / "a.mrc", np.ones((4, 4, 4), np.float32), 2.0)
