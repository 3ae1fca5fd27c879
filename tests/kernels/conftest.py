"""The kernels on every OpenCL device that is found, under the names and arguments of their NumPy twins."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from coldstart.compute.device import list_devices
from coldstart.compute.session import DeviceArray, Session, open_session
from coldstart.compute.tuning import Tuning
from coldstart.engine import reference
from coldstart.model.fourier import spectrum_of
from coldstart.model.polar import LANES, PolarPlane
from coldstart.model.pose_grid import rotation_grid
from coldstart.model.so3 import random_rotations

IN_PLANE = 24
RINGS = 7
CLASSES = 3
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
            "images.cl", "weigh_images", (len(kx) // LANES, len(spectrum)), kx, ky, spectrum, optics, inverse_noise,
            image, weight, len(kx),
        )  # fmt: skip
        return self._get(image), self._get(weight)

    def select_points(self, image, weight, source, share, damping):
        images, stride = len(image), len(source)
        selected, selected_weight = self._empty((images, 2, stride)), self._empty((images, stride))
        self._launch(
            "images.cl", "select_points", (stride // LANES, images), image, weight, source, share, damping, selected,
            selected_weight, stride, weight.shape[1],
        )  # fmt: skip
        return self._get(selected), self._get(selected_weight)

    def phase_table(self, kx, ky, shifts, damping):
        phase = self._empty((len(shifts), 2, len(kx)))
        size = (len(kx) // LANES, len(shifts))
        self._launch("images.cl", "phase_table", size, kx, ky, shifts, damping, phase, len(kx))
        return self._get(phase)

    def rotation_rows(self, direction, in_plane, turn, cell):
        rows = self._empty((len(cell), 8))
        self._launch(
            "grid.cl", "rotation_rows", (len(cell),), direction, in_plane, turn, cell, rows, len(direction),
            len(in_plane), len(cell),
        )  # fmt: skip
        return self._get(rows)

    def make_slices(self, volumes, kx, ky, rows, rings, excess, circle):
        table = self._slice_table(len(rows), len(rings), circle)
        side, width = volumes.shape[2:]
        self._launch(
            "slices.cl", "make_slices", (len(rings), len(rows)), volumes, kx, ky, rows, rings, excess, *table, circle,
            side, width,
        )  # fmt: skip
        return tuple(map(self._get, table))

    def mean_slices(self, fine_slice, fine_power, fine_lost, fine_rings, rings, circle):
        directions = len(fine_slice) // 4
        table = self._slice_table(directions, len(rings), circle)
        self._launch(
            "slices.cl", "mean_slices", (len(rings), directions), fine_slice, fine_power, fine_lost, fine_rings, rings,
            *table, circle, fine_slice.shape[2], fine_power.shape[1],
        )  # fmt: skip
        return tuple(map(self._get, table))

    def blur_volume(self, volumes, turns, radius):
        classes, side, _, width = volumes.shape
        blurred = self._put(np.full(volumes.shape, np.nan, np.complex64))
        size = classes * side, side
        self._launch("slices.cl", "blur_volume", size, volumes, turns, blurred, float(radius), side, width)
        return self._get(blurred)

    def image_harmonics(self, rings, image, weight, phase, tile_rows, in_plane):
        tiles, modes, terms = -(-len(phase) // tile_rows), in_plane // 2 + 1, int(rings[:, 3].sum())
        left = self._empty((len(image), tiles, modes, terms, 2, tile_rows))
        left_norm = self._empty((len(image), modes, terms, 2))
        turn = 2 * int(rings[-1, 1])
        self._launch(
            "score.cl", "image_harmonics", (tiles + 1, len(image)), rings, circle_of(turn), image, weight, phase, left,
            left_norm, len(rings), terms, turn, len(phase), weight.shape[1], TM=tile_rows, TURN=in_plane,
        )  # fmt: skip
        return self._get(left), self._get(left_norm)

    def slice_harmonics(self, slice_table, rings, lanes, in_plane):
        blocks, terms, turn = len(slice_table) // lanes, int(rings[:, 3].sum()), 2 * int(rings[-1, 1])
        right, right_norm = (self._empty((blocks, in_plane // 2 + 1, terms, 2, lanes)) for _ in range(2))
        self._launch(
            "score.cl", "slice_harmonics", (blocks,), rings, circle_of(turn), slice_table, right, right_norm,
            len(rings), terms, turn, slice_table.shape[2], VW=lanes, TURN=in_plane,
        )  # fmt: skip
        return self._get(right), self._get(right_norm)

    def score_grid(self, slice_table, rings, image, weight, phase, in_plane):
        left = self.image_harmonics(rings, image, weight, phase, self.tuning.score_rows, in_plane)
        right = self.slice_harmonics(slice_table, rings, self.tuning.vector_width, in_plane)
        shape = len(image), len(slice_table) * in_plane
        log_sum, best_weight, best_shift = self._empty(shape), self._empty(shape), self._empty(shape, np.int32)
        size = len(right[0]), len(image)
        self._launch(
            "score.cl", "score_grid", size, *left, *right, circle_of(in_plane), log_sum, best_weight, best_shift,
            right[0].shape[2], len(phase), TURN=in_plane, TRACK=1,
        )  # fmt: skip
        tracked = self._get(log_sum), self._get(best_weight), self._get(best_shift)
        alone = self._empty(shape)
        self._launch(
            "score.cl", "score_grid", size, *left, *right, circle_of(in_plane), alone, right[0].shape[2], len(phase),
            TURN=in_plane, TRACK=0,
        )  # fmt: skip
        assert np.array_equal(self._get(alone), tracked[0])
        return tracked

    def score_cells(
        self, slice_table, image, weight, phase, rings, pair_image, pair_rotation, pair_start, hyp_shift, log_weight,
        first_ring, last_ring, in_plane,
    ):  # fmt: skip
        log_weight = self._put(log_weight)
        self._launch(
            "cells.cl", "score_cells", (len(pair_image),), slice_table, image, weight, phase, rings, pair_image,
            pair_rotation, pair_start, hyp_shift, log_weight, len(pair_image), first_ring, last_ring, in_plane,
            weight.shape[1], slice_table.shape[2],
        )  # fmt: skip
        return self._get(log_weight)

    def score_poses(
        self, volumes, kx, ky, image, weight, phase, rows, pair_image, pair_start, hyp_shift, log_weight, begin, count
    ):  # fmt: skip
        log_weight = self._put(log_weight)
        side, width = volumes.shape[2:]
        self._launch(
            "cells.cl", "score_poses", (len(rows),), volumes, kx, ky, image, weight, phase, rows, pair_image,
            pair_start, hyp_shift, log_weight, len(rows), begin, count, len(kx), side, width,
        )  # fmt: skip
        return self._get(log_weight)

    def survey_rows(self, row_start, offset, window, value, boost, groups, omitted, limits):
        """Without a boost where it is None."""
        rows = len(row_start) - 1
        statistics = self._empty((rows, 4))
        self._launch(
            "posterior.cl", "survey_rows", (rows,), row_start, offset, window, value, value if boost is None else boost,
            np.full(rows, limits, np.int32), statistics, rows, groups, int(boost is not None), float(omitted),
        )  # fmt: skip
        return self._get(statistics)

    def keep_rotations(self, log_sum, statistics, offset, groups, shifts):
        rows, rotations = log_sum.shape
        head = log_sum, statistics, offset
        counts = self._put(np.full((rows, 2), -1, np.int32))
        self._launch("candidates.cl", "count_rotations", (rows,), *head, counts, rows, rotations, shifts)
        starts, _, lists = self._room(self._get(counts))
        sizes = rows, groups, rotations, shifts
        self._launch("candidates.cl", "write_rotations", (rows,), *head, starts, *lists, *sizes)
        return tuple(map(self._get, lists))

    def keep_hypotheses(
        self, pair_first, pair_rotation, pair_start, hyp_shift, value, boost, statistics, offset, groups
    ):  # fmt: skip
        given = pair_first, pair_rotation, pair_start, hyp_shift, value, boost, statistics, offset
        return self._next_lists("write_survivors", given, 1, 1, groups)

    def split_hypotheses(
        self, pair_first, pair_rotation, pair_start, hyp_shift, value, boost, statistics, offset, groups, in_plane
    ):  # fmt: skip
        given = pair_first, pair_rotation, pair_start, hyp_shift, value, boost, statistics, offset
        return self._next_lists("write_children", given, 8, 32, groups, in_plane)

    def prefix_sums(self, counts):
        starts, pair_first = (
            self._put(np.full(shape, -1, np.int32)) for shape in ((len(counts) + 1, 2), len(counts) + 1)
        )
        self._launch("candidates.cl", "prefix_sums", (1,), counts, starts, pair_first, len(counts))
        return self._get(starts), self._get(pair_first)

    def row_starts(self, pair_first, pair_start):
        starts = self._put(np.full(len(pair_first), -1, np.int32))
        self._launch("candidates.cl", "row_starts", (len(pair_first),), pair_first, pair_start, starts)
        return self._get(starts)

    def gather_slices(
        self, entry_start, entry_image, entry_shift, entry_angle, entry_weight, image, weight, phase, rings, half_turn
    ):
        slices, stride = len(entry_start) - 1, weight.shape[1]
        gathered, gathered_weight = self._empty((slices, 2, stride)), self._empty((slices, stride))
        self._launch(
            "backproject.cl", "gather_slices", (len(rings), slices), entry_start, entry_image, entry_shift, entry_angle,
            entry_weight, image, weight, phase, rings, gathered, gathered_weight, half_turn, stride,
        )  # fmt: skip
        return self._get(gathered), self._get(gathered_weight)

    def insert_slices(self, kx, ky, rows, gathered, gathered_weight, count, classes, side, width, scale, copies=1):
        size = (copies,)
        if self.tuning.atomic:
            size, copies = (-(-count // self.tuning.chunk), len(rows)), 1
        accumulator = self._put(np.zeros((copies, classes, side, side, width, 3), np.int64))
        self._launch(
            "backproject.cl", "insert_slices", size, kx, ky, rows, gathered, gathered_weight, accumulator, len(rows),
            count, len(kx), classes, side, width, float(scale),
        )  # fmt: skip
        return self._get(accumulator).sum(axis=0)

    def slice_residual(self, slice_table, rings, direction, gathered, gathered_weight):
        residual = self._empty((len(direction), len(rings)))
        self._launch(
            "backproject.cl", "slice_residual", (len(rings), len(direction)), slice_table, rings, direction, gathered,
            gathered_weight, residual, gathered.shape[2], slice_table.shape[2],
        )  # fmt: skip
        return self._get(residual)

    def symmetrize(self, fine, operators, padding, radius, side):
        classes, fine_side, _, fine_width, _ = fine.shape
        width = side // 2 + 1
        out = self._empty((classes, side, side, width, 4))
        self._launch(
            "symmetrize.cl", "symmetrize", (side, side, classes), fine, operators, out, len(operators), padding,
            float(radius), side, width, fine_side, fine_width,
        )  # fmt: skip
        return self._get(out)

    def ring_powers(self, image, weight, rings):
        powers = self._empty((len(weight), len(rings), 4))
        size = len(rings), len(weight)
        self._launch("bound.cl", "ring_powers", size, image, weight, rings, powers, weight.shape[1])
        return self._get(powers)

    def hidden_power(self, power, lost, damping, share):
        hidden = self._empty(damping.shape)
        self._launch("bound.cl", "hidden_power", damping.shape, power, lost, damping, hidden, len(power), share)
        return self._get(hidden)

    def cell_windows(self, powers, hidden, sigmas):
        window = self._empty((len(powers),))
        sizes = len(hidden), powers.shape[1], float(sigmas)
        self._launch("bound.cl", "cell_windows", window.shape, powers, hidden, window, *sizes)
        return self._get(window)

    def strongest_slices(self, powers, power, first, last, sigmas, noise, model_free):
        strongest = self._empty((len(powers),))
        sizes = len(power), first, last, power.shape[1], powers.shape[1], float(sigmas), float(noise), model_free
        self._launch("bound.cl", "strongest_slices", strongest.shape, powers, power, strongest, *sizes)
        return self._get(strongest)

    def tail_bounds(self, powers, power, strongest, first, last, sigmas):
        tail = self._empty((len(powers), len(power), 2))
        sizes = first, last, power.shape[1], powers.shape[1], float(sigmas)
        self._launch("bound.cl", "tail_bounds", (len(power), len(powers)), powers, power, strongest, tail, *sizes)
        return self._get(tail)

    def _slice_table(self, directions: int, rings: int, circle: int) -> tuple[DeviceArray, ...]:
        return tuple(
            self._empty(shape) for shape in ((directions, 2, circle), (directions, rings), (directions, rings))
        )

    def _next_lists(self, kernel, given, pairs_each, hyps_each, *tail):
        """Count, add up and write what a stage hands on."""
        first, _, pair_start, _, value, boost, statistics, offset = given
        rows = len(statistics)
        counts = self._put(np.full((rows, 2), -1, np.int32))
        self._launch(
            "candidates.cl", "count_cells", (rows,), first, pair_start, value, boost, statistics, offset, counts, rows,
            pairs_each, hyps_each,
        )  # fmt: skip
        starts, _, lists = self._room(self._get(counts))
        self._launch("candidates.cl", kernel, (rows,), *given, starts, *lists, rows, *tail)
        return tuple(map(self._get, lists))

    def _room(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[DeviceArray, ...]]:
        """Prefix sums, and empty lists of as many pairs and hypotheses."""
        starts, pair_first = self.prefix_sums(counts)
        pairs, hyps = starts[-1]
        whole = ((n,) for n in (pairs, pairs, pairs + 1, hyps))
        lists = *(self._empty(n, np.int32) for n in whole), self._empty((hyps,)), self._empty((hyps,))
        return starts, pair_first, lists

    def _launch(self, file: str, kernel: str, size: tuple[int, ...], *args: Any, **macros: int) -> None:
        tuning = self.tuning
        given = {"MULADD": tuning.muladd}
        if file in ("score.cl", "slices.cl", "cells.cl", "backproject.cl"):
            given["VW"] = tuning.vector_width
        if file == "score.cl":
            given |= {"TM": tuning.score_rows, "TRACK": 0}
        if file in ("cells.cl", "backproject.cl"):
            given["CHUNK"] = tuning.chunk
        if file == "backproject.cl":
            given["ATOMIC"] = int(tuning.atomic)
        values = [self._put(value) if isinstance(value, np.ndarray) else value for value in args]
        self.session.program(file, **(given | macros)).launch(kernel, size, *values)
        self.session.finish()
        self._arrays = 0

    def _put(self, values: np.ndarray) -> DeviceArray:
        self._arrays += 1
        return self.session.upload(f"test {self._arrays}", values)

    def _empty(self, shape: tuple[int, ...], dtype: Any = np.float32) -> DeviceArray:
        return self._put(np.full(shape, np.nan if dtype is np.float32 else -1, dtype))

    def _get(self, array: DeviceArray) -> np.ndarray:
        return self.session.download(array)


def circle_of(parts: int) -> np.ndarray:
    """Cosine and sine of the parts of a turn, (parts, 2) float32."""
    angles = 2 * np.pi * np.arange(parts) / parts
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def on_points(plane: PolarPlane, values: np.ndarray) -> np.ndarray:
    """Float32 rows that hold values (..., points) at the points of a plane and zero at pads."""
    out = np.zeros((*values.shape[:-1], plane.stride), np.float32)
    out[..., plane.points] = values
    return out


@dataclass(frozen=True)
class Case:
    """Arrays at sizes that no work-group, vector or tile divides.

    Rings of 12 half points end with pads, one of 24 does not. `cells` are the first in-plane angles of the directions
    whose slices are in `table`, of all classes; `turn` is that of their grid, in points of the volumes.
    """

    plane: PolarPlane
    kx: np.ndarray
    ky: np.ndarray
    rings: np.ndarray
    volumes: np.ndarray
    image: np.ndarray
    weight: np.ndarray
    phase: np.ndarray
    rows: np.ndarray
    turn: np.ndarray
    cells: np.ndarray
    table: np.ndarray

    @property
    def pads(self) -> np.ndarray:
        """Entries of a row that are no points."""
        return np.setdiff1d(np.arange(self.plane.stride), self.plane.points)

    def on_points(self, values: np.ndarray) -> np.ndarray:
        """Float32 rows that hold values (..., points) at the points and zero at pads."""
        return on_points(self.plane, values)

    def poisoned(self, values: np.ndarray, entries: np.ndarray | slice) -> np.ndarray:
        """A copy with 1e6 in some entries of its rows."""
        out = values.copy()
        out[..., entries] = 1e6
        return out


SHAPES: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "flat": lambda rng, n: np.zeros(n),
    "narrow": lambda rng, n: rng.normal(-300, 0.3, n),
    "wide": lambda rng, n: rng.normal(-300, 5, n),
    "wider": lambda rng, n: rng.normal(-300, 8, n),
    "ramp": lambda rng, n: -0.01 * np.arange(n),
    "rising ramp": lambda rng, n: 0.1 * np.arange(n),
    "peak first": lambda rng, n: np.append(0.0, np.full(n - 1, -9.0)),
    "peak last": lambda rng, n: np.append(np.full(n - 1, -9.0), 0.0),
    "two levels": lambda rng, n: np.where(np.arange(n) % 10, -2.0, 0.0),
    "on the bins' edges": lambda rng, n: -reference.RANGE / reference.BINS * rng.integers(0, 200, n),
    "exponential": lambda rng, n: -rng.exponential(3.0, n),
}


@pytest.fixture(params=SHAPES)
def shape(request: pytest.FixtureRequest) -> Callable[[np.random.Generator, int], np.ndarray]:
    """Log weights of a row, in turn of every shape."""
    return SHAPES[request.param]


@pytest.fixture
def rows_of_all_shapes(rng: np.random.Generator) -> Callable[[list[int]], tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rows of every shape and length, with offsets up to the ends of their range: row_start, offset, value."""

    def make(lengths: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows = [of_shape(rng, n) for of_shape in SHAPES.values() for n in lengths]
        offset = rng.random(len(rows), dtype=np.float32)
        offset[::5], offset[1::5] = 0.0, np.float32(1 - 2.0**-24)
        start = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int32)
        return start, offset, np.concatenate(rows).astype(np.float32)

    return make


