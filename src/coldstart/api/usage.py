"""What a run used of the machine: time by the clock, processor time, memory."""

import os
import sys
import time
from dataclasses import dataclass, field


def _cpu_seconds() -> float:
    """User and system time of this process and of those it has waited for, such as a kernel compiler's linker."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds used since this object was made."""

    _wall_start: float = field(default_factory=time.monotonic)
    _cpu_start: float = field(default_factory=_cpu_seconds)

    def wall_seconds(self) -> float:
        """Seconds by the clock."""
        return time.monotonic() - self._wall_start

    def cpu_seconds(self) -> float:
        """Processor seconds of all threads."""
        return _cpu_seconds() - self._cpu_start


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    class _MemoryCounters(ctypes.Structure):
        """PROCESS_MEMORY_COUNTERS of the Windows API."""

        _fields_ = (
            ("cb", wintypes.DWORD),
            ("PageFaultCount", wintypes.DWORD),
            ("PeakWorkingSetSize", ctypes.c_size_t),
            ("WorkingSetSize", ctypes.c_size_t),
            ("QuotaPeakPagedPoolUsage", ctypes.c_size_t),
            ("QuotaPagedPoolUsage", ctypes.c_size_t),
            ("QuotaPeakNonPagedPoolUsage", ctypes.c_size_t),
            ("QuotaNonPagedPoolUsage", ctypes.c_size_t),
            ("PagefileUsage", ctypes.c_size_t),
            ("PeakPagefileUsage", ctypes.c_size_t),
        )

    def peak_host_bytes() -> int | None:
        """Most memory that this process has had in use; None where the system does not say."""
        kernel = ctypes.WinDLL("kernel32")
        kernel.GetCurrentProcess.restype = wintypes.HANDLE
        query = kernel.K32GetProcessMemoryInfo
        query.argtypes = (wintypes.HANDLE, ctypes.POINTER(_MemoryCounters), wintypes.DWORD)
        counters = _MemoryCounters(cb=ctypes.sizeof(_MemoryCounters))
        known = query(kernel.GetCurrentProcess(), ctypes.byref(counters), counters.cb)
        return int(counters.PeakWorkingSetSize) if known else None

else:
    import resource

    def peak_host_bytes() -> int | None:
        """Most memory that this process has had in use; None where the system does not say."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        # macOS counts bytes, the others KiB.
        return peak if sys.platform == "darwin" else peak * 1024
