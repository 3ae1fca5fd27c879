"""What `coldstart devices --check` prints: plain text for a bug report, or JSON."""

import math
import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from coldstart import __version__

if TYPE_CHECKING:
    from coldstart.engine.selftest.check import DeviceCheck, KernelCheck

_GIB = 2**30
_PACKAGES = ("numpy", "pyopencl")


def software_versions() -> dict[str, str]:
    """What ran: the program, Python, the packages that matter, and the system."""
    packages = {name: version(name) for name in _PACKAGES}
    return {"coldstart": __version__, "Python": platform.python_version(), **packages, "system": platform.platform()}


def self_test_text(check: "DeviceCheck", versions: dict[str, str]) -> str:
    """The whole report, in lines that fit a bug report."""
    rows = [("Kernels", "File", "Result", "Largest error", "Of tolerance"), *map(_row, check.kernels)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    messages = [f"\n{', '.join(failed.kernels)}: {failed.message}" for failed in check.failures if failed.message]
    return "\n".join([*_heading(check, versions), "", *table, *messages, "", _verdict(check)])


def self_test_record(check: "DeviceCheck", versions: dict[str, str]) -> dict[str, Any]:
    """The same as plain values; null where there is no finite number."""
    kernels = [{name: _finite(value) for name, value in asdict(row).items()} for row in check.kernels]
    return {"versions": versions, **asdict(check), "kernels": kernels, "all_agree": not check.failures}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _heading(check: "DeviceCheck", versions: dict[str, str]) -> list[str]:
    device, tuning = check.device, check.tuning
    facts = {
        "Software": ", ".join(f"{name} {value}" for name, value in versions.items() if name != "system"),
        "System": versions["system"],
        "Device": f"{device.name}, {device.kind}, {device.compute_units} units at {device.clock_mhz} MHz",
        "Platform": f"{device.platform}, {device.version}",
        "Driver": device.driver,
        "Memory": f"{device.global_bytes / _GIB:.1f} GiB, {device.max_alloc_bytes / _GIB:.1f} GiB in one buffer",
        "Kernels": ", ".join(f"{name} {int(value)}" for name, value in asdict(tuning).items()),
        "Speed": _speed(check),
    }
    return [f"{name:10s}{value}" for name, value in facts.items()]


def _speed(check: "DeviceCheck") -> str:
    if check.copy_gb_per_second is None or check.peak_gflops is None:
        return "not measured"
    return f"{check.copy_gb_per_second:.1f} GB/s in a copy, {check.peak_gflops:.0f} GFLOP/s"


def _row(kernel: "KernelCheck") -> tuple[str, ...]:
    error = "" if math.isnan(kernel.largest_error) else f"{kernel.largest_error:.1e}"
    share = "" if math.isnan(kernel.of_tolerance) else f"{kernel.of_tolerance:.0%}"
    return ", ".join(kernel.kernels), kernel.file, kernel.result, error, share


def _verdict(check: "DeviceCheck") -> str:
    kernels = sum(len(row.kernels) for row in check.kernels)
    failed = [name for row in check.failures for name in row.kernels]
    if not failed:
        return f"All {kernels} kernels agree with NumPy."
    return f"{len(failed)} of {kernels} kernels are not right: do not trust results of this device."
