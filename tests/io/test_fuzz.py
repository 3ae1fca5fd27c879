"""Whatever a file holds: a correct read, or an error that says what is wrong; no traceback, no wrong table."""

import contextlib
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coldstart.errors import ParticleFileError
from coldstart.io.mrc import MrcStackSource
from coldstart.io.particle_files import read_particles
from coldstart.model.particles import Particles

COUNT, BOX = 4, 8
OPTICS = (
    "data_optics\n\nloop_\n_rlnOpticsGroup #1\n_rlnVoltage #2\n_rlnSphericalAberration #3\n_rlnAmplitudeContrast #4\n"
    "_rlnImagePixelSize #5\n_rlnImageSize #6\n_rlnImageDimensionality #7\n1 300.0 2.7 0.1 2.0 8 2\n\n"
)
COLUMNS = ("rlnImageName", "rlnOpticsGroup", "rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle")
ROWS = [[f"{row + 1:06d}@stack.mrcs", "1", f"{10000.0 + 500 * row}", "9800.0", "30.0"] for row in range(COUNT)]


def star(columns: tuple[str, ...] = COLUMNS, rows: list[list[str]] | None = None, separator: str = " ") -> str:
    labels = "".join(f"_{name} #{number}\n" for number, name in enumerate(columns, 1))
    lines = "".join(separator.join(row) + "\n" for row in (ROWS if rows is None else rows))
    return f"{OPTICS}data_particles\n\nloop_\n{labels}{lines}"


GOOD = star()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fuzz")
    with mrcfile.new(path / "stack.mrcs") as stack:
        stack.set_data(np.random.default_rng(0).normal(size=(COUNT, BOX, BOX)).astype(np.float32))
        stack.set_image_stack()
        stack.voxel_size = 2.0
    return path


