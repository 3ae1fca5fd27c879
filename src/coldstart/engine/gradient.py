"""The M-step: posteriors and images into the numerators and denominators of the maps, and the noise's residual power.

Owns kernels/backproject.cl. Every addend is rounded to a whole number of small steps, and sums are of whole numbers:
the result depends neither on their order nor on how a minibatch is split (docs/method.md, "Sums that can be split").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldstart.compute.session import DeviceArray, Session
from coldstart.engine.expectation import Hypotheses
from coldstart.engine.images import Minibatch
from coldstart.engine.rings import Rings
from coldstart.engine.search import MapSlices
from coldstart.engine.slices import Projector
from coldstart.engine.sums import Scales, Sums
from coldstart.engine.symmetrizer import INSERTION_PADDING, Symmetrizer, widened
from coldstart.model.pose_grid import rotation_grid


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
        """The gradient of a minibatch that is not split.

        Back-project the hypotheses with their posteriors up to a radius into grids of `side` points. With a symmetrizer
        every image counts under every operator of its point group. Without `residual` the residual power is left NaN,
        which saves its slices.
        """
        scales = self.scales(len(batch), batch.image_bound, batch.weight_bound, found.level, slices)
        padding = 1 if symmetrizer is None else INSERTION_PADDING
        sums = self.sums(batch, found, slices, radius, padding * side, padding, scales, residual=residual)
        return gradient_of(sums, batch.power, len(batch), batch.noise_variance, radius, side, symmetrizer)

    def scales(self, images: int, image_bound: float, weight_bound: float, level: int, slices: MapSlices) -> Scales:
        """Those of a minibatch, as `Scales.of`, whose bounds are of images on the finest rings.

        Parameters
        ----------
        level : int
            Of the hypotheses.
        slices : MapSlices
        """
        share = self._rings.table(level).largest_share
        return Scales.of(images, share * image_bound, share * weight_bound, slices.volume.largest)

    def sums(
        self, batch: Minibatch, found: Hypotheses, slices: MapSlices, radius: float, side: int, padding: int,
        scales: Scales, *, residual: bool = True,
    ) -> Sums:  # fmt: skip
        """Sums over a share of a minibatch on a grid of `side` points, `padding` of them a cycle a box.

        Poses on the grid that turns the rings are gathered into one slice a direction, those of a finer level into one
        a rotation.
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
        gathered = self._gather(entries, found, radius, scales)
        cells = (keys * grid.in_plane if on_rings else keys).astype(np.int32)
        rows = self._projector.rotation_rows("slice rows", grid, cells, slices.turn, padding)
        total = self._insert(rows, gathered, found, radius, side)
        change = np.empty((0, 3), np.int64)
        if residual:
            rings = found.view.table.plane.rings_within(radius)
            change = self._residual(gathered, keys, found, slices, rings, scales)
        return Sums.of(total, padding * radius, change, scales)

    def _gather(
        self, entries: dict[str, NDArray[np.generic]], found: Hypotheses, radius: float, scales: Scales
    ) -> tuple[DeviceArray, DeviceArray]:
        session, view = self._session, found.view
        plane, slices = view.table.plane, len(entries["start"]) - 1
        data = session.array("gathered", (slices, 2, plane.stride), np.int32)
        weight = session.array("gathered weight", (slices, plane.stride), np.int32)
        self._program.launch(
            "gather_slices", (plane.rings_within(radius), slices),
            *(session.upload(f"entry {name}", column) for name, column in entries.items()), view.image, view.weight,
            view.phase, view.table.rings, data, weight, plane.in_plane // 2, plane.stride, scales.image, scales.weight,
        )  # fmt: skip
        return data, weight

    def _insert(
        self, rows: DeviceArray, gathered: tuple[DeviceArray, DeviceArray], found: Hypotheses, radius: float, side: int
    ) -> NDArray[np.int64]:
        session, table, slices, classes = self._session, found.view.table, rows.shape[0], found.classes
        count, width = table.plane.count(radius), side // 2 + 1
        shape = (classes, side, side, width, 3)
        fitting = session.info.max_alloc_bytes // (8 * int(np.prod(shape, dtype=np.int64)))
        copies = max(min(self._copies, fitting), 1)  # sums are of whole numbers, in however many copies
        accumulator = session.zero(session.array("accumulator", (copies, *shape), np.int64))
        size = (-(-count // self._chunk), slices) if self._atomic else (copies,)
        self._program.launch(
            "insert_slices", size, table.kx, table.ky, rows, *gathered, accumulator, slices, count,
            table.plane.stride, classes, side, width,
        )  # fmt: skip
        return np.asarray(session.download(accumulator).sum(axis=0))

    def _residual(
        self, gathered: tuple[DeviceArray, DeviceArray], keys: NDArray[np.int32], found: Hypotheses, slices: MapSlices,
        rings: int, scales: Scales,
    ) -> NDArray[np.int64]:  # fmt: skip
        """What the fit takes off, from the map's slices that belong to the gathered ones: directions, or rotations."""
        session, plane, rows = self._session, found.view.table.plane, keys
        if found.level <= self._rings.finest:
            modelled = slices.tables[found.level]
        else:
            modelled = self._projector.pose_slices(slices.volume, slices.turn, found.level, keys, rings)
            rows = np.arange(len(keys), dtype=np.int32)
        explained = session.array("residual", (len(rows), rings, 3), np.int64)
        self._program.launch(
            "slice_residual", (rings, len(rows)), modelled.slice, found.view.table.rings,
            session.upload("slice direction", rows.astype(np.int32)), *gathered, explained, plane.stride,
            modelled.slice.shape[2], scales.map,
        )  # fmt: skip
        return np.asarray(session.download(explained).sum(axis=0))


def gradient_of(
    sums: Sums, image_power: NDArray[np.float64], images: int, noise_variance: NDArray[np.float64], radius: float,
    side: int, symmetrizer: Symmetrizer | None,
) -> Gradient:  # fmt: skip
    """The gradient of a minibatch from the sums of all its shares.

    Parameters
    ----------
    sums : Sums
        On the grid that a symmetrizer takes, where there is one.
    image_power : (rings,) float64
        Mean |X|^2 of a coefficient.
    images : int
    noise_variance : (rings,) float64
    radius : float
    side : int
        Points along an edge of the maps.
    symmetrizer : Symmetrizer or None
    """
    power, rings = np.full(len(image_power), np.nan), len(sums.residual)
    areas = np.pi * np.arange(1, rings + 1)
    power[:rings] = image_power[:rings] + sums.residual_change * noise_variance[:rings] / (images * areas)
    numerator, denominator = sums.numerator, sums.denominator
    if symmetrizer is not None:
        numerator, denominator = symmetrizer.sums(widened(numerator), widened(denominator), radius, side)
    return Gradient(numerator, denominator, power)
