"""Kernel programs: sources from the package, includes expanded here, built once a device and macro set.

A work-item on a CPU is a group of its own. On other devices a launch along one axis is filled up to whole groups of
GROUP_ITEMS, because OpenCL 1.2 divides a launch evenly: left to itself, a driver has no better choice for a prime
number of items than groups of one. Every kernel with one axis returns where its item is one too many.

Includes are expanded by us, with `#line`, because an include path with a space in it breaks several drivers.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from importlib import resources
from operator import attrgetter, index
from pathlib import Path
from typing import Any

import numpy as np

from coldstart.compute.device import DeviceInfo
from coldstart.compute.failures import device_failure
from coldstart.compute.profile import Profile
from coldstart.errors import KernelBuildError

_INCLUDE = re.compile(r'^\s*#include\s+"([^"]+)"\s*$')
GROUP_ITEMS = 64
"""Work-items of a group, at most: a wavefront of AMD's, two warps of NVIDIA's."""

BUILD_OPTIONS = ("-cl-std=CL1.2", "-cl-single-precision-constant")


def kernel_source(file: str) -> str:
    """The text of a kernel file, its includes expanded, each once, with `#line` marks for the compiler's messages."""
    seen: set[str] = set()

    def expand(name: str) -> list[str]:
        seen.add(name)
        lines = [f'#line 1 "{name}"']
        for number, line in enumerate(_read(name).splitlines(), start=1):
            match = _INCLUDE.match(line)
            if not match:
                lines.append(line)
                continue
            if match[1] not in seen:
                lines += expand(match[1])
            lines.append(f'#line {number + 1} "{name}"')
        return lines

    return "\n".join(expand(file)) + "\n"


def _read(name: str) -> str:
    packaged = resources.files("coldstart").joinpath("kernels", name)
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    return (Path(__file__).parents[3] / "kernels" / name).read_text(
        encoding="utf-8"
    )  # a checkout that is not installed


class Program:
    """The kernels of one file on one device. `launch` is the only way in."""

    def __init__(
        self,
        queue: Any,
        label: str,
        kernels: Mapping[str, Any],
        macros: Mapping[str, int],
        profile: Profile | None,
        *,
        one_item_groups: bool,
    ) -> None:
        self._queue = queue
        self._label = label
        self._kernels = dict(kernels)
        self._macros = dict(macros)
        self._profile = profile
        self._one_item_groups = one_item_groups
        self._ways: dict[str, tuple[Callable[[Any], Any], ...]] = {}
        self._largest_groups: dict[str, int] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the kernels in the file."""
        return tuple(self._kernels)

    def launch(self, kernel: str, global_size: tuple[int, ...], *args: Any, in_groups: bool | None = None) -> None:
        """Enqueue a kernel. Arrays are DeviceArrays; Python ints and floats become int32 and float32.

        Parameters
        ----------
        kernel : str
        global_size : tuple of int
            Work-items that have something to do.
        *args
            The kernel's; each is an array or a number, whole or not, as in its first launch.
        in_groups : bool, optional
            Whether a launch along one axis is filled up to whole groups; by default everywhere but on CPUs.

        Raises
        ------
        DeviceError
            If the device has too little memory for it, or is lost.
        """
        import pyopencl as cl

        if min(global_size) == 0:
            return
        entry = self._kernels[kernel]
        ways = self._ways.get(kernel)
        if ways is None:
            ways = self._ways[kernel] = tuple(map(_way_of, args))
            entry.set_scalar_arg_dtypes([_TYPES.get(way) for way in ways])
        entry.set_args(*(way(value) for way, value in zip(ways, args, strict=True)))
        whole_size, group_size = self._groups(kernel, global_size, in_groups)
        try:
            event = cl.enqueue_nd_range_kernel(self._queue, entry, whole_size, group_size)
        except cl.Error as error:
            raise device_failure(self._label, f"running the kernel {kernel}", error) from error
        if self._profile is not None:
            self._profile.add(kernel, self._macros, global_size, args, event)

    def _groups(
        self, kernel: str, global_size: tuple[int, ...], in_groups: bool | None
    ) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
        """Global size, filled up where that is wanted, and size of the groups; None leaves that to the driver."""
        wanted = not self._one_item_groups if in_groups is None else in_groups
        if not wanted or len(global_size) > 1 or global_size == (1,):
            return global_size, (1,) * len(global_size) if self._one_item_groups else None
        group = min(GROUP_ITEMS, self._largest_group(kernel))
        return (-(-global_size[0] // group) * group,), (group,)

    def _largest_group(self, kernel: str) -> int:
        import pyopencl as cl

        if kernel not in self._largest_groups:
            limit = cl.kernel_work_group_info.WORK_GROUP_SIZE
            self._largest_groups[kernel] = self._kernels[kernel].get_work_group_info(limit, self._queue.device)
        return self._largest_groups[kernel]


_BUFFER = attrgetter("buffer")
_TYPES = {index: np.int32, float: np.float32}


def _way_of(value: Any) -> Callable[[Any], Any]:
    """How an argument is passed: an array as its buffer, a number as such."""
    if isinstance(value, int | np.integer):
        return index
    return float if isinstance(value, float | np.floating) else _BUFFER


def build_program(
    context: Any, queue: Any, info: DeviceInfo, file: str, macros: Mapping[str, int], profile: Profile | None = None
) -> Program:
    """Compile a kernel file. Its launches are noted in `profile`, where there is one.

    Raises
    ------
    KernelBuildError
        With the device, the file and the compiler's log.
    """
    import pyopencl as cl

    options = [*BUILD_OPTIONS, *(f"-D{name}={value}" for name, value in sorted(macros.items()))]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", cl.CompilerWarning)
            built = cl.Program(context, kernel_source(file)).build(options=options)
    except cl.Error as error:
        raise KernelBuildError(
            f"kernels/{file} did not compile on {info.label} with {' '.join(options)}:\n{error}"
        ) from error
    kernels = {kernel.function_name: kernel for kernel in built.all_kernels()}
    return Program(queue, info.label, kernels, macros, profile, one_item_groups=info.kind == "CPU")
