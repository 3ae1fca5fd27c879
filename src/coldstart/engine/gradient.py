"""The M-step: posteriors and images into the numerators and denominators of the maps, and the noise's residual power.

Owns kernels/backproject.cl. Sums are 64-bit fixed point: the result does not depend on the order of the slices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from coldstart.compute.session import DeviceArray, Session
from coldstart.engine.expectation import Hypotheses
from coldstart.engine.images import Minibatch
from coldstart.engine.rings import Rings
from coldstart.engine.search import MapSlices
from coldstart.engine.slices import Projector
from coldstart.engine.symmetrizer import INSERTION_PADDING, Symmetrizer, widened
from coldstart.model.pose_grid import rotation_grid

FIXED_POINT_BITS = 59


@dataclass(frozen=True, slots=True)
class Gradient:
    """What a minibatch says about the maps.

    Attributes
    ----------
    numerator : (K, side, side, side // 2 + 1) complex128
        B, the weighted back-projection of the images.
    denominator : (K, side, side, side // 2 + 1) float64
        H, the weights.
    residual_power : (rings,) float64
        Posterior-weighted |X - C Y|^2 a coefficient, mean over the images; NaN beyond the radius used.
    """

    numerator: NDArray[np.complex128]
    denominator: NDArray[np.float64]
    residual_power: NDArray[np.float64]

    @classmethod
    def zero(cls, classes: int, side: int, rings: int) -> Gradient:
        """Of no images."""
        grid = (classes, side, side, side // 2 + 1)
        return cls(np.zeros(grid, np.complex128), np.zeros(grid), np.full(rings, np.nan))

    def __add__(self, other: Gradient) -> Gradient:
        """Of both minibatches; the residual power is the other's."""
        return Gradient(self.numerator + other.numerator, self.denominator + other.denominator, other.residual_power)


class Backprojector:
    """Inserts minibatches into Fourier grids."""

    def __init__(self, session: Session, rings: Rings, projector: Projector) -> None:
        tuning = session.tuning
        self._session = session
        self._rings = rings
        self._projector = projector
        self._copies = tuning.copies
        self._chunk = tuning.chunk
        self._atomic = tuning.atomic
        self._program = session.program(
            "backproject.cl",
            VW=tuning.vector_width,
            MULADD=tuning.muladd,
            CHUNK=tuning.chunk,
            ATOMIC=int(tuning.atomic),
        )

    def run(
        self, batch: Minibatch, found: Hypotheses, slices: MapSlices, radius: float, side: int,
        symmetrizer: Symmetrizer | None = None, *, residual: bool = True,
    ) -> Gradient:  # fmt: skip
        """Back-project the hypotheses with their posteriors up to a radius into grids of `side` points.

        With a symmetrizer every image counts under every operator of its point group.

        Poses on the grid that turns the rings are gathered into one slice a direction, those of a finer level into one
        a rotation. Without `residual` the residual power is left NaN, which saves its slices.
        """
        grid = rotation_grid(found.level)
        on_rings = found.level <= self._rings.finest
        direction, angle = np.divmod(found.rotation, np.int32(grid.in_plane))
        key, angle = (direction, angle) if on_rings else (found.rotation, np.zeros_like(angle))
        order = np.argsort(key, kind="stable")
        keys, first = np.unique(key[order], return_index=True)
        entries = {
            "start": np.append(first, len(order)).astype(np.int32),
            "image": found.image[order].astype(np.int32),
            "shift": found.shift[order],
            "angle": angle[order],
            "weight": found.posterior[order],
        }
        gathered = self._gather(entries, found, radius)
        cells = (keys * grid.in_plane if on_rings else keys).astype(np.int32)
        padding = 1 if symmetrizer is None else INSERTION_PADDING
        rows = self._projector.rotation_rows("slice rows", grid, cells, slices.turn, padding)
        total = self._insert(batch, rows, gathered, found, radius, padding * side)
        numerator, denominator = _friedel(total[..., 0] + 1j * total[..., 1]), _friedel(total[..., 2])
        power = np.full(self._rings.plane.rings, np.nan)
        if residual:
            power = self._residual(batch, gathered, keys, found, slices, found.view.table.plane.rings_within(radius))
        if symmetrizer is not None:
            numerator, denominator = symmetrizer.sums(widened(numerator), widened(denominator), radius, side)
        return Gradient(numerator, denominator, power)

    def _gather(
        self, entries: dict[str, NDArray[np.generic]], found: Hypotheses, radius: float
    ) -> tuple[DeviceArray, DeviceArray]:
        session, view = self._session, found.view
        plane, slices = view.table.plane, len(entries["start"]) - 1
        data = session.array("gathered", (slices, 2, plane.stride), np.float32)
        weight = session.array("gathered weight", (slices, plane.stride), np.float32)
        self._program.launch(
            "gather_slices", (plane.rings_within(radius), slices),
            *(session.upload(f"entry {name}", column) for name, column in entries.items()), view.image, view.weight,
            view.phase, view.table.rings, data, weight, plane.in_plane // 2, plane.stride,
        )  # fmt: skip
        return data, weight

    def _insert(
        self, batch: Minibatch, rows: DeviceArray, gathered: tuple[DeviceArray, DeviceArray], found: Hypotheses,
        radius: float, side: int,
    ) -> NDArray[np.float64]:  # fmt: skip
        """N real, N imaginary and D, (K, side, side, side // 2 + 1, 3) float64, the plane x = 0 not yet completed."""
        session, table, slices, classes = self._session, found.view.table, rows.shape[0], found.classes
        count, width = table.plane.count(radius), side // 2 + 1
        accumulator = session.zero(
            session.array("accumulator", (self._copies, classes, side, side, width, 3), np.int64)
        )
        scale = 2.0 ** np.floor(FIXED_POINT_BITS - np.log2(len(batch) * batch.amplitude_bound))
        size = (-(-count // self._chunk), slices) if self._atomic else (self._copies,)
        self._program.launch(
            "insert_slices", size, table.kx, table.ky, rows, *gathered, accumulator, slices, count,
            table.plane.stride, classes, side, width, float(scale),
        )  # fmt: skip
        return np.asarray(session.download(accumulator).sum(axis=0) / scale)

    def _residual(
        self, batch: Minibatch, gathered: tuple[DeviceArray, DeviceArray], keys: NDArray[np.int32], found: Hypotheses,
        slices: MapSlices, rings: int,
    ) -> NDArray[np.float64]:  # fmt: skip
        """Residual power, from the map's slices that belong to the gathered ones: directions, or rotations."""
        session, plane, rows = self._session, found.view.table.plane, keys
        if found.level <= self._rings.finest:
            modelled = slices.tables[found.level]
        else:
            modelled = self._projector.pose_slices(slices.volume, slices.turn, found.level, keys, rings)
            rows = np.arange(len(keys), dtype=np.int32)
        explained = session.array("residual", (len(rows), rings), np.float32)
        self._program.launch(
            "slice_residual", (rings, len(rows)), modelled.slice, found.view.table.rings,
            session.upload("slice direction", rows.astype(np.int32)), *gathered, explained, plane.stride,
            modelled.slice.shape[2],
        )  # fmt: skip
        change = session.download(explained).sum(axis=0, dtype=np.float64)
        power = np.full(self._rings.plane.rings, np.nan)
        power[:rings] = batch.power[:rings] + change * batch.noise_variance[:rings] / (
            len(batch) * plane.ring_areas[:rings]
        )
        return power


Half = TypeVar("Half", NDArray[np.complex128], NDArray[np.float64])


def _friedel(half: Half) -> Half:
    """Complete the plane x = 0, which got only the points whose x was not negative."""
    whole = half.copy()
    whole[..., 0] += np.conj(np.roll(half[:, ::-1, ::-1, 0], 1, axis=(1, 2)))
    return whole
