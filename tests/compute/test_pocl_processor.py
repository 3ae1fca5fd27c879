"""PoCL's compiler gets a name for a processor that it does not know, in a record laid out as PoCL's."""

import ctypes
import sys
from dataclasses import dataclass

import pytest

from coldstart.compute import pocl_processor
from coldstart.compute.pocl_processor import name_processor, nearest_known

HASWELL = {"abm", "avx", "avx2", "bmi1", "bmi2", "cx16", "f16c", "fma", "popcnt", "sse4_1", "ssse3"}
AVX512 = {"avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"}
TRIPLE = "x86_64-unknown-linux-gnu"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="PoCL comes by pip on Linux alone")


@dataclass
class Device:
    """What is asked of a device of PoCL, its record in memory."""

    version: str
    int_ptr: int


class Record:
    """Words of all kinds, and among them pointers to the triple and to the processor's name."""

    def __init__(self, name: str, triple: str = TRIPLE) -> None:
        self.texts = [ctypes.create_string_buffer(text.encode()) for text in ("pthread", triple, name)]
        maker, target, processor = map(ctypes.addressof, self.texts)
        junk = [0, 1, 2**64 - 1, 0xDEAD0000BEEF, 8]
        self.words = (ctypes.c_uint64 * 130)(*junk, maker, *junk, target, processor, *junk)
        self.device = Device(f"OpenCL 3.0 PoCL HSTR: pthread-{triple}-{name}", ctypes.addressof(self.words))

    @property
    def name(self) -> bytes:
        return ctypes.string_at(self.words[12])


@pytest.fixture
def flags(monkeypatch):
    """Those of the processor."""
    monkeypatch.setattr(pocl_processor, "_flags", lambda: HASWELL | {"fpu", "sse4a"})


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        (HASWELL | AVX512 | {"avx512_bf16"}, "skylake-avx512"),
        (HASWELL | {"avx512f"}, "haswell"),
        (HASWELL - {"fma"}, "ivybridge"),
        (HASWELL - {"fma", "f16c"}, "sandybridge"),
        (HASWELL - {"avx", "avx2"}, "penryn"),
        ({"cx16", "ssse3"}, "core2"),
        ({"sse2"}, "x86-64"),
        (set(), "x86-64"),
    ],
)
def test_a_processor_is_named_after_the_best_that_it_can_stand_in_for(flags, name):
    assert nearest_known(flags) == name


@pytest.mark.usefixtures("flags")
def test_an_unknown_processor_gets_a_name():
    record = Record("generic")
    before = list(record.words)
    assert name_processor(record.device)
    assert record.name == b"haswell"
    changed = [number for number, (old, new) in enumerate(zip(before, record.words, strict=True)) if old != new]
    assert changed == [12]


def test_zen_4_is_not_taken_for_zen_3(monkeypatch):
    monkeypatch.setattr(pocl_processor, "_flags", lambda: HASWELL | AVX512)
    record = Record("znver3")
    assert name_processor(record.device)
    assert record.name == b"skylake-avx512"


@pytest.mark.usefixtures("flags")
def test_it_is_named_once():
    record = Record("generic")
    assert name_processor(record.device)
    first = record.words[12]
    assert name_processor(record.device)  # the version goes on saying "generic"
    assert record.words[12] == first


@pytest.mark.usefixtures("flags")
@pytest.mark.parametrize(
    ("name", "triple"), [("znver3", TRIPLE), ("skylake-avx512", TRIPLE), ("generic", "aarch64-unknown-linux-gnu")]
)
def test_a_name_that_the_compiler_knows_stays(name, triple):
    record = Record(name, triple)
    before = list(record.words)
    assert name_processor(record.device)
    assert list(record.words) == before


@pytest.mark.usefixtures("flags")
def test_a_record_that_is_laid_out_otherwise_is_left_alone():
    record = Record("generic")
    record.words[11] = 0  # where the triple was
    before = list(record.words)
    assert not name_processor(record.device)
    assert list(record.words) == before


def test_memory_that_cannot_be_read_is_refused_where_the_name_is_needed(monkeypatch):
    def refuse() -> set[str]:
        raise PermissionError

    monkeypatch.setattr(pocl_processor, "_flags", refuse)
    assert not name_processor(Record("generic").device)
    assert name_processor(Record("znver3").device)
