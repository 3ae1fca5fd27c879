"""Kernel programs: sources from the package, includes expanded here, built once a device and macro set.

Includes are expanded by us, with `#line`, because an include path with a space in it breaks several drivers.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from coldstart.compute.device import DeviceInfo
from coldstart.compute.profile import Profile
from coldstart.errors import KernelBuildError

_INCLUDE = re.compile(r'^\s*#include\s+"([^"]+)"\s*$')
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
        kernels: Mapping[str, Any],
        macros: Mapping[str, int],
        profile: Profile | None,
        *,
        one_item_groups: bool,
    ) -> None:
        self._queue = queue
        self._kernels = dict(kernels)
        self._macros = dict(macros)
        self._profile = profile
        self._one_item_groups = one_item_groups

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the kernels in the file."""
        return tuple(self._kernels)

    def launch(
        self, kernel: str, global_size: tuple[int, ...], *args: Any, local_size: tuple[int, ...] | None = None
    ) -> None:
        """Enqueue a kernel. Arrays are DeviceArrays; Python ints and floats become int32 and float32."""
        import pyopencl as cl

        if min(global_size) == 0:
            return
        entry = self._kernels[kernel]
        entry.set_args(*(_argument(value) for value in args))
        if local_size is None and self._one_item_groups:
            local_size = (1,) * len(global_size)
        event = cl.enqueue_nd_range_kernel(self._queue, entry, global_size, local_size)
        if self._profile is not None:
            self._profile.add(kernel, self._macros, global_size, args, event)


def _argument(value: Any) -> Any:
    if isinstance(value, int | np.integer):
        return np.int32(value)
    if isinstance(value, float | np.floating):
        return np.float32(value)
    return value.buffer


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
    return Program(queue, kernels, macros, profile, one_item_groups=info.kind == "CPU")
