"""How much the kernels do, told from the sizes that they were launched with.

Floating-point operations are counted as kernels/*.cl has them, a multiply-add as two; exponentials, logarithms and the
filling of tiles and vectors beyond what was asked for are not counted. Bytes are those that a point needs, wherever
they come from; what many points share, such as frequencies and rotations, is not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from coldstart.compute.profile import Launch
from coldstart.model.polar import PolarPlane

Planes = tuple[PolarPlane, ...]

FLOP = "flop"
POINTS = "points"
VOXEL_UPDATES = "voxel updates"

WEIGH_FLOP = 11
"""A point of a slice times one of an image, and the slice's power."""

SHIFT_FLOP = 4
"""That product times the phase of a shift: its real part."""

SAMPLE_FLOP = 59
"""A turned point, and the trilinear value of the map there."""

SLICED_BYTES = 8 * 8 + 2 * 8
"""A point of a slice that is sampled: 8 neighbours are read, and two points of the whole turn written. The slice that
is read off it is not counted."""

INSERTED_BYTES = 8 * 2 * 24 + 12
"""A point of a gathered slice: 8 voxels of three 64-bit numbers are read and written, and its value and weight read."""


@dataclass(frozen=True, slots=True)
class KernelTime:
    """All launches of one kernel.

    Attributes
    ----------
    kernel : str
    launches : int
    seconds : float
        On the device.
    work : float or None
        How much was done, where that is known.
    unit : {"flop", "points", "voxel updates"} or None
    bytes : float or None
        How much memory had to be read and written, for the kernels that memory bounds.
    """

    kernel: str
    launches: int
    seconds: float
    work: float | None
    unit: str | None
    bytes: float | None

    @property
    def rate(self) -> float | None:
        """Work a second."""
        return None if self.work is None or self.seconds <= 0 else self.work / self.seconds


@dataclass(frozen=True, slots=True)
class Visits:
    """Where in a table of the map the points of slices lie, when a kernel makes or inserts many.

    Attributes
    ----------
    plane : PolarPlane
    rings, slices : int
        Of each slice the first rings, which fill the table.
    side, width : int
        Points of the table along z and y, and along x.
    """

    plane: PolarPlane
    rings: int
    slices: int
    side: int
    width: int


def kernel_times(launches: Iterable[Launch], planes: Planes) -> tuple[KernelTime, ...]:
    """Launches kernel by kernel, the longest first.

    Parameters
    ----------
    launches : iterable of Launch
    planes : tuple of PolarPlane
        Of the levels from 0 to the finest one.
    """
    of_kernel: dict[str, list[Launch]] = {}
    for launch in launches:
        of_kernel.setdefault(launch.kernel, []).append(launch)
    times = []
    for kernel, group in of_kernel.items():
        unit, count = _COUNTS.get(kernel, (None, None))
        work = None if count is None else float(sum(count(launch, planes) for launch in group))
        each = _BYTES.get(kernel)
        moved = None if work is None or each is None else each * work
        times.append(KernelTime(kernel, len(group), sum(launch.seconds for launch in group), work, unit, moved))
    return tuple(sorted(times, key=lambda time: -time.seconds))


def slicing_visits(launches: Iterable[Launch], planes: Planes) -> Visits:
    """Those of the largest launch of make_slices; slices that are read off their opposites visit nothing."""
    launch = max((one for one in launches if one.kernel == "make_slices"), key=lambda one: _make_slices(one, planes))
    rings, slices = launch.global_size
    side, width = (int(number) for number in launch.numbers[-2:])
    return Visits(_of_stride(planes, launch.shapes[1][0]), rings, slices, side, width)


def insertion_visits(launches: Iterable[Launch], planes: Planes) -> Visits:
    """Those of the largest launch of insert_slices."""
    largest = max((one for one in launches if one.kernel == "insert_slices"), key=lambda o: _insert_slices(o, planes))
    slices, count, stride = (int(number) for number in largest.numbers[:3])
    side, width = (int(number) for number in largest.numbers[-2:])
    plane = _of_stride(planes, stride)
    return Visits(plane, int(plane.ring[count - 1]), slices, side, width)


