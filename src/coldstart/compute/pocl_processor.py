"""A name for processors that PoCL's compiler does not know, or takes for older ones.

PoCL asks its LLVM for the processor's name. LLVM 14, in the PoCL that pip installs, has none for AMD processors from
Zen 5 on, nor for those of rarer makers, and says "generic": a name that its own front end refuses on x86, so that no
kernel compiles. Zen 4 it takes for Zen 3, and kernels for that cannot call the library of built-in functions for
AVX-512, which PoCL gives them: vectors of 16 floats are passed in other registers. No setting of PoCL helps. Here its
record of the device gets the name that the library was compiled for, before any kernel is compiled, as PoCL 3.1 does
by itself. PoCL's cache of kernels goes by the name.
"""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path
from typing import Any

# The processors that PoCL's libraries of built-in functions were compiled for, worst first, and the flags of
# /proc/cpuinfo by which PoCL picks a library.
_LOWEST, _AVX_512 = "x86-64", "skylake-avx512"
_LIBRARIES = (
    ("core2", {"cx16", "ssse3"}),
    ("penryn", {"cx16", "sse4_1"}),
    ("sandybridge", {"avx", "cx16", "popcnt"}),
    ("ivybridge", {"avx", "cx16", "f16c", "popcnt"}),
    ("haswell", {"abm", "avx2", "bmi1", "bmi2", "cx16", "f16c", "fma", "popcnt"}),
    (_AVX_512, {"avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"}),
)

_UNKNOWN, _ZEN_3 = "generic", "znver3"
_WORD_BYTES = struct.calcsize("P")
_RECORD_BYTES = 1024  # PoCL 3.0 has both names within the first 648
_NAME_BYTES = 64


def name_processor(device: Any) -> bool:
    """Name the processor of a PoCL device where PoCL could not, or named another.

    Parameters
    ----------
    device : pyopencl.Device
        Of PoCL.

    Returns
    -------
    bool
        Whether PoCL's compiler can build for the processor now.
    """
    _, _, target = device.version.rpartition(" ")[2].partition("-")  # "OpenCL 3.0 PoCL HSTR: pthread-<triple>-<name>"
    triple, _, name = target.rpartition("-")
    if not triple.startswith("x86_64-") or name not in (_UNKNOWN, _ZEN_3):  # elsewhere "generic" is a name like others
        return True
    try:
        nearest = nearest_known(_flags())
        if name == _ZEN_3 and nearest != _AVX_512:
            return True
        with Path("/proc/self/mem").open("rb", buffering=0) as memory:
            renamed = _rename(memory.fileno(), device.int_ptr, triple, name, nearest)
    except OSError:
        renamed = False
    return renamed or name != _UNKNOWN


def nearest_known(flags: set[str]) -> str:
    """The best of the processors that PoCL has a library for and whose flags these contain, as LLVM names it."""
    return next((name for name, needed in reversed(_LIBRARIES) if needed <= flags), _LOWEST)


def _flags() -> set[str]:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return {flag for line in lines if line.startswith("flags") for flag in line.partition(":")[2].split()}


def _rename(memory: int, record: int, triple: str, old: str, new: str) -> bool:
    """Find where the record points to the triple; where it points to the old name behind that, point to the new one."""
    words = [word for (word,) in struct.iter_unpack("P", _read(memory, record, _RECORD_BYTES))]
    for number, word in enumerate(words[:-1], 1):
        if _text(memory, word) == triple.encode():
            if _text(memory, words[number]) == old.encode():
                copy = ctypes.CDLL(None).strdup  # the record's own, to keep or to free
                copy.restype = ctypes.c_void_p
                ctypes.c_void_p.from_address(record + number * _WORD_BYTES).value = copy(new.encode())
            return True
    return False


def _text(memory: int, address: int) -> bytes:
    return _read(memory, address, _NAME_BYTES).partition(b"\0")[0]


def _read(memory: int, address: int, count: int) -> bytes:
    """Nothing where there is no memory."""
    try:
        return os.pread(memory, count, address)
    except (OSError, OverflowError):
        return b""
