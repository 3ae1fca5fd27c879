"""A session owns one device: its context, queue, programs and buffers, and the count of their bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from coldstart.compute.device import DeviceInfo, _choose, _choose_several, set_cpu_threads
from coldstart.compute.failures import device_failure
from coldstart.compute.profile import Profile
from coldstart.compute.program import Program, build_program
from coldstart.compute.tuning import Tuning, tuning_for
from coldstart.errors import DeviceError, DeviceMemoryError

UNDER_WAY_BYTES = 2**20
"""Arrays up to this size are copied to the device while the host goes on, from a copy of their own: waiting for each of
the many small ones would let the device run dry."""


class DeviceArray:
    """A buffer on the device with a shape and a dtype."""

    __slots__ = ("buffer", "dtype", "shape")

    def __init__(self, buffer: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.buffer = buffer
        self.shape = shape
        self.dtype = dtype

    @property
    def nbytes(self) -> int:
        """Bytes that the array needs; its buffer may be larger."""
        return math.prod(self.shape) * self.dtype.itemsize


class Session:
    """One device at work. Close it, or use it as a context manager, to release its buffers.

    Attributes
    ----------
    info : DeviceInfo
    tuning : Tuning
        Tile sizes and vector widths for this device.
    profile : Profile or None
        What was launched, where the session was opened with `profiling`.
    bytes_held, peak_bytes : int
        Bytes of all buffers now, and at most so far.
    """

    def __init__(self, info: DeviceInfo, device: Any, *, profiling: bool = False) -> None:
        import pyopencl as cl

        self.info = info
        self.tuning: Tuning = tuning_for(info)
        self.profile = Profile() if profiling else None
        self.bytes_held = 0
        self.peak_bytes = 0
        self._context = cl.Context([device])
        if profiling:
            self._queue = cl.CommandQueue(self._context, properties=cl.command_queue_properties.PROFILING_ENABLE)
        else:
            self._queue = cl.CommandQueue(self._context)
        self._under_way: list[Any] = []  # events that hold the arrays that are being copied
        self._programs: dict[tuple[str, tuple[tuple[str, int], ...]], Program] = {}
        self._named: dict[str, DeviceArray] = {}

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Wait for the device and release all buffers."""
        import pyopencl as cl

        try:
            self.release_all_but(())
        except (cl.Error, DeviceError):  # a device that is lost has nothing to wait for, and nothing to release
            self._named.clear()
        self.bytes_held = 0

    def release_all_but(self, names: Collection[str]) -> None:
        """Release the buffers that do not have one of these names; arrays in them are not to be used any more.

        Raises
        ------
        DeviceError
            If the device is lost.
        """
        self.finish()
        for name in [name for name in self._named if name not in names]:
            array = self._named.pop(name)
            self.bytes_held -= array.buffer.size
            array.buffer.release()

    def program(self, file: str, **macros: int) -> Program:
        """The kernels of a file in `kernels/`, built once for each set of macros."""
        key = (file, tuple(sorted(macros.items())))
        if key not in self._programs:
            self._programs[key] = build_program(self._context, self._queue, self.info, file, macros, self.profile)
        return self._programs[key]

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> DeviceArray:
        """The named buffer, made or grown as needed; its old content is lost when it grows.

        Raises
        ------
        DeviceMemoryError
            If the device cannot hold it.
        """
        wanted = DeviceArray(None, shape, np.dtype(dtype))
        held = self._named.get(name)
        if held is not None and held.buffer.size >= wanted.nbytes:
            return DeviceArray(held.buffer, shape, wanted.dtype)
        growing = held is not None
        if held is not None:
            self.finish()
            self.bytes_held -= held.buffer.size
            held.buffer.release()
            del self._named[name]
        spare = min(wanted.nbytes // 4, self._free_bytes - wanted.nbytes) if growing else 0
        wanted.buffer = self._allocate(name, max(wanted.nbytes + max(spare, 0), 16))
        self._named[name] = wanted
        return wanted

    def upload(self, name: str, values: NDArray[Any]) -> DeviceArray:
        """Copy an array into the named buffer. It may be changed afterwards."""
        import pyopencl as cl

        values = np.ascontiguousarray(values)
        target = self.array(name, values.shape, values.dtype)
        at_once = values.nbytes > UNDER_WAY_BYTES
        source = values if at_once else values.copy()

        def copy() -> None:
            self._under_way.append(cl.enqueue_copy(self._queue, target.buffer, source, is_blocking=at_once))

        if values.size:
            self._told(f"copying to the buffer {name!r}", copy)
        return target

    def download(self, source: DeviceArray) -> NDArray[Any]:
        """Copy a buffer's array back."""
        import pyopencl as cl

        values = np.empty(source.shape, source.dtype)
        if values.size:
            self._told("copying results back", lambda: cl.enqueue_copy(self._queue, values, source.buffer))
            self._under_way.clear()  # the queue keeps its order
        return values

    def zero(self, target: DeviceArray) -> DeviceArray:
        """Fill a buffer with zeros."""
        import pyopencl as cl

        nothing = np.zeros(1, np.uint8)
        self._told(
            "filling a buffer",
            lambda: cl.enqueue_fill_buffer(self._queue, target.buffer, nothing, 0, target.nbytes),
        )
        return target

    def finish(self) -> None:
        """Wait until the device has done all that was asked."""
        self._told("waiting for kernels", lambda: self._queue.finish())
        self._under_way.clear()

    def _told(self, doing: str, act: Callable[[], object]) -> None:
        """Do something, and tell an error of the driver in words for the user."""
        import pyopencl as cl

        try:
            act()
        except cl.Error as error:
            raise device_failure(self.info.label, doing, error) from error

    @property
    def _free_bytes(self) -> int:
        """The largest buffer that would still be granted."""
        return min(self.info.max_alloc_bytes, self.info.global_bytes - self.bytes_held)

    def _allocate(self, name: str, size: int) -> Any:
        import pyopencl as cl

        need, have = size / 2**20, self.info.global_bytes / 2**20
        if size > self._free_bytes:
            largest = self.info.max_alloc_bytes / 2**20
            raise DeviceMemoryError(
                f"{self.info.label} cannot hold the buffer {name!r} of {need:.0f} MiB: it has {have:.0f} MiB in all, "
                f"{self.bytes_held / 2**20:.0f} MiB taken, and {largest:.0f} MiB at most in one buffer; "
                "use a smaller minibatch or a coarser maximum resolution"
            )
        try:
            buffer = cl.Buffer(self._context, cl.mem_flags.READ_WRITE, size)
        except cl.Error as error:
            raise DeviceMemoryError(
                f"{self.info.label} refused the buffer {name!r} of {need:.0f} MiB: {error}"
            ) from error
        self.bytes_held += size
        self.peak_bytes = max(self.peak_bytes, self.bytes_held)
        return buffer


def open_session(request: str | None = None, threads: int | None = None, *, profiling: bool = False) -> Session:
    """Take a device.

    Parameters
    ----------
    request : str or None
        As `coldstart.compute.device.choose_device`.
    threads : int or None
        CPU threads, where the device is the CPU.
    profiling : bool
        Note every launch and its time on the device.

    Raises
    ------
    DeviceError
        If there is none, or its driver fails.
    """
    set_cpu_threads(threads)
    return _open(*_choose(request), profiling=profiling)


def open_sessions(request: str | None = None, threads: int | None = None) -> list[Session]:
    """Take the devices among which a run deals out its work, at least one.

    Parameters
    ----------
    request : str or None
        As `coldstart.compute.device.choose_devices`.
    threads : int or None
        As `open_session`.

    Raises
    ------
    DeviceError
        If one is not there, or its driver fails.
    """
    set_cpu_threads(threads)
    return [_open(info, device, profiling=False) for info, device in _choose_several(request)]


def _open(info: DeviceInfo, device: Any, *, profiling: bool) -> Session:
    import pyopencl as cl

    try:
        return Session(info, device, profiling=profiling)
    except cl.Error as error:
        raise DeviceError(f"{info.label} could not be opened: {error}") from error