USABLE = [info for info in list_devices() if info.usable]
NO_DEVICE = pytest.param(None, marks=pytest.mark.skip(reason="there is no usable OpenCL device"), id="no device")


@pytest.fixture(scope="session", params=[pytest.param(i.index, id=i.label) for i in USABLE] or [NO_DEVICE])
def device_session(request: pytest.FixtureRequest) -> Iterator[Session]:
    """One session a device."""
    with open_session(str(request.param)) as session:
        yield session


@pytest.fixture(params=["preset", "scalar"])
def kernels(device_session: Session, request: pytest.FixtureRequest) -> DeviceKernels:
    """Under the device's own tile sizes, and under those of a GPU: no vectors, and atomic sums."""
    tuning = device_session.tuning
    if request.param == "scalar":
        tuning = replace(tuning, vector_width=1, score_rows=4, chunk=16, muladd=0, atomic=True)
    return DeviceKernels(device_session, tuning)


@pytest.fixture
def case(rng: np.random.Generator) -> Case:
    """5 images, 7 shifts, 11 rotations and 16 directions of 3 classes; volumes are white noise of unit power, whose
    slices have no smoothness to lean on."""
    plane, grid = PolarPlane(IN_PLANE, RINGS), rotation_grid(0)
    kx, ky = plane.frequencies.T.astype(np.float32)
    volumes = np.stack([spectrum_of(rng.standard_normal((SIDE,) * 3) / SIDE**1.5) for _ in range(CLASSES)])
    phase = reference.phase_table(kx, ky, rng.uniform(-0.1, 0.1, (7, 2)), rng.uniform(0.5, 1.0, plane.stride))
    rows = np.zeros((11, 8), np.float32)
    rotations = random_rotations(rng, 11)
    rows[:, 0:3], rows[:, 4:7] = PADDING * rotations[:, 0], PADDING * rotations[:, 1]
    rows[:, 3] = np.arange(11) % CLASSES
    turn = (PADDING * random_rotations(rng, 1)[0]).astype(np.float32)
    cells = IN_PLANE * rng.choice(CLASSES * grid.directions, 16, replace=False).astype(np.int32)
    centres = reference.rotation_rows(grid.direction_table, grid.psi_table, turn, cells)
    circle = int(plane.circle_start[-1])
    table, _, _ = reference.make_slices(volumes, kx, ky, centres, plane.ring_table, np.zeros(RINGS), circle)
    points = len(plane.points)
    return Case(
        plane=plane,
        kx=kx,
        ky=ky,
        rings=plane.ring_table,
        volumes=volumes,
        image=on_points(plane, rng.standard_normal((5, 2, points))),
        weight=on_points(plane, rng.random((5, points))),
        phase=phase.astype(np.float32),
        rows=rows,
        turn=turn,
        cells=cells,
        table=table.astype(np.float32),
    )