def _score_grid(launch: Launch, planes: Planes) -> float:
    """Products of harmonics for each shift and each mode, then sums over modes; even modes once more for the power.

    The products of a slice serve two directions, each with its own sums.
    """
    (terms, shifts, _), (blocks, images) = launch.numbers, launch.global_size
    half = launch.macros["TURN"] // 2
    even, odd, angles = half // 2 + 1, half // 2, half // 2 + 1
    each_mode, each_sum = 8 * terms, 2 * 4 * angles
    pose = (even + odd) * (each_mode + each_sum)
    return blocks * launch.macros["VW"] * images * (shifts * pose + even * (each_mode + each_sum))


def _image_harmonics(launch: Launch, planes: Planes) -> float:
    rings, _, _, shifts, _ = launch.numbers
    points, harmonics = _harmonics(launch, planes, int(rings))
    return launch.global_size[1] * (shifts * (6 * points + 4 * harmonics) + 4 * harmonics)


def _slice_harmonics(launch: Launch, planes: Planes) -> float:
    _, harmonics = _harmonics(launch, planes, int(launch.numbers[1]))
    return launch.global_size[0] * launch.macros["VW"] * 8 * harmonics


def _harmonics(launch: Launch, planes: Planes, rings: int) -> tuple[int, int]:
    """Points on half turns, and terms of all sums over them, of one image or slice."""
    turn = launch.macros["TURN"]
    table = _plane(planes, lambda plane: plane.in_plane == turn).ring_table[:rings].astype(np.int64)
    return int(table[:, 1].sum()), (turn // 2 + 1) * int((table[:, 1] * table[:, 3]).sum())


def _score_cells(launch: Launch, planes: Planes) -> float:
    pairs, first, last, in_plane, _, _ = (int(number) for number in launch.numbers)
    plane = _plane(planes, lambda plane: plane.in_plane == in_plane)
    points = int(plane.half_points[first:last].sum())
    return points * (WEIGH_FLOP * pairs + SHIFT_FLOP * launch.shapes[9][0])


def _score_poses(launch: Launch, planes: Planes) -> float:
    pairs, begin, count, stride, _, _ = (int(number) for number in launch.numbers)
    points = _points(_of_stride(planes, stride), begin, count)
    return points * ((SAMPLE_FLOP + WEIGH_FLOP) * pairs + SHIFT_FLOP * launch.shapes[10][0])


def _make_slices(launch: Launch, planes: Planes) -> float:
    rings, directions = launch.global_size
    plane = _of_stride(planes, launch.shapes[1][0])
    return directions * int(plane.half_points[:rings].sum())


def _gather_slices(launch: Launch, planes: Planes) -> float:
    plane = _of_stride(planes, int(launch.numbers[1]))
    return launch.shapes[1][0] * int(plane.half_points[: launch.global_size[0]].sum())


def _insert_slices(launch: Launch, planes: Planes) -> float:
    slices, count, stride = (int(number) for number in launch.numbers[:3])
    return 8 * slices * _points(_of_stride(planes, stride), 0, count)


def _points(plane: PolarPlane, begin: int, end: int) -> int:
    """Points, pads left out, of a run of entries."""
    return int(np.searchsorted(plane.points, end) - np.searchsorted(plane.points, begin))


def _of_stride(planes: Planes, stride: int) -> PolarPlane:
    return _plane(planes, lambda plane: plane.stride == stride)


def _plane(planes: Planes, fits: Callable[[PolarPlane], bool]) -> PolarPlane:
    return next(plane for plane in planes if fits(plane))


_COUNTS: dict[str, tuple[str, Callable[[Launch, Planes], float]]] = {
    "score_grid": (FLOP, _score_grid),
    "image_harmonics": (FLOP, _image_harmonics),
    "slice_harmonics": (FLOP, _slice_harmonics),
    "score_cells": (FLOP, _score_cells),
    "score_poses": (FLOP, _score_poses),
    "make_slices": (POINTS, _make_slices),
    "gather_slices": (POINTS, _gather_slices),
    "insert_slices": (VOXEL_UPDATES, _insert_slices),
}

_BYTES = {"make_slices": SLICED_BYTES, "insert_slices": INSERTED_BYTES / 8}
"""For each unit of the kernel's work."""
