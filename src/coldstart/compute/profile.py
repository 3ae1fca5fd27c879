"""What a profiled session launched, and how long the device took for it.

Only sessions that were opened with `profiling` have one: events cost time and memory.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Launch:
    """One launch of a kernel.

    Attributes
    ----------
    kernel : str
    macros : mapping of str to int
        With which its program was built.
    global_size : tuple of int
    shapes : tuple of tuple of int
        Of the arrays among its arguments, in their order.
    numbers : tuple of int or float
        Its other arguments, in their order.
    enqueued : float
        `time.perf_counter` when it was handed to the device.
    event : pyopencl.Event
    """

    kernel: str
    macros: Mapping[str, int]
    global_size: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]
    numbers: tuple[int | float, ...]
    enqueued: float
    event: Any

    @property
    def seconds(self) -> float:
        """Time on the device from start to end; waits for the end."""
        self.event.wait()
        return float(self.event.profile.end - self.event.profile.start) * 1e-9


class Profile:
    """The launches of a session, in their order.

    Attributes
    ----------
    launches : list of Launch
    """

    def __init__(self) -> None:
        self.launches: list[Launch] = []

    def add(
        self, kernel: str, macros: Mapping[str, int], global_size: tuple[int, ...], args: tuple[Any, ...], event: Any
    ) -> None:
        """Note a launch."""
        shapes = tuple(value.shape for value in args if hasattr(value, "buffer"))
        numbers = tuple(value for value in args if not hasattr(value, "buffer"))
        self.launches.append(Launch(kernel, macros, global_size, shapes, numbers, time.perf_counter(), event))

    def clear(self) -> None:
        """Forget all launches."""
        self.launches.clear()

    def seconds(self, *kernels: str) -> float:
        """Time on the device of all launches, or of those of these kernels."""
        return sum(launch.seconds for launch in self.launches if not kernels or launch.kernel in kernels)


def required_profile(profile: Profile | None) -> Profile:
    """The profile of a session that must have one.

    Raises
    ------
    ValueError
        If the session was opened without `profiling`.
    """
    if profile is None:
        raise ValueError("the session was opened without profiling: open_session(..., profiling=True)")
    return profile
