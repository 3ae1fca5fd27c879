"""Which tile sizes are fastest on a device: the score kernels, timed with each candidate on made-up particles.

The score of the grid depends on the vector width and the rows of a tile, that of the cells on the vector width and the
chunk: each is timed over its own two, and the sum of both decides. A candidate counts only if its numbers are those of
the preset.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coldstart.compute.profile import required_profile
from coldstart.compute.session import Session
from coldstart.compute.tuning import CHUNKS, SCORE_ROWS, VECTOR_WIDTHS, Tuning, preset_tuning
from coldstart.engine.abinitio import AbInitio
from coldstart.engine.candidates import Candidates
from coldstart.engine.images import Minibatch, View
from coldstart.engine.parts import grid_side
from coldstart.engine.search import MapSlices, PoseSearch
from coldstart.engine.slices import FourierMap
from coldstart.engine.stage import LEARNING, Stage, shift_grid, stages
from coldstart.engine.start import random_map
from coldstart.engine.update import PADDING
from coldstart.errors import KernelBuildError
from coldstart.model.particles import Particles
from coldstart.model.pose_grid import ShiftGrid, rotation_grid
from coldstart.params import AbInitioParams

BOX_PX, PIXEL_ANGSTROM, RESOLUTION_ANGSTROM = 64, 5.0, 16.0
IMAGES = 64
CELL_LEVEL = 1
PAIRS_OF_AN_IMAGE, SHIFTS_OF_A_PAIR = 64, 8
"""About what a minibatch of a run asks for."""

REPEATS = 3
WORTH_A_CHANGE = 0.97
"""A tuning may change the last bits of a result: it must be faster than the preset by more than noise."""

MAP_NORM = 0.1
"""Makes energies of some hundreds of nats, as in a run."""

TOLERANCE_NATS = 1e-2
"""Sums in another order may differ by this much, and by RELATIVE_TOLERANCE of the largest value."""

RELATIVE_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class Trial:
    """One kernel under one tuning.

    Attributes
    ----------
    kernel : {"grid", "cells"}
    tuning : Tuning
    seconds : float
        The least of some repeats; NaN where it was not built.
    error_nats : float
        Largest difference from the preset's numbers; NaN where there is none.
    verdict : str
        Empty if it counts, or why it does not.
    """

    kernel: str
    tuning: Tuning
    seconds: float
    error_nats: float
    verdict: str


@dataclass(frozen=True, slots=True)
class TuningResult:
    """What was tried, and the fastest tuning; `preset` where nothing was faster."""

    preset: Tuning
    best: Tuning
    trials: tuple[Trial, ...]


def measure_tuning(session: Session) -> TuningResult:
    """Time the candidates for a device. The session's own tuning is left as it was.

    Parameters
    ----------
    session : Session
        Opened with `profiling`.
    """
    kept, preset = session.tuning, preset_tuning(session.info)
    required_profile(session.profile)
    try:
        session.tuning = preset
        bench = _Workbench(session)
        grids = _tried(bench, "grid", preset, [replace(preset, score_rows=rows) for rows in SCORE_ROWS])
        cells = _tried(bench, "cells", preset, [replace(preset, chunk=chunk) for chunk in CHUNKS])
    finally:
        session.tuning = kept
    return TuningResult(preset, fastest(preset, grids, cells), (*grids, *cells))


def fastest(preset: Tuning, grids: tuple[Trial, ...], cells: tuple[Trial, ...]) -> Tuning:
    """The tuning of the least time for grid and cells together, of trials that count; the preset if none is faster."""
    seconds = {
        replace(cell.tuning, score_rows=grid.tuning.score_rows): grid.seconds + cell.seconds
        for grid in grids
        for cell in cells
        if not grid.verdict and not cell.verdict and grid.tuning.vector_width == cell.tuning.vector_width
    }
    best = min(seconds, key=seconds.__getitem__, default=preset)
    if preset in seconds and seconds[best] > WORTH_A_CHANGE * seconds[preset]:
        return preset
    return best


def _tried(bench: _Workbench, kernel: str, preset: Tuning, candidates: list[Tuning]) -> tuple[Trial, ...]:
    """Each candidate under each vector width; the preset itself comes first, as the measure of all."""
    expected = bench.run(kernel, preset)[1]
    return tuple(_trial(bench, kernel, tuning, expected) for tuning in _with_widths(preset, candidates))


def _with_widths(preset: Tuning, candidates: list[Tuning]) -> Iterator[Tuning]:
    """GPUs leave vectors to their compiler; a CPU without them is slow, and is not tried."""
    widths = (1,) if preset.atomic else tuple(width for width in VECTOR_WIDTHS if width > 1)
    for tuning in candidates:
        for width in widths:
            if tuning.chunk % width == 0:
                yield replace(tuning, vector_width=width)


def _trial(bench: _Workbench, kernel: str, tuning: Tuning, expected: NDArray[np.float32]) -> Trial:
    try:
        seconds, values = bench.run(kernel, tuning)
    except KernelBuildError:
        return Trial(kernel, tuning, float("nan"), float("nan"), "does not compile")
    error = float(np.max(np.abs(values - expected)))
    allowed = TOLERANCE_NATS + RELATIVE_TOLERANCE * float(np.abs(expected).max())
    return Trial(kernel, tuning, seconds, error, "" if error <= allowed else "gives other numbers")


class _NoiseImages:
    """Images of white noise."""

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.random.default_rng(0).standard_normal((len(rows), BOX_PX, BOX_PX), dtype=np.float32)


class _Workbench:
    """Made-up particles on the device, and what is scored of them."""

    def __init__(self, session: Session) -> None:
        params = AbInitioParams(max_resolution_angstrom=RESOLUTION_ANGSTROM)
        self._session = session
        self._job = AbInitio(Particles(IMAGES, BOX_PX, PIXEL_ANGSTROM, None), _NoiseImages(), params, session)
        self._radius = self._job.plan.max_radius
        self._stages: tuple[Stage, ...] = stages(self._radius, LEARNING)
        self._shifts: ShiftGrid = shift_grid(params, self._radius)
        rings = self._job.rings.plane.rings
        self._batch: Minibatch = self._job.loader.load(np.arange(IMAGES), np.ones(rings))
        self._slices: MapSlices = self._job.search.prepare(self._map(params), np.eye(3), self._stages)

    def run(self, kernel: str, tuning: Tuning) -> tuple[float, NDArray[np.float32]]:
        """Least time of a kernel in seconds, and its numbers."""
        profile = required_profile(self._session.profile)
        self._session.tuning = tuning
        search = PoseSearch(self._session, self._job.loader)
        score = self._grid if kernel == "grid" else self._cells
        best, values = float("inf"), np.empty(0, np.float32)
        for _ in range(REPEATS):
            profile.clear()
            values = score(search)
            best = min(best, profile.seconds("image_harmonics", "slice_harmonics", "score_grid", "score_cells"))
        return best, values

    def _grid(self, search: PoseSearch) -> NDArray[np.float32]:
        view = self._view(0)
        return self._session.download(
            search.score_coarse(self._batch, view, self._slices.tables[0], self._stages[0].radius)
        )

    def _cells(self, search: PoseSearch) -> NDArray[np.float32]:
        found, view = self._candidates(), self._view(CELL_LEVEL)
        search.score(found, view, self._slices, 0.0, self._stages[CELL_LEVEL].radius)
        return self._session.download(found.value)

    def _view(self, level: int) -> View:
        return self._job.loader.view(self._batch, level, self._shifts, of_cells=True)

    def _map(self, params: AbInitioParams) -> FourierMap:
        updater = self._job.updater(self._radius)
        volume = random_map(np.random.default_rng(1), grid_side(self._radius), params)
        spectrum = updater.sliceable(volume[None] * np.float32(MAP_NORM / np.linalg.norm(volume)))
        return FourierMap.upload(self._session, spectrum, PADDING)

    def _candidates(self) -> Candidates:
        """As many rotations of each image, each with as many shifts, here and there on their grids."""
        upload, rng = self._session.upload, np.random.default_rng(2)
        pairs = IMAGES * PAIRS_OF_AN_IMAGE
        hyps = pairs * SHIFTS_OF_A_PAIR
        cells = rng.integers(len(rotation_grid(CELL_LEVEL)), size=pairs)
        shift = rng.integers(len(self._shifts.points(CELL_LEVEL)), size=hyps)
        nothing = np.zeros(hyps, np.float32)
        return Candidates(
            CELL_LEVEL,
            1,
            upload("made up first", np.arange(0, pairs + 1, PAIRS_OF_AN_IMAGE, dtype=np.int32)),
            upload("made up image", np.repeat(np.arange(IMAGES, dtype=np.int32), PAIRS_OF_AN_IMAGE)),
            upload("made up rotation", cells.astype(np.int32)),
            upload("made up start", np.arange(0, hyps + 1, SHIFTS_OF_A_PAIR, dtype=np.int32)),
            upload("made up shift", shift.astype(np.int32)),
            upload("made up value", nothing),
            upload("made up boost", nothing),
        )
