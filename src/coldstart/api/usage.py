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
class Used:
    """What a run had used when it was left.

    Attributes
    ----------
    wall_seconds, cpu_seconds : float
    peak_host_bytes : int or None
    """

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_host_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What was used since this object was made, and before that by the process that left off.

    The clock is one that never goes back, whatever becomes of the time of day.

    Attributes
    ----------
    earlier : Used
    """

    earlier: Used = Used()
    _wall_start: float = field(default_factory=time.monotonic)
    _cpu_start: float = field(default_factory=_cpu_seconds)

    def wall_seconds(self) -> float:
        """Seconds by the clock."""
        return self.earlier.wall_seconds + time.monotonic() - self._wall_start

    def cpu_seconds(self) -> float:
        """Processor seconds of all threads."""
        return self.earlier.cpu_seconds + _cpu_seconds() - self._cpu_start

    def peak_host_bytes(self) -> int | None:
        """Most memory in use; None where the system does not say."""
        now = peak_host_bytes()
        return now if now is None else max(now, self.earlier.peak_host_bytes or 0)

    def so_far(self) -> Used:
        """All of it, for the process that goes on."""
        return Used(self.wall_seconds(), self.cpu_seconds(), self.peak_host_bytes())


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
