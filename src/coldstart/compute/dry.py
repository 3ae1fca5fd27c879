"""A session on a device that is not opened: buffers are counted, nothing is computed.

What runs on a `Session` runs on this one and asks for the same buffers, so that what a job will need can be known
before it begins, from the very lines that will ask for it. Kernels do nothing. Where the size of a buffer depends on
what a kernel found, somebody has to say what it would have: `answer` is asked at each download.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from coldstart.compute.device import DeviceInfo
from coldstart.compute.session import DeviceArray, Session
from coldstart.compute.tuning import tuning_for

Answer = Callable[["DrySession", str, tuple[int, ...]], NDArray[Any] | None]
"""Of the session, the name and the shape of what is downloaded."""


class DrySession(Session):
    """Counts what a session would hold.

    Attributes
    ----------
    launches : dict of str to tuple
        Arguments of the latest launch of each kernel, the latest one last.
    shapes : dict of str to tuple
        Of each buffer, as it was last asked for.
    firsts : dict of str to scalar
        First value of each array that was uploaded; the arrays themselves would count as memory of the host.
    largest_bytes, largest_name : int, str
        The largest buffer so far.
    """

    def __init__(self, info: DeviceInfo, answer: Answer) -> None:
        self.info = info
        self.tuning = tuning_for(info)
        self.profile = None
        self.bytes_held = 0
        self.peak_bytes = 0
        self.largest_bytes, self.largest_name = 0, ""
        self._named = {}
        self._answer = answer
        self.launches: dict[str, tuple[Any, ...]] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.firsts: dict[str, Any] = {}

    def close(self) -> None:
        """Forget all buffers."""
        self._named.clear()
        self.bytes_held = 0

    def program(self, file: str, **macros: int) -> Any:
        """Kernels that do nothing."""
        return _Silent(self.launches)

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> DeviceArray:
        """Room for a named buffer."""
        self.shapes[name] = shape
        return super().array(name, shape, dtype)

    def upload(self, name: str, values: NDArray[Any]) -> DeviceArray:
        """Room for an array."""
        self.firsts[name] = values.flat[0]
        return self.array(name, values.shape, values.dtype)

    def download(self, source: DeviceArray) -> NDArray[Any]:
        """What `answer` says, or zeros."""
        answer = self._answer(self, source.buffer.name, source.shape)
        return np.zeros(source.shape, source.dtype) if answer is None else answer.astype(source.dtype)

    def zero(self, target: DeviceArray) -> DeviceArray:
        """The buffer itself."""
        return target

    def finish(self) -> None:
        """Nothing is ever under way."""

    def _allocate(self, name: str, size: int) -> Any:
        self.bytes_held += size
        self.peak_bytes = max(self.peak_bytes, self.bytes_held)
        if size > self.largest_bytes:
            self.largest_bytes, self.largest_name = size, name
        return _Room(name, size)


class _Room:
    """A buffer that is not there."""

    def __init__(self, name: str, size: int) -> None:
        self.name, self.size = name, size

    def release(self) -> None:
        """Nothing to release."""


class _Silent:
    """A program whose launches are noted, and do nothing."""

    def __init__(self, launches: dict[str, tuple[Any, ...]]) -> None:
        self._launches = launches

    def launch(self, kernel: str, global_size: tuple[int, ...], *args: Any, **_: Any) -> None:
        """Note the arguments."""
        self._launches.pop(kernel, None)
        self._launches[kernel] = args
