"""Images made ready: normalised, windowed, transformed onto the rings of a run, weighted, and put on the device.

A prepared image costs 8 bytes a point. Prepared images are kept while they fit a budget of host memory; the
others are prepared again at each visit, so memory does not grow with the stack.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldstart.compute.session import DeviceArray, Session
from coldstart.engine.rings import Rings, RingTable
from coldstart.model.ctf import electron_wavelength_angstrom, ring_power, take_rows
from coldstart.model.mask import radius_px, soft_window
from coldstart.model.noise import background_variance
from coldstart.model.particles import Ctf, ImageSource, Particles
from coldstart.model.polar import LANES, PolarPlane, polar_transform
from coldstart.model.pose_grid import ShiftGrid
from coldstart.params import AbInitioParams

CACHE_BYTES = 512 * 2**20
OPTICS_COLUMNS = 8
BLOCK = 256
LEAST_NOISE_LEFT = 0.01
"""Where a CTF leaves less of the noise, what leaks in from other rings is more than that."""


class ImagePreparer:
    """Reads, normalises, windows and transforms images; remembers as many as the budget allows, and can work ahead.

    Attributes
    ----------
    plane : PolarPlane
        The points that are kept.
    window_power : float
        Mean square of the window: the share of the noise power that it lets through.
    """

    def __init__(
        self, particles: Particles, source: ImageSource, params: AbInitioParams, plane: PolarPlane,
        devices: int = 1,
    ) -> None:  # fmt: skip
        """One of several shares the budget with those of the other devices."""
        self.plane = plane
        self._source = source
        self._sign = -1.0 if params.invert else 1.0
        box = particles.box_px
        inner, outer = params.window_inner_radius, params.window_outer_radius
        self._background = radius_px(box, 2) > 0.5 * box * inner
        self._window = soft_window(box, 2, inner, outer) if params.window_images else np.ones((box, box), np.float32)
        self.window_power = float(np.mean(self._window.astype(np.float64) ** 2))
        self._inner = inner
        self._white = params.noise_model == "white"
        self._ctf = particles.ctf if particles.ctf is not None and particles.ctf.premultiplied.any() else None
        self._box_angstrom = particles.box_angstrom
        slots = min(particles.count, CACHE_BYTES // devices // (8 * plane.stride))
        self._cache = np.empty((slots, plane.stride), np.complex64)
        self._slot: dict[int, int] = {}
        self._ahead = ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead")
        self._pending: tuple[NDArray[np.int64], Future[NDArray[np.complex64]]] | None = None

    def coefficients(self, rows: NDArray[np.int64]) -> NDArray[np.complex64]:
        """Transforms of these particles on the rings, (len(rows), stride) complex64.

        Raises
        ------
        ParticleFileError
            If an image cannot be read.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            wait([pending[1]])  # it fills the memory of images, which one thread may do at a time
            if np.array_equal(pending[0], rows):
                return pending[1].result()
        return self._prepare(rows)

    def prepare_ahead(self, rows: NDArray[np.int64]) -> None:
        """Prepare these particles in a thread, for the next call of `coefficients`."""
        if self._pending is None and len(rows):
            self._pending = rows, self._ahead.submit(self._prepare, rows)

    def _prepare(self, rows: NDArray[np.int64]) -> NDArray[np.complex64]:
        out = np.empty((len(rows), self.plane.stride), np.complex64)
        missing = [i for i, row in enumerate(rows) if int(row) not in self._slot]
        for start in range(0, len(missing), BLOCK):
            part = missing[start : start + BLOCK]
            out[part] = polar_transform(self.normalized(rows[part]) * self._window, self.plane)
        fresh = set(missing)
        for i, row in enumerate(rows):
            if i not in fresh:
                out[i] = self._cache[self._slot[int(row)]]
            elif int(row) not in self._slot and len(self._slot) < len(self._cache):
                self._slot[int(row)] = len(self._slot)
                self._cache[self._slot[int(row)]] = out[i]
        return out

    def normalized(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Images with background mean 0 and variance 1, particles bright, (len(rows), box, box) float32."""
        images = self._source.read(rows)
        background = images[:, self._background].astype(np.float64)
        mean, deviation = background.mean(axis=1), background.std(axis=1)
        scale = self._sign / np.where(deviation > 0, deviation, 1.0)
        if self._ctf is not None:
            # The background is then that of the image before it was multiplied.
            rings = images.shape[-1] // 2
            radii = np.arange(1, rings + 1)
            scale = scale * np.sqrt((self.noise_left(rows, rings) * radii).sum(axis=1) / radii.sum())
        return np.asarray((images - mean[:, None, None]) * scale[:, None, None], dtype=np.float32)

    def noise_left(self, rows: NDArray[np.int64], rings: int) -> NDArray[np.float64]:
        """Share of the noise power that is left in each image, 1 unless it was multiplied by its CTF.

        Returns
        -------
        (len(rows), rings) float64
            Mean over each ring.
        """
        if self._ctf is None:
            return np.ones((len(rows), rings))
        part = take_rows(self._ctf, rows)
        power = ring_power(part, rings, self._box_angstrom)
        return np.where(part.premultiplied[:, None] > 0.0, np.maximum(power, LEAST_NOISE_LEFT), 1.0)

    def noise_variance(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """(rings,) float64: variance of the background's coefficients, from these particles."""
        blocks = [rows[i : i + BLOCK] for i in range(0, len(rows), BLOCK)]
        # Of images that were multiplied by their CTF the noise is white before, not after.
        white = self._white and self._ctf is None
        parts = [
            len(block) * background_variance(self.normalized(block), self.plane.rings, self._inner, white=white)
            for block in blocks
        ]
        left = sum(self.noise_left(block, self.plane.rings).sum(axis=0) for block in blocks)
        variance = np.asarray(np.sum(parts, axis=0) / left)
        if self._white and self._ctf is not None:
            return np.full(len(variance), np.average(variance, weights=self.plane.ring_areas))
        return variance


def optics_table(ctf: Ctf | None, rows: NDArray[np.int64], box_angstrom: float) -> NDArray[np.float32]:
    """Optics of these particles as kernels/images.cl reads them, (len(rows), 8) float32."""
    table = np.zeros((len(rows), OPTICS_COLUMNS))
    if ctf is None:
        return table.astype(np.float32)
    part = take_rows(ctf, rows)
    wavelength = electron_wavelength_angstrom(part.voltage_kv)
    mean = 0.5 * (part.defocus_u_angstrom + part.defocus_v_angstrom)
    half_difference = 0.5 * (part.defocus_u_angstrom - part.defocus_v_angstrom)
    twice_angle = 2.0 * np.deg2rad(part.defocus_angle_deg)
    per_box2 = np.pi * wavelength / box_angstrom**2
    table[:, 0] = per_box2 * mean
    table[:, 1] = per_box2 * half_difference * np.cos(twice_angle)
    table[:, 2] = per_box2 * half_difference * np.sin(twice_angle)
    table[:, 3] = 0.5 * np.pi * part.cs_mm * 1e7 * wavelength**3 / box_angstrom**4
    table[:, 4] = np.deg2rad(part.phase_shift_deg) + np.arcsin(part.amplitude_contrast)
    table[:, 5] = 0.25 * part.b_factor_angstrom2 / box_angstrom**2
    table[:, 6] = part.scale
    table[:, 7] = 1.0 + part.premultiplied
    return table.astype(np.float32)


def largest_ctf(ctf: Ctf | None, frequency: float) -> float:
    """A bound on |CTF| up to a frequency in 1/Å, at least 1; a negative B factor amplifies."""
    if ctf is None:
        return 1.0
    gain = np.abs(ctf.scale) * np.exp(np.maximum(-0.25 * ctf.b_factor_angstrom2 * frequency**2, 0.0))
    return max(1.0, float(gain.max()))


@dataclass(frozen=True, slots=True)
class Minibatch:
    """Images on the device.

    Attributes
    ----------
    rows : (B,) int64
        Particles.
    image, weight : DeviceArray (B, 2, stride), (B, stride) float32
        A = a C X / sigma^2 and W = a C^2 / sigma^2 on the finest rings, with a the area of a point; where an image is
        C X already, A has no further C.
    noise_variance : (rings,) float64
    image_power : (B, rings) float64
        Mean |X|^2 over the points of a ring.
    noise_left : (B, rings) float64
        As `ImagePreparer.noise_left`.
    image_bound, weight_bound : float
        No |a C X / sigma^2| and no a C^2 / sigma^2 exceeds them.
    """

    rows: NDArray[np.int64]
    image: DeviceArray
    weight: DeviceArray
    noise_variance: NDArray[np.float64]
    image_power: NDArray[np.float64]
    noise_left: NDArray[np.float64]
    image_bound: float
    weight_bound: float

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def power(self) -> NDArray[np.float64]:
        """(rings,) float64: as `mean_power`."""
        return mean_power(self.image_power, self.noise_left)


def mean_power(image_power: NDArray[np.float64], noise_left: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean |X|^2 over images, before these were multiplied by their CTFs: (rings,) float64.

    Parameters
    ----------
    image_power, noise_left : (B, rings) float64
        As of a `Minibatch`.
    """
    return np.asarray(image_power.mean(axis=0) / noise_left.mean(axis=0))


@dataclass(frozen=True, slots=True)
class View:
    """A minibatch as a level of the search sees it.

    Attributes
    ----------
    table : RingTable
        Its points.
    image, weight : DeviceArray (B, 2, stride), (B, stride) float32
        A and W; where shifts stand for cells, W is damped as the slices are.
    phase : DeviceArray (shifts, 2, stride) float32
        S_l(t) of the level's shifts.
    damping : (rings,) float64
        Mean share of the power that a slice keeps when it is averaged over a shift cell.
    """

    table: RingTable
    image: DeviceArray
    weight: DeviceArray
    phase: DeviceArray
    damping: NDArray[np.float64]


class MinibatchLoader:
    """Puts prepared images on the device and weighs them. Owns kernels/images.cl."""

    def __init__(self, session: Session, particles: Particles, preparer: ImagePreparer, rings: Rings) -> None:
        self.rings = rings
        self._session = session
        self._particles = particles
        self._preparer = preparer
        self._program = session.program("images.cl", MULADD=session.tuning.muladd)
        self._phase_shifts: dict[str, tuple[Any, NDArray[np.float64], float]] = {}
        self._ctf_bound = largest_ctf(particles.ctf, preparer.plane.rings / particles.box_angstrom)

    def load(self, rows: NDArray[np.int64], noise_variance: NDArray[np.float64]) -> Minibatch:
        """Put particles on the device, to be weighed for a noise variance of (rings,)."""
        plane, session = self._preparer.plane, self._session
        coefficients = self._preparer.coefficients(rows)
        planes = np.stack([coefficients.real, coefficients.imag], axis=1)
        squared = planes[:, 0] ** 2 + planes[:, 1] ** 2
        largest = float(np.abs(coefficients).max(initial=1.0))
        inverse = plane.weights / noise_variance[plane.ring - 1]
        table = self.rings.table(self.rings.finest)
        image = session.array("image", planes.shape, np.float32)
        weight = session.array("weight", (len(rows), plane.stride), np.float32)
        self._program.launch(
            "weigh_images", (plane.stride // LANES, len(rows)), table.kx, table.ky, session.upload("spectrum", planes),
            session.upload("optics", optics_table(self._particles.ctf, rows, self._particles.box_angstrom)),
            session.upload("inverse noise", inverse.astype(np.float32)), image, weight, plane.stride,
        )  # fmt: skip
        return Minibatch(
            rows=rows,
            image=image,
            weight=weight,
            noise_variance=noise_variance,
            image_power=np.add.reduceat(squared, plane.ring_start[:-1], axis=1, dtype=np.float64) / plane.half_points,
            noise_left=self._preparer.noise_left(rows, plane.rings),
            image_bound=self._ctf_bound * largest * float(inverse.max()),
            weight_bound=self._ctf_bound**2 * float(inverse.max()),
        )

    def view(self, batch: Minibatch, level: int, shifts: ShiftGrid, *, of_cells: bool) -> View:
        """A minibatch weighed on the points of a level.

        Parameters
        ----------
        of_cells : bool
            Whether shifts stand for their whole cells: slices are then averaged over the cell.
        """
        session, table = self._session, self.rings.table(level)
        plane = table.plane
        side = shifts.step / (1 << level) if of_cells else 0.0
        damping = np.prod(np.sinc(plane.frequencies * side), axis=1)
        image = session.array(f"image {level}", (len(batch), 2, plane.stride), np.float32)
        weight = session.array(f"weight {level}", (len(batch), plane.stride), np.float32)
        self._program.launch(
            "select_points", (plane.stride // LANES, len(batch)), batch.image, batch.weight, table.source, table.share,
            session.upload("damping", damping.astype(np.float32)), image, weight, plane.stride,
            self.rings.plane.stride,
        )  # fmt: skip
        kept = np.bincount(plane.ring, damping**2 * plane.weights)[1:] / plane.ring_areas
        return View(table, image, weight, self._phases(level, shifts.points(level), side), kept)

    def _phases(self, level: int, shifts: NDArray[np.float64], side: float) -> DeviceArray:
        """Phases of shifts (S, 2) in fractions of the box, made anew only when these change."""
        session, table, name = self._session, self.rings.table(level), f"phase {level}"
        phase = session.array(name, (len(shifts), 2, table.plane.stride), np.float32)
        buffer, known, known_side = self._phase_shifts.get(name, (None, np.empty(0), -1.0))
        if buffer is phase.buffer and known_side == side and np.array_equal(known, shifts):
            return phase
        self._phase_shifts[name] = phase.buffer, shifts, side
        damping = np.prod(np.sinc(table.plane.frequencies * side), axis=1)
        self._program.launch(
            "phase_table", (table.plane.stride // LANES, len(shifts)), table.kx, table.ky,
            session.upload(f"{name} shifts", shifts.astype(np.float32)),
            session.upload("damping", damping.astype(np.float32)), phase, table.plane.stride,
        )  # fmt: skip
        return phase
