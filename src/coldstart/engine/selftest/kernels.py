"""Every kernel on a device, under the name and arguments of its NumPy twin: arrays in, arrays out.

A run does not go through here. Buffers are made anew for each launch and results full of NaN before it, so that what a
kernel leaves out is seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from coldstart.compute.session import DeviceArray, Session
from coldstart.compute.tuning import Tuning
from coldstart.engine.grid_score import circle_table
from coldstart.engine.reference.arrays import LANES, Array

Arrays = tuple[Array, ...]

MACROS = {
    "backproject.cl": ("MULADD", "VW", "CHUNK", "ATOMIC"),
    "bound.cl": ("MULADD",),
    "candidates.cl": ("MULADD",),
    "cells.cl": ("MULADD", "VW", "CHUNK"),
    "grid.cl": ("MULADD",),
    "images.cl": ("MULADD",),
    "memory.cl": ("ATOMIC",),
    "peak.cl": ("MULADD",),
    "posterior.cl": ("MULADD",),
    "score.cl": ("MULADD", "VW", "TM"),
    "slices.cl": ("MULADD", "VW"),
    "symmetrize.cl": ("MULADD",),
}
"""The macros of each kernel file that a tuning sets."""

IMAGE_SCALE, WEIGHT_SCALE, SLICE_SCALE = 2.0**22, 2.0**24, 2.0**18
"""Fixed-point steps of one: of Z, of U, and of the slices of `slice_residual`."""

SHARES, HALF_WORD = 2.0**29, 2.0**21
"""Steps of a share of a voxel in `insert_slices`, and what the upper sum of `slice_residual` counts in."""


def kernel_macros(file: str, tuning: Tuning) -> dict[str, int]:
    """The macros of a kernel file that a tuning sets."""
    values = {
        "MULADD": tuning.muladd,
        "VW": tuning.vector_width,
        "TM": tuning.score_rows,
        "CHUNK": tuning.chunk,
        "ATOMIC": int(tuning.atomic),
    }
    return {name: values[name] for name in MACROS[file]}


def fixed_point(values: Array, scale: float) -> Array:
    """Values in steps of 1 / scale, int32."""
    return np.rint(np.asarray(values, np.float64) * scale).astype(np.int32)


def _as_they_come(pair_image: Array) -> Array:
    return np.arange(len(pair_image), dtype=np.int32)


class DeviceKernels:
    """One device and one set of tile sizes, otherwise as `coldstart.engine.reference`."""

    def __init__(self, session: Session, tuning: Tuning) -> None:
        self.session = session
        self.tuning = tuning
        self._arrays = 0

    def weigh_images(self, kx: Array, ky: Array, spectrum: Array, optics: Array, inverse_noise: Array) -> Arrays:
        image, weight = self._empty(spectrum.shape), self._empty((len(spectrum), len(kx)))
        self._launch(
            "images.cl", "weigh_images", (len(kx) // LANES, len(spectrum)), kx, ky, spectrum, optics, inverse_noise,
            image, weight, len(kx),
        )  # fmt: skip
        return self._get(image), self._get(weight)

    def select_points(self, image: Array, weight: Array, source: Array, share: Array, damping: Array) -> Arrays:
        images, stride = len(image), len(source)
        selected, selected_weight = self._empty((images, 2, stride)), self._empty((images, stride))
        self._launch(
            "images.cl", "select_points", (stride // LANES, images), image, weight, source, share, damping, selected,
            selected_weight, stride, weight.shape[1],
        )  # fmt: skip
        return self._get(selected), self._get(selected_weight)

    def phase_table(self, kx: Array, ky: Array, shifts: Array, damping: Array) -> Array:
        phase = self._empty((len(shifts), 2, len(kx)))
        size = (len(kx) // LANES, len(shifts))
        self._launch("images.cl", "phase_table", size, kx, ky, shifts, damping, phase, len(kx))
        return self._get(phase)

    def rotation_rows(self, direction: Array, in_plane: Array, turn: Array, cell: Array) -> Array:
        rows = self._empty((len(cell), 8))
        self._launch(
            "grid.cl", "rotation_rows", (len(cell),), direction, in_plane, turn, cell, rows, len(direction),
            len(in_plane), len(cell),
        )  # fmt: skip
        return self._get(rows)

    def make_slices(
        self, volumes: Array, kx: Array, ky: Array, rows: Array, places: Array, rings: Array, excess: Array,
        circle: int,
    ) -> Arrays:  # fmt: skip
        table = self._slice_table(int(np.count_nonzero(places >= 0)), len(rings), circle)
        side, width = volumes.shape[2:]
        self._launch(
            "slices.cl", "make_slices", (len(rings), len(rows)), volumes, kx, ky, rows, places, rings, excess, *table,
            circle, side, width,
        )  # fmt: skip
        return tuple(map(self._get, table))

    def mean_slices(
        self, fine_slice: Array, fine_power: Array, fine_lost: Array, fine_rings: Array, rings: Array, circle: int
    ) -> Arrays:  # fmt: skip
        directions = len(fine_slice) // 4
        table = self._slice_table(directions, len(rings), circle)
        self._launch(
            "slices.cl", "mean_slices", (len(rings), directions), fine_slice, fine_power, fine_lost, fine_rings, rings,
            *table, circle, fine_slice.shape[2], fine_power.shape[1],
        )  # fmt: skip
        return tuple(map(self._get, table))

    def blur_volume(self, volumes: Array, turns: Array, radius: float) -> Array:
        classes, side, _, width = volumes.shape
        blurred = self._put(np.full(volumes.shape, np.nan, np.complex64))
        size = classes * side, side
        self._launch("slices.cl", "blur_volume", size, volumes, turns, blurred, float(radius), side, width)
        return self._get(blurred)

    def image_harmonics(
        self, rings: Array, image: Array, weight: Array, phase: Array, tile_rows: int, in_plane: int
    ) -> Arrays:  # fmt: skip
        tiles, modes, terms = -(-len(phase) // tile_rows), in_plane // 2 + 1, int(rings[:, 3].sum())
        left = self._empty((len(image), tiles, modes, terms, 2, tile_rows))
        left_norm = self._empty((len(image), modes, terms, 2))
        turn = 2 * int(rings[-1, 1])
        self._launch(
            "score.cl", "image_harmonics", (tiles + 1, len(image)), rings, circle_table(turn), image, weight, phase,
            left, left_norm, len(rings), terms, turn, len(phase), weight.shape[1], TM=tile_rows, TURN=in_plane,
        )  # fmt: skip
        return self._get(left), self._get(left_norm)

    def slice_harmonics(self, slice_table: Array, places: Array, rings: Array, lanes: int, in_plane: int) -> Arrays:
        blocks, terms, turn = len(places) // lanes, int(rings[:, 3].sum()), 2 * int(rings[-1, 1])
        right, right_norm = (self._empty((blocks, in_plane // 2 + 1, terms, 2, lanes)) for _ in range(2))
        self._launch(
            "score.cl", "slice_harmonics", (blocks,), rings, circle_table(turn), slice_table, places, right,
            right_norm, blocks, len(rings), terms, turn, slice_table.shape[2], VW=lanes, TURN=in_plane,
        )  # fmt: skip
        return self._get(right), self._get(right_norm)

    def score_grid(
        self, slice_table: Array, places: Array, rings: Array, image: Array, weight: Array, phase: Array, in_plane: int,
        *, track: bool = True,
    ) -> Arrays:  # fmt: skip
        """Without `track` the log sums alone, from a kernel that does not follow the best shifts."""
        left = self.image_harmonics(rings, image, weight, phase, self.tuning.score_rows, in_plane)
        right = self.slice_harmonics(slice_table, places, rings, self.tuning.vector_width, in_plane)
        directions = int(np.count_nonzero(places >= 0))
        shape = len(image), directions * in_plane
        best = (self._empty(shape), self._empty(shape, np.int32)) if track else ()
        log_sum = self._empty(shape)
        self._launch(
            "score.cl", "score_grid", (len(right[0]), len(image)), *left, *right, circle_table(in_plane), places,
            log_sum, *best, right[0].shape[2], len(phase), directions, TURN=in_plane, TRACK=int(track),
        )  # fmt: skip
        return self._get(log_sum), *map(self._get, best)

    def score_cells(
        self, slice_table: Array, image: Array, weight: Array, phase: Array, rings: Array, pair_image: Array,
        pair_rotation: Array, pair_start: Array, hyp_shift: Array, log_weight: Array, first_ring: int, last_ring: int,
        in_plane: int, order: Array | None = None
    ) -> Array:  # fmt: skip
        """Pairs are taken as they come, or in an order (pairs,) int32."""
        summed, order = self._put(log_weight), _as_they_come(pair_image) if order is None else order
        self._launch(
            "cells.cl", "score_cells", (len(pair_image),), slice_table, image, weight, phase, rings, order,
            pair_image, pair_rotation, pair_start, hyp_shift, summed, len(pair_image), first_ring, last_ring, in_plane,
            weight.shape[1], slice_table.shape[2],
        )  # fmt: skip
        return self._get(summed)

    def score_poses(
        self, volumes: Array, kx: Array, ky: Array, image: Array, weight: Array, phase: Array, rows: Array,
        pair_image: Array, pair_start: Array, hyp_shift: Array, log_weight: Array, begin: int, count: int,
        order: Array | None = None
    ) -> Array:  # fmt: skip
        """Pairs are taken as they come, or in an order (pairs,) int32."""
        summed, order = self._put(log_weight), _as_they_come(pair_image) if order is None else order
        side, width = volumes.shape[2:]
        self._launch(
            "cells.cl", "score_poses", (len(rows),), volumes, kx, ky, image, weight, phase, rows, order,
            pair_image, pair_start, hyp_shift, summed, len(rows), begin, count, len(kx), side, width,
        )  # fmt: skip
        return self._get(summed)

    def survey_rows(
        self, row_start: Array, offset: Array, window: Array, value: Array, boost: Array | None, groups: int,
        omitted: float, limits: Array | int
    ) -> Array:  # fmt: skip
        """Without a boost where it is None."""
        rows = len(row_start) - 1
        statistics = self._empty((rows, 4))
        self._launch(
            "posterior.cl", "survey_rows", (rows,), row_start, offset, window, value, value if boost is None else boost,
            np.full(rows, limits, np.int32), statistics, rows, groups, int(boost is not None), float(omitted),
        )  # fmt: skip
        return self._get(statistics)

    def keep_rotations(self, log_sum: Array, statistics: Array, offset: Array, groups: int, shifts: int) -> Arrays:
        rows, rotations = log_sum.shape
        head = log_sum, statistics, offset
        counts = self._put(np.full((rows, 2), -1, np.int32))
        self._launch("candidates.cl", "count_rotations", (rows,), *head, counts, rows, rotations, shifts)
        starts, _, lists = self._room(self._get(counts))
        sizes = rows, groups, rotations, shifts
        self._launch("candidates.cl", "write_rotations", (rows,), *head, starts, *lists, *sizes)
        return tuple(map(self._get, lists))

    def keep_hypotheses(
        self, pair_first: Array, pair_rotation: Array, pair_start: Array, hyp_shift: Array, value: Array, boost: Array,
        statistics: Array, offset: Array, groups: int
    ) -> Arrays:  # fmt: skip
        given = pair_first, pair_rotation, pair_start, hyp_shift, value, boost, statistics, offset
        return self._next_lists("write_survivors", given, 1, 1, groups)

    def split_hypotheses(
        self, pair_first: Array, pair_rotation: Array, pair_start: Array, hyp_shift: Array, value: Array, boost: Array,
        statistics: Array, offset: Array, groups: int, in_plane: int
    ) -> Arrays:  # fmt: skip
        given = pair_first, pair_rotation, pair_start, hyp_shift, value, boost, statistics, offset
        return self._next_lists("write_children", given, 8, 32, groups, in_plane)

    def prefix_sums(self, counts: Array) -> Arrays:
        starts, pair_first = (
            self._put(np.full(shape, -1, np.int32)) for shape in ((len(counts) + 1, 2), len(counts) + 1)
        )
        self._launch("candidates.cl", "prefix_sums", (1,), counts, starts, pair_first, len(counts))
        return self._get(starts), self._get(pair_first)

    def row_starts(self, pair_first: Array, pair_start: Array) -> Array:
        starts = self._put(np.full(len(pair_first), -1, np.int32))
        self._launch("candidates.cl", "row_starts", (len(pair_first),), pair_first, pair_start, starts, len(pair_first))
        return self._get(starts)

    def gather_slices(
        self, entry_start: Array, entry_image: Array, entry_shift: Array, entry_angle: Array, entry_weight: Array,
        image: Array, weight: Array, phase: Array, rings: Array, half_turn: int
    ) -> Arrays:  # fmt: skip
        gathered, gathered_weight = self.gather_fixed(
            entry_start, entry_image, entry_shift, entry_angle, entry_weight, image, weight, phase, rings, half_turn,
            IMAGE_SCALE, WEIGHT_SCALE,
        )  # fmt: skip
        return gathered / IMAGE_SCALE, gathered_weight / WEIGHT_SCALE

    def gather_fixed(
        self, entry_start: Array, entry_image: Array, entry_shift: Array, entry_angle: Array, entry_weight: Array,
        image: Array, weight: Array, phase: Array, rings: Array, half_turn: int, image_scale: float,
        weight_scale: float,
    ) -> Arrays:  # fmt: skip
        """The fixed-point sums themselves, int32."""
        slices, stride = len(entry_start) - 1, weight.shape[1]
        gathered, gathered_weight = (self._empty(shape, np.int32) for shape in ((slices, 2, stride), (slices, stride)))
        self._launch(
            "backproject.cl", "gather_slices", (len(rings), slices), entry_start, entry_image, entry_shift, entry_angle,
            entry_weight, image, weight, phase, rings, gathered, gathered_weight, half_turn, stride, image_scale,
            weight_scale,
        )  # fmt: skip
        return self._get(gathered), self._get(gathered_weight)

    def insert_slices(
        self, kx: Array, ky: Array, rows: Array, gathered: Array, gathered_weight: Array, count: int, classes: int,
        side: int, width: int
    ) -> Array:  # fmt: skip
        fixed = fixed_point(gathered, IMAGE_SCALE), fixed_point(gathered_weight, WEIGHT_SCALE)
        sums = self.insert_fixed(kx, ky, rows, *fixed, count, classes, side, width)
        return np.asarray(sums / (SHARES * np.array([IMAGE_SCALE, IMAGE_SCALE, WEIGHT_SCALE])))

    def insert_fixed(
        self, kx: Array, ky: Array, rows: Array, gathered: Array, gathered_weight: Array, count: int, classes: int,
        side: int, width: int, copies: int = 1
    ) -> Array:  # fmt: skip
        """The sums of int32 slices themselves, int64, added up over copies where sums are not atomic."""
        size: tuple[int, ...] = (copies,)
        if self.tuning.atomic:
            size, copies = (-(-count // self.tuning.chunk), len(rows)), 1
        accumulator = self._put(np.zeros((copies, classes, side, side, width, 3), np.int64))
        self._launch(
            "backproject.cl", "insert_slices", size, kx, ky, rows, gathered, gathered_weight, accumulator, len(rows),
            count, len(kx), classes, side, width,
        )  # fmt: skip
        return np.asarray(self._get(accumulator).sum(axis=0))

    def slice_residual(
        self, slice_table: Array, rings: Array, direction: Array, gathered: Array, gathered_weight: Array
    ) -> Array:  # fmt: skip
        fixed = fixed_point(gathered, IMAGE_SCALE), fixed_point(gathered_weight, WEIGHT_SCALE)
        sums = self.residual_fixed(slice_table, rings, direction, *fixed).astype(np.float64)
        power = (sums[..., 0] * HALF_WORD + sums[..., 1]) / (WEIGHT_SCALE * SLICE_SCALE**2)
        return np.stack([power, sums[..., 2] / (IMAGE_SCALE * SLICE_SCALE)], axis=-1)

    def residual_fixed(
        self, slice_table: Array, rings: Array, direction: Array, gathered: Array, gathered_weight: Array
    ) -> Array:  # fmt: skip
        """The sums of int32 slices themselves, (slices, rings, 3) int64: upper and lower words of the power, cross."""
        residual = self._empty((len(direction), len(rings), 3), np.int64)
        self._launch(
            "backproject.cl", "slice_residual", (len(rings), len(direction)), slice_table, rings, direction, gathered,
            gathered_weight, residual, gathered.shape[2], slice_table.shape[2], SLICE_SCALE,
        )  # fmt: skip
        return self._get(residual)

    def symmetrize(self, fine: Array, operators: Array, padding: int, radius: float, side: int) -> Array:
        classes, fine_side, _, fine_width, _ = fine.shape
        width = side // 2 + 1
        out = self._empty((classes, side, side, width, 4))
        self._launch(
            "symmetrize.cl", "symmetrize", (side, side, classes), fine, operators, out, len(operators), padding,
            float(radius), side, width, fine_side, fine_width,
        )  # fmt: skip
        return self._get(out)

    def ring_powers(self, image: Array, weight: Array, rings: Array) -> Array:
        powers = self._empty((len(weight), len(rings), 4))
        size = len(rings), len(weight)
        self._launch("bound.cl", "ring_powers", size, image, weight, rings, powers, weight.shape[1])
        return self._get(powers)

    def hidden_power(self, power: Array, lost: Array, damping: Array, share: float) -> Array:
        hidden = self._empty(damping.shape)
        self._launch(
            "bound.cl", "hidden_power", damping.shape, power, lost, damping, hidden, len(damping), len(power), share
        )
        return self._get(hidden)

    def cell_windows(self, powers: Array, hidden: Array, sigmas: float) -> Array:
        window = self._empty((len(powers),))
        sizes = len(powers), len(hidden), powers.shape[1], float(sigmas)
        self._launch("bound.cl", "cell_windows", window.shape, powers, hidden, window, *sizes)
        return self._get(window)

    def strongest_slices(
        self, powers: Array, power: Array, first: int, last: int, sigmas: float, noise: float, model_free: int
    ) -> Array:  # fmt: skip
        strongest = self._empty((len(powers),))
        sizes = len(powers), len(power), first, last, power.shape[1], powers.shape[1]
        rest = float(sigmas), float(noise), model_free
        self._launch("bound.cl", "strongest_slices", strongest.shape, powers, power, strongest, *sizes, *rest)
        return self._get(strongest)

    def tail_bounds(self, powers: Array, power: Array, strongest: Array, first: int, last: int, sigmas: float) -> Array:
        tail = self._empty((len(powers), len(power), 2))
        sizes = first, last, power.shape[1], powers.shape[1], float(sigmas)
        self._launch("bound.cl", "tail_bounds", (len(power), len(powers)), powers, power, strongest, tail, *sizes)
        return self._get(tail)

    def copy_vectors(self, source: Array) -> Array:
        target, block = self._empty(source.shape), 10
        self._launch("memory.cl", "copy_vectors", (-(-len(source) // block),), source, target, len(source), block)
        return self._get(target)

    def read_cells(self, volume: Array, cell: Array, n: int) -> Array:
        value, block = self._empty((n, 4)), 10
        self._launch(
            "memory.cl", "read_cells", (-(-n // block),), volume, cell, value, n, block, len(cell), *volume.shape[1:]
        )
        return self._get(value)

    def add_to_cells(self, cell: Array, accumulator: Array) -> Array:
        sums, block = self._put(accumulator), 4 if self.tuning.atomic else len(cell)
        self._launch(
            "memory.cl", "add_to_cells", (-(-len(cell) // block),), cell, sums, len(cell), block,
            *accumulator.shape[1:3],
        )  # fmt: skip
        return self._get(sums)

    def multiply_add_chains(
        self, items: int, rounds: int, factor: float, addend: float, width: int, chains: int
    ) -> Array:  # fmt: skip
        sums = self._empty((items, width))
        given = items, rounds, float(factor), float(addend)
        self._launch("peak.cl", "multiply_add_chains", (items,), sums, *given, WIDTH=width, CHAINS=chains)
        return self._get(sums)

    def _slice_table(self, directions: int, rings: int, circle: int) -> tuple[DeviceArray, ...]:
        return tuple(
            self._empty(shape) for shape in ((directions, 2, circle), (directions, rings), (directions, rings))
        )

    def _next_lists(self, kernel: str, given: Arrays, pairs_each: int, hyps_each: int, *tail: int) -> Arrays:
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

    def _room(self, counts: Array) -> tuple[Array, Array, tuple[DeviceArray, ...]]:
        """Prefix sums, and empty lists of as many pairs and hypotheses."""
        starts, pair_first = self.prefix_sums(counts)
        pairs, hyps = starts[-1]
        whole = ((n,) for n in (pairs, pairs, pairs + 1, hyps))
        lists = *(self._empty(n, np.int32) for n in whole), self._empty((hyps,)), self._empty((hyps,))
        return starts, pair_first, lists

    def _launch(self, file: str, kernel: str, size: tuple[int, ...], *args: Any, **macros: int) -> None:
        values = [self._put(value) if isinstance(value, np.ndarray) else value for value in args]
        program = self.session.program(file, **(kernel_macros(file, self.tuning) | macros))
        program.launch(kernel, size, *values, in_groups=self.tuning.atomic)
        self.session.finish()
        self._arrays = 0

    def _put(self, values: Array) -> DeviceArray:
        self._arrays += 1
        return self.session.upload(f"self-test {self._arrays}", values)

    def _empty(self, shape: tuple[int, ...], dtype: Any = np.float32) -> DeviceArray:
        return self._put(np.full(shape, np.nan if dtype is np.float32 else -1, dtype))

    def _get(self, array: DeviceArray) -> Array:
        return self.session.download(array)