def read(path: Path) -> tuple[Particles, MrcStackSource] | None:
    """What is read, or None where it is refused."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read_particles(path)
    except ParticleFileError:
        return None


def read_bytes(folder: Path, content: bytes, name: str = "table.star") -> tuple[Particles, MrcStackSource] | None:
    path = folder / name
    path.write_bytes(content)
    return read(path)


def assert_is_good(found: tuple[Particles, MrcStackSource] | None, count: int = COUNT) -> None:
    assert found is not None
    particles, images = found
    assert (particles.count, particles.box_px, particles.pixel_size_angstrom) == (count, BOX, 2.0)
    assert particles.ctf is not None
    np.testing.assert_array_equal(particles.ctf.defocus_u_angstrom, 10000.0 + 500 * np.arange(count))
    assert images.slice_index.tolist() == list(range(count))


SAME: dict[str, Callable[[str], bytes]] = {
    "as it is": str.encode,
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "tabs": lambda text: text.replace(" ", "\t").encode(),
    "many spaces": lambda text: text.replace(" ", "     ").encode(),
    "trailing spaces": lambda text: text.replace("\n", "  \n").encode(),
    "comments": lambda text: ("# version 30001\n" + text.replace("loop_", "# here\nloop_")).encode(),
    "UTF-8 mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "quoted": lambda text: text.replace("9800.0", '"9800.0"').encode(),
    "no last line end": lambda text: text.rstrip("\n").encode(),
    "blank lines at the end": lambda text: text.encode() + b"\n\n \n",
    "optics last": lambda text: (text[len(OPTICS) :] + "\n" + OPTICS).encode(),
    "no column numbers": lambda text: "".join(
        line.partition(" #")[0] + "\n" if line.startswith("_") else line + "\n" for line in text.splitlines()
    ).encode(),
}


@pytest.mark.parametrize("form", SAME.values(), ids=SAME)
def test_same_table_in_another_form(folder: Path, form: Callable[[str], bytes]) -> None:
    assert_is_good(read_bytes(folder, form(GOOD)))


def test_latin_1_is_refused_with_its_line(folder: Path) -> None:
    path = folder / "latin.star"
    path.write_bytes(("# Ångström\n" + GOOD).encode("latin-1"))
    with pytest.raises(ParticleFileError, match=r"latin\.star, line 1\b.*iconv"):
        read_particles(path)


def changed(row: int, column: str, value: str) -> str:
    rows = [list(line) for line in ROWS]
    rows[row][COLUMNS.index(column)] = value
    return star(rows=rows)


BAD = {
    "nothing": "",
    "spaces": " \n\n ",
    "no blocks": "hello\nworld\n",
    "block without a loop": "data_particles\n",
    "empty loop": star(rows=[]),
    "loop without labels": "data_particles\nloop_\n1 2 3\n",
    "row too short": star(rows=[*ROWS[:2], ROWS[2][:3]]),
    "row too long": star(rows=[*ROWS[:2], [*ROWS[2], "7"]]),
    "label twice": star(columns=(*COLUMNS[:4], "rlnDefocusU")),
    "no image names": star(columns=("rlnSomething", *COLUMNS[1:])),
    "no defocus": star(columns=(*COLUMNS[:2], "a", "b", "c")),
    "index 0": changed(1, "rlnImageName", "000000@stack.mrcs"),
    "index negative": changed(1, "rlnImageName", "-1@stack.mrcs"),
    "index beyond the stack": changed(1, "rlnImageName", "5@stack.mrcs"),
    "huge index": changed(1, "rlnImageName", "9" * 30 + "@stack.mrcs"),
    "index of text": changed(1, "rlnImageName", "one@stack.mrcs"),
    "missing stack": changed(1, "rlnImageName", "1@none.mrcs"),
    "unknown optics group": changed(1, "rlnOpticsGroup", "7"),
    "optics group of text": changed(1, "rlnOpticsGroup", "one"),
    "defocus of text": changed(1, "rlnDefocusU", "deep"),
    "defocus not a number": changed(1, "rlnDefocusU", "nan"),
    "defocus infinite": changed(1, "rlnDefocusV", "inf"),
    "no pixel size": GOOD.replace("_rlnImagePixelSize", "_rlnSomething"),
    "pixel size 0": GOOD.replace("0.1 2.0 8", "0.1 0.0 8"),
    "box of another stack": GOOD.replace("2.0 8 2", "2.0 16 2"),
    "voltage 0": GOOD.replace("300.0", "0"),
    "stack under its own name": changed(1, "rlnImageName", "1@table.star"),
    "folder for a stack": changed(1, "rlnImageName", "1@."),
    "NUL in a name": changed(1, "rlnImageName", "1@st\0ack.mrcs"),
    "name too long": changed(1, "rlnImageName", "1@" + "x" * 5000 + ".mrcs"),
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_what_is_wrong_is_refused(folder: Path, text: str) -> None:
    assert read_bytes(folder, text.encode()) is None


def test_negative_defocus_is_read_as_it_is(folder: Path) -> None:
    found = read_bytes(folder, changed(1, "rlnDefocusU", "-5000.5").encode())
    assert found is not None
    assert found[0].ctf.defocus_u_angstrom[1] == -5000.5


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(GOOD)))
def test_truncated_table_is_refused_or_whole_rows_are_read(folder: Path, length: int) -> None:
    found = read_bytes(folder, GOOD[:length].encode())
    if found is None:
        return
    particles, _ = found
    assert particles.count <= COUNT
    # Whole rows are right; the last value of the last one may have lost digits, which no reader can tell.
    expected = 10000.0 + 500 * np.arange(particles.count)
    np.testing.assert_array_equal(particles.ctf.defocus_u_angstrom, expected)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(GOOD) - 1), st.binary(max_size=6), st.integers(0, 6))
def test_spoilt_table_is_refused_or_read(folder: Path, at: int, inserted: bytes, removed: int) -> None:
    content = GOOD.encode()
    found = read_bytes(folder, content[:at] + inserted + content[at + removed :])
    if found is not None:
        particles, images = found
        assert 1 <= particles.count == len(images.slice_index)
        assert len(particles.ctf.defocus_u_angstrom) == particles.count
        assert np.isfinite(particles.ctf.defocus_u_angstrom).all()
        assert ((images.slice_index >= 0) & (images.slice_index < COUNT)).all()


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400), st.sampled_from(["t.star", "t.cs", "t.csg", "t.mrcs", "t.mrc", "t.mrcs.gz"]))
def test_any_bytes_under_any_name(folder: Path, content: bytes, name: str) -> None:
    assert read_bytes(folder, content, name) is None


@pytest.fixture(scope="module")
def dataset(folder: Path) -> bytes:
    """A cryoSPARC dataset of the same particles."""
    fields = [
        ("uid", "<u8"), ("blob/path", "S16"), ("blob/idx", "<u4"), ("blob/shape", "<u4", (2,)), ("blob/psize_A", "<f4"),
        ("blob/sign", "<f4"), ("ctf/type", "S6"), ("ctf/exp_group_id", "<u4"), ("ctf/accel_kv", "<f4"),
        ("ctf/cs_mm", "<f4"), ("ctf/amp_contrast", "<f4"), ("ctf/df1_A", "<f4"), ("ctf/df2_A", "<f4"),
        ("ctf/df_angle_rad", "<f4"), ("ctf/phase_shift_rad", "<f4"),
    ]  # fmt: skip
    rows = np.zeros(COUNT, fields)
    rows["uid"], rows["blob/idx"], rows["blob/path"] = np.arange(1, COUNT + 1), np.arange(COUNT), b"stack.mrcs"
    rows["blob/shape"], rows["blob/psize_A"], rows["blob/sign"] = BOX, 2.0, 1.0
    rows["ctf/accel_kv"], rows["ctf/cs_mm"], rows["ctf/amp_contrast"] = 300.0, 2.7, 0.1
    rows["ctf/df1_A"], rows["ctf/df2_A"] = 10000.0 + 500 * np.arange(COUNT), 9800.0
    path = folder / "good.npy"
    np.save(path, rows)
    return path.read_bytes()


def test_dataset(folder: Path, dataset: bytes) -> None:
    assert_is_good(read_bytes(folder, dataset, "good.cs"))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_truncated_dataset_is_refused(folder: Path, dataset: bytes, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, len(dataset) - 1))
    assert read_bytes(folder, dataset[:length], "short.cs") is None


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_spoilt_dataset_is_refused_or_read(folder: Path, dataset: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(dataset) - 1))
    byte = data.draw(st.binary(min_size=1, max_size=4))
    found = read_bytes(folder, dataset[:at] + byte + dataset[at + len(byte) :], "spoilt.cs")
    if found is not None:
        particles, images = found
        assert 1 <= particles.count == len(images.slice_index)
        assert ((images.slice_index >= 0) & (images.slice_index < COUNT)).all()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_stack_with_a_spoilt_header(folder: Path, data: st.DataObject) -> None:
    content = (folder / "stack.mrcs").read_bytes()
    at = data.draw(st.integers(0, 227))
    byte = data.draw(st.binary(min_size=1, max_size=4))
    path = folder / "header.mrcs"
    path.write_bytes(content[:at] + byte + content[at + len(byte) :])
    with warnings.catch_warnings(), contextlib.suppress(ParticleFileError):
        warnings.simplefilter("ignore")
        particles, images = read_particles(path, use_ctf=False, pixel_size_angstrom=2.0)
        assert images.read(np.arange(particles.count)).shape == (particles.count, images.box_px, images.box_px)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_truncated_stack_is_refused(folder: Path, data: st.DataObject) -> None:
    content = (folder / "stack.mrcs").read_bytes()
    path = folder / "short.mrcs"
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(ParticleFileError, match=r"short\.mrcs"):
        read_particles(path, use_ctf=False, pixel_size_angstrom=2.0)


@pytest.mark.parametrize("name", ["a.star", "a.cs", "a.csg"])
def test_folder_under_the_name_of_a_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert read(tmp_path / name) is None


@pytest.mark.parametrize("name", ["a.star", "a.cs", "a.csg", "a.mrcs"])
def test_link_that_leads_to_itself(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to(tmp_path / name)
    assert read(tmp_path / name) is None


def test_stack_that_is_a_link_to_itself(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "stack.mrcs").symlink_to(tmp_path / "stack.mrcs")
    assert read_bytes(tmp_path, GOOD.encode()) is None


@pytest.fixture
def unreadable(tmp_path: Path) -> Path:
    """A folder whose files may not be read."""
    if not hasattr(os, "geteuid") or os.geteuid() == 0:
        pytest.skip("this user may read everything")
    return tmp_path


@pytest.mark.parametrize("name", ["a.star", "a.cs", "a.csg", "a.mrcs"])
def test_file_that_may_not_be_read(unreadable: Path, name: str) -> None:
    path = unreadable / name
    path.write_text(GOOD)
    path.chmod(0)
    assert read(path) is None
