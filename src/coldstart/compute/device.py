"""OpenCL devices: what is there, which one a run takes, and the session that owns one.

Nothing here touches a device on import. The choice is ours and not `pyopencl.create_some_context`'s, which takes
whatever the first platform offers, may prompt, and raises on platforms without devices.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from typing import Any, Literal

from coldstart.compute.pocl_processor import name_processor
from coldstart.errors import DeviceError

DeviceKind = Literal["GPU", "CPU", "accelerator"]

POCL = "Portable Computing Language"
ALL = "all"
"""Asks for every device like the best one."""

INSTALL_HINT = (
    "install an OpenCL driver: a GPU's own driver, or on Linux x86_64 `pip install 'napari-coldstart[cpu]'`, "
    "on other Linux systems the package pocl-opencl-icd"
)


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """One OpenCL device and whether a run can use it.

    Attributes
    ----------
    index : int
        Number among all devices, as `coldstart devices` shows it.
    platform_index, device_index : int
        Position in OpenCL's own lists.
    kind : {"GPU", "CPU", "accelerator"}
    global_bytes, max_alloc_bytes : int
        Memory, and the largest single buffer.
    shares_host_memory : bool
        True for CPUs and integrated GPUs.
    vector_width : int
        Floats in a native vector.
    usable, reason : bool, str
        Whether a run would take it when asked to, and why not.
    """

    index: int
    platform_index: int
    device_index: int
    name: str
    platform: str
    version: str
    driver: str
    kind: DeviceKind
    compute_units: int
    clock_mhz: int
    global_bytes: int
    max_alloc_bytes: int
    shares_host_memory: bool
    vector_width: int
    usable: bool
    reason: str

    @property
    def is_pocl(self) -> bool:
        """True for PoCL, OpenCL on the CPU."""
        return self.platform == POCL

    @property
    def label(self) -> str:
        """Name for logs and reports."""
        return f"{self.name} ({self.platform})"


def set_cpu_threads(threads: int | None) -> None:
    """Limit the threads of PoCL's CPU device; has an effect only before OpenCL is first used in the process."""
    if threads is not None:
        os.environ["POCL_MAX_PTHREAD_COUNT"] = str(threads)


def list_devices() -> tuple[DeviceInfo, ...]:
    """All OpenCL devices, usable or not, in OpenCL's order."""
    return tuple(info for info, _ in _enumerate())


def choose_device(request: str | None = None) -> DeviceInfo:
    """The device that a run takes.

    Parameters
    ----------
    request : str or None
        A device's number, `platform:device` numbers, or part of its name or platform; None for the best one.

    Raises
    ------
    DeviceError
        If there is no usable device, or the request fits none.
    """
    return _choose(request)[0]


def choose_devices(request: str | None = None) -> tuple[DeviceInfo, ...]:
    """The devices among which a run deals out its work.

    Parameters
    ----------
    request : str or None
        Requests as `choose_device` takes them, with commas between them; "all" for every device like the best one; and
        behind a request, "/2" for two equal parts of its device.

    Raises
    ------
    DeviceError
        As `choose_device`, if a device is asked for twice, or cannot be split so.
    """
    return tuple(info for info, _ in _choose_several(request))


def _choose_several(request: str | None) -> list[tuple[DeviceInfo, Any]]:
    if request is None:
        return [_choose(None)]
    chosen: list[tuple[DeviceInfo, Any]] = []
    for one in request.split(","):
        whole, parts = _parts(one)
        found = _like_the_best() if whole.lower() == ALL else [_choose(whole or None)]
        taken = {info.index for info, _ in chosen}
        for info, device in found:
            if info.index in taken:
                raise DeviceError(f"--device {request!r} asks for device {info.index}, {info.label}, more than once")
            chosen += [(info, device)] if parts is None else _split(info, device, parts)
    return chosen


def _parts(request: str) -> tuple[str, int | None]:
    """A request for a device, and into how many parts it is to be split."""
    whole, slash, parts = request.strip().rpartition("/")
    if slash and parts.isdigit():
        return whole.strip(), int(parts)
    return request.strip(), None


def _like_the_best() -> list[tuple[DeviceInfo, Any]]:
    best, _ = _choose(None)
    return [pair for pair in _enumerate() if pair[0].label == best.label and pair[0].usable]


