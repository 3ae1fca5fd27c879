import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from zipfile import ZipFile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from coldstart.errors import OutputError
from coldstart.io.checkpoint import has_record, read_record, write_records
from coldstart.params import AbInitioParams


@dataclass(frozen=True)
class Inner:
    kind: Literal["a", "b"]
    values: NDArray[np.complex128]
    level: float
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outer:
    params: AbInitioParams
    first: Inner
    others: tuple[Inner, ...]
    pair: tuple[float, int]
    missing: str | None
    present: Inner | None
    empty: NDArray[np.float32]
    flag: bool


def inner(level: float = 0.1) -> Inner:
    return Inner("b", np.array([[1 + 2j, np.nan], [np.inf, -0.0]]), level, ("å", "two"))


OUTER = Outer(
    AbInitioParams(seed=2**62), inner(), (inner(1.0), inner(2.0)), (0.5, 3), None, inner(), np.ones(0, "f4"), True
)


def same(one: object, other: object) -> bool:
    """Equal to the bit, types included."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    if hasattr(one, "__dataclass_fields__"):
        return type(one) is type(other) and all(
            same(getattr(one, n), getattr(other, n)) for n in one.__dataclass_fields__
        )
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and repr(one) == repr(other)


def test_a_record_comes_back_to_the_bit(tmp_path: Path) -> None:
    write_records(tmp_path / "c.npz", {"outer": OUTER, "inner": inner()})
    assert same(read_record(tmp_path / "c.npz", "outer", Outer), OUTER)
    assert same(read_record(tmp_path / "c.npz", "inner", Inner), inner())
    assert [has_record(tmp_path / "c.npz", name) for name in ("outer", "other")] == [True, False]
    assert [path.name for path in tmp_path.iterdir()] == ["c.npz"]


@given(level=st.floats(), values=st.lists(st.floats()))
def test_every_number_comes_back(level: float, values: list[float], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "numbers.npz"
    record = Inner("a", np.array(values, np.complex128), level)
    write_records(path, {"it": record})
    assert same(read_record(path, "it", Inner), record)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "c.npz"
    write_records(path, {"it": inner()})
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(OutputError, match=r"c\.npz cannot be read.*damaged"):
        read_record(path, "it", Inner)
    assert not has_record(path, "it")


def test_content_that_was_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    write_records(path, {"it": Inner("a", np.arange(4) * (1 + 0j), 1.0)})
    content = bytearray(path.read_bytes())
    where = content.find(np.array([3 + 0j]).tobytes())
    content[where] ^= 1
    path.write_bytes(content)
    with pytest.raises(OutputError, match="Bad CRC-32"):
        read_record(path, "it", Inner)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"c\.npz is missing"):
        read_record(tmp_path / "c.npz", "it", Inner)
    write_records(tmp_path / "c.npz", {"it": inner()})
    with pytest.raises(OutputError, match="cannot be read: 'other'"):
        read_record(tmp_path / "c.npz", "other", Inner)


def test_another_format_is_refused_with_the_remedy(tmp_path: Path) -> None:
    tree = np.frombuffer(json.dumps({"format": 99, "it": {}}).encode(), np.uint8)
    np.savez(tmp_path / "c.npz", records=tree)
    with pytest.raises(OutputError, match=r"has format 99, but this version .* go on with the version that wrote it"):
        read_record(tmp_path / "c.npz", "it", Inner)


def test_nothing_is_pickled(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"it\.level is of a kind that no record holds: object"):
        write_records(tmp_path / "c.npz", {"it": Inner("a", np.ones(1, "c16"), object())})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="pickle"):
        write_records(tmp_path / "c.npz", {"it": Inner("a", np.array([object()]), 1.0)})
    assert not list(tmp_path.iterdir())


def test_arrays_stand_under_their_paths(tmp_path: Path) -> None:
    write_records(tmp_path / "c.npz", {"outer": OUTER})
    with ZipFile(tmp_path / "c.npz") as archive:
        assert {"records.npy", "outer.first.values.npy", "outer.others.1.values.npy"} <= set(archive.namelist())
