"""The kernels on every OpenCL device that is found, under the names and arguments of their NumPy twins."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from coldstart.compute.device import list_devices
from coldstart.compute.session import DeviceArray, Session, open_session
from coldstart.compute.tuning import Tuning
from coldstart.engine import reference
from coldstart.model.fourier import HalfPlane, spectrum_of
from coldstart.model.so3 import random_rotations

RADIUS = 6.3
SIDE = 40
PADDING = 2


class DeviceKernels:
    """One device and one set of tile sizes, otherwise as `coldstart.engine.reference`: NumPy arrays in and out.

    Buffers for results are full of NaN before the launch, so that what a kernel leaves out is seen.
    """

    def __init__(self, session: Session, tuning: Tuning) -> None:
        self.session = session
        self.tuning = tuning
        self._arrays = 0

    def weigh_images(self, kx, ky, spectrum, optics, inverse_noise):
        image, weight = self._empty(spectrum.shape), self._empty((len(spectrum), len(kx)))
        self._launch(
            "images.cl", "weigh_images", (len(kx), len(spectrum)), kx, ky, spectrum, optics, inverse_noise, image,
            weight, len(kx),
        )  # fmt: skip
        return self._get(image), self._get(weight)

    def phase_table(self, kx, ky, shifts):
        phase = self._empty((len(shifts), 2, len(kx)))
        self._launch("images.cl", "phase_table", (len(kx), len(shifts)), kx, ky, shifts, phase, len(kx))
        return self._get(phase)

    def rotation_rows(self, direction, in_plane, turn, cell):
        rows = self._empty((len(cell), 8))
        self._launch(
            "grid.cl", "rotation_rows", (len(cell),), direction, in_plane, turn, cell, rows, len(in_plane), len(cell)
        )
        return self._get(rows)

    def pack_images(self, image, phase, count, tile_rows):
        tiles = -(-len(phase) // tile_rows)
        left = self._empty((len(image), tiles, 2 * count, tile_rows))
        size = (count, tiles, len(image))
        self._launch("score.cl", "pack_images", size, image, phase, left, count, len(phase), image.shape[2])
        return self._get(left)

    def pack_slices(self, volume, kx, ky, rows, count, tile_columns):
        blocks = len(rows) // tile_columns
        right, power = (self._empty((blocks, n * count, tile_columns)) for n in (2, 1))
        side, width = volume.shape[1:]
        self._launch("score.cl", "pack_slices", (blocks,), volume, kx, ky, rows, right, power, count, side, width)
        return self._get(right), self._get(power)

    def score_grid(self, volume, kx, ky, image, weight, phase, rows, count):
        columns = self.tuning.score_columns
        blocks = -(-len(rows) // columns)
        padded = rows[np.minimum(np.arange(blocks * columns), len(rows) - 1)]
        left = self.pack_images(image, phase, count, self.tuning.score_rows)
        right, power = self.pack_slices(volume, kx, ky, padded, count, columns)
        log_sum = self._empty((len(image), len(padded)))
        self._launch(
            "score.cl", "score_grid", (blocks, len(image)), left, right, power, weight, log_sum, count, len(phase),
            weight.shape[1],
        )  # fmt: skip
        return self._get(log_sum)[:, : len(rows)]

    def score_cells(
        self, volume, kx, ky, image, weight, phase, rows, pair_image, pair_start, hyp_shift, hyp_boost, count
    ):  # fmt: skip
        log_weight = self._empty((len(hyp_shift),))
        side, width = volume.shape[1:]
        self._launch(
            "cells.cl", "score_cells", (len(rows),), volume, kx, ky, image, weight, phase, rows, pair_image, pair_start,
            hyp_shift, hyp_boost, log_weight, len(rows), count, len(kx), side, width,
        )  # fmt: skip
        return self._get(log_weight)

    def normalize_rows(self, row_start, offset, value, omitted, limit):
        rows = len(row_start) - 1
        posterior, statistics = self._put(value), self._empty((rows, 4))
        kept_count = self._empty((rows,), np.int32)
        self._launch(
            "posterior.cl", "normalize_rows", (rows,), row_start, offset, posterior, statistics, kept_count, rows,
            omitted, limit,
        )  # fmt: skip
        return self._get(posterior), self._get(statistics), self._get(kept_count)

    def compact_rows(self, row_start, offset, value, statistics, kept_start, total):
        kept, boost = self._empty((total,), np.int32), self._empty((total,))
        rows = len(row_start) - 1
        self._launch(
            "posterior.cl", "compact_rows", (rows,), row_start, offset, value, statistics, kept_start, kept, boost, rows
        )
        return self._get(kept), self._get(boost)

    def gather_slices(self, entry_start, entry_image, entry_shift, entry_weight, image, weight, phase, count):
        rotations, stride = len(entry_start) - 1, weight.shape[1]
        data, slice_weight = self._empty((rotations, 2, stride)), self._empty((rotations, stride))
        self._launch(
            "backproject.cl", "gather_slices", (-(-count // self.tuning.chunk), rotations), entry_start, entry_image,
            entry_shift, entry_weight, image, weight, phase, data, slice_weight, count, stride,
        )  # fmt: skip
        return self._get(data), self._get(slice_weight)

    def insert_slices(self, kx, ky, rows, data, slice_weight, count, side, width, scale, copies=1):
        size = (copies,)
        if self.tuning.atomic:
            size, copies = (-(-count // self.tuning.chunk), len(rows)), 1
        accumulator = self._put(np.zeros((copies, side, side, width, 3), np.int64))
        self._launch(
            "backproject.cl", "insert_slices", size, kx, ky, rows, data, slice_weight, accumulator, len(rows), count,
            len(kx), side, width, float(scale),
        )  # fmt: skip
        return self._get(accumulator).sum(axis=0)

    def slice_residual(self, volume, kx, ky, rows, data, slice_weight, shell_end):
        residual = self._empty((len(rows), len(shell_end)))
        side, width = volume.shape[1:]
        self._launch(
            "backproject.cl", "slice_residual", (len(rows),), volume, kx, ky, rows, data, slice_weight, shell_end,
            residual, len(rows), len(shell_end), len(kx), side, width,
        )  # fmt: skip
        return self._get(residual)

    def _launch(self, file: str, kernel: str, size: tuple[int, ...], *args: Any) -> None:
        tuning = self.tuning
        macros = {"MULADD": tuning.muladd}
        if file in ("score.cl", "cells.cl", "backproject.cl"):
            macros["VW"] = tuning.vector_width
        if file == "score.cl":
            macros |= {"TM": tuning.score_rows, "TN": tuning.score_columns}
        if file in ("cells.cl", "backproject.cl"):
            macros["CHUNK"] = tuning.chunk
        if file == "backproject.cl":
            macros["ATOMIC"] = int(tuning.atomic)
        given = [self._put(value) if isinstance(value, np.ndarray) else value for value in args]
        self.session.program(file, **macros).launch(kernel, size, *given)
        self.session.finish()
        self._arrays = 0

    def _put(self, values: np.ndarray) -> DeviceArray:
        self._arrays += 1
        return self.session.upload(f"test {self._arrays}", values)

    def _empty(self, shape: tuple[int, ...], dtype: Any = np.float32) -> DeviceArray:
        return self._put(np.full(shape, np.nan if dtype is np.float32 else -1, dtype))

    def _get(self, array: DeviceArray) -> np.ndarray:
        return self.session.download(array)


@dataclass(frozen=True)
class Case:
    """Arrays at sizes that no work-group, vector or tile divides; `count` coefficients of the rows are in use."""

    plane: HalfPlane
    count: int
    kx: np.ndarray
    ky: np.ndarray
    volume: np.ndarray
    image: np.ndarray
    weight: np.ndarray
    phase: np.ndarray
    rows: np.ndarray


USABLE = [info for info in list_devices() if info.usable]
NO_DEVICE = pytest.param(None, marks=pytest.mark.skip(reason="there is no usable OpenCL device"), id="no device")


@pytest.fixture(scope="session", params=[pytest.param(i.index, id=i.label) for i in USABLE] or [NO_DEVICE])
def device_session(request: pytest.FixtureRequest) -> Iterator[Session]:
    """One session a device."""
    with open_session(str(request.param)) as session:
        yield session


@pytest.fixture(params=["preset", "scalar"])
def kernels(device_session: Session, request: pytest.FixtureRequest) -> DeviceKernels:
    """Under the device's own tile sizes, and under those of a GPU: no vectors, no tile of rotations, atomic sums."""
    tuning = device_session.tuning
    if request.param == "scalar":
        tuning = replace(tuning, vector_width=1, score_rows=4, score_columns=1, chunk=16, muladd=0, atomic=True)
    return DeviceKernels(device_session, tuning)


@pytest.fixture
def case(rng: np.random.Generator) -> Case:
    """5 images, 7 shifts and 11 rotations; the volume is white noise of unit power, whose slices have no smoothness to
    lean on."""
    plane = HalfPlane(RADIUS)
    kx, ky = (plane.padded(k) for k in plane.frequencies.T)
    volume = spectrum_of(rng.standard_normal((SIDE,) * 3) / SIDE**1.5)
    image = plane.padded(rng.standard_normal((5, 2, len(plane))))
    weight = plane.padded(rng.random((5, len(plane))))
    phase = reference.phase_table(kx, ky, rng.uniform(-0.1, 0.1, (7, 2))).astype(np.float32)
    rows = np.zeros((11, 8), np.float32)
    rotations = random_rotations(rng, 11)
    rows[:, 0:3], rows[:, 4:7] = PADDING * rotations[:, 0], PADDING * rotations[:, 1]
    return Case(plane, 43, kx, ky, volume, image, weight, phase, rows)