def _split(info: DeviceInfo, device: Any, parts: int) -> list[tuple[DeviceInfo, Any]]:
    """Equal parts of a device."""
    import pyopencl as cl

    units = info.compute_units // max(parts, 1)
    if parts < 1 or units < 1:
        raise DeviceError(
            f"device {info.index}, {info.label}, cannot be split into {parts} parts: it has {info.compute_units} "
            "compute units"
        )
    try:
        found = device.create_sub_devices([cl.device_partition_property.EQUALLY, units])[:parts]
    except cl.Error as error:
        raise DeviceError(f"device {info.index}, {info.label}, cannot be split: {error}") from error
    return [(replace(info, compute_units=units, global_bytes=info.global_bytes // parts), part) for part in found]


def _choose(request: str | None) -> tuple[DeviceInfo, Any]:
    found = _enumerate()
    if not found:
        raise DeviceError(f"no OpenCL device was found: {INSTALL_HINT}")
    if request is None:
        usable = [pair for pair in found if pair[0].usable and not is_emulator(pair[0])]
        if not usable:
            raise DeviceError(_no_usable_device([info for info, _ in found]))
        return max(usable, key=lambda pair: _rank(pair[0]))
    matching = [pair for pair in found if _matches(pair[0], request)]
    if not matching:
        known = "; ".join(f"{info.index}: {info.label}" for info, _ in found)
        raise DeviceError(f"no OpenCL device fits --device {request!r}; there is {known}")
    chosen = max(matching, key=lambda pair: _rank(pair[0]))
    if not chosen[0].usable:
        raise DeviceError(f"device {chosen[0].index}, {chosen[0].label}, cannot be used: {chosen[0].reason}")
    return chosen


def _no_usable_device(found: list[DeviceInfo]) -> str:
    reasons = "; ".join(f"{info.label}: {info.reason or 'an emulator, taken only by name'}" for info in found)
    return f"no usable OpenCL device ({reasons}); {INSTALL_HINT}"


def _enumerate() -> list[tuple[DeviceInfo, Any]]:
    import pyopencl as cl

    try:
        platforms = cl.get_platforms()
    except cl.Error:  # the loader raises where no platform is installed
        return []
    found: list[tuple[DeviceInfo, Any]] = []
    for platform_index, platform in enumerate(platforms):
        try:
            devices = platform.get_devices()
        except cl.Error:  # a platform without devices raises too
            continue
        for device_index, device in enumerate(devices):
            found.append((_describe(device, len(found), platform_index, device_index), device))
    return found


def _describe(device: Any, index: int, platform_index: int, device_index: int) -> DeviceInfo:
    platform = device.platform.name.strip()
    reason = _why_unusable(device, platform)
    return DeviceInfo(
        index=index,
        platform_index=platform_index,
        device_index=device_index,
        name=device.name.strip(),
        platform=platform,
        version=device.platform.version.strip(),
        driver=device.driver_version.strip(),
        kind=_kind(device),
        compute_units=device.max_compute_units,
        clock_mhz=device.max_clock_frequency,
        global_bytes=device.global_mem_size,
        max_alloc_bytes=device.max_mem_alloc_size,
        shares_host_memory=bool(device.host_unified_memory),
        vector_width=max(device.native_vector_width_float, 1),
        usable=not reason,
        reason=reason,
    )


def _kind(device: Any) -> DeviceKind:
    import pyopencl as cl

    if device.type & cl.device_type.GPU:
        return "GPU"
    return "CPU" if device.type & cl.device_type.CPU else "accelerator"


def _why_unusable(device: Any, platform: str) -> str:
    """Empty, or the reason and the remedy."""
    version = tuple(int(part) for part in device.version.split()[1].split(".")[:2])
    if not device.available or not device.compiler_available:
        return "its driver says it is not available"
    if version < (1, 2):
        return f"it speaks OpenCL {version[0]}.{version[1]}, and 1.2 is needed"
    if platform == POCL and shutil.which("ld") is None:
        return "PoCL needs the linker `ld`, which is not on the PATH: install binutils"
    if platform == POCL and not name_processor(device):
        return "PoCL's compiler does not know the processor: install a newer PoCL, or Intel's OpenCL runtime for CPUs"
    return ""


def is_emulator(info: DeviceInfo) -> bool:
    """True for simulators and software drivers of GPUs: slow, and taken only when asked for by name."""
    text = f"{info.platform} {info.name}".lower()
    return any(word in text for word in ("oclgrind", "fpga", "llvmpipe"))


def _rank(info: DeviceInfo) -> tuple[int, int, str]:
    """Discrete GPU, integrated GPU, CPU; then size; then the newer driver."""
    if info.kind == "CPU":
        return (1 if info.usable else 0, 0, info.version)
    level = 2 if info.shares_host_memory else 3
    return (level if info.usable else 0, info.compute_units * info.clock_mhz, info.version)


def _matches(info: DeviceInfo, request: str) -> bool:
    text = request.strip().lower()
    if text.isdigit():
        return info.index == int(text)
    if text.replace(":", "", 1).isdigit():
        return f"{info.platform_index}:{info.device_index}" == text
    return text in info.name.lower() or text in info.platform.lower()
