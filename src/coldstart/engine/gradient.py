"""The M-step: posteriors and images into the numerator and denominator of the map, and into the noise's residual power.

Owns kernels/backproject.cl. Sums are 64-bit fixed point: the result does not depend on the order of the slices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from coldstart.compute.session import Session
from coldstart.engine.images import Minibatch, MinibatchLoader
from coldstart.engine.search import FourierMap, Hypotheses, PoseSearch
from coldstart.model.fourier import HalfPlane
from coldstart.model.pose_grid import rotation_grid

FIXED_POINT_BITS = 60


@dataclass(frozen=True, slots=True)
class Gradient:
    """What a minibatch says about the map.

    Attributes
    ----------
    numerator : (side, side, side // 2 + 1) complex128
        B, the weighted back-projection of the images.
    denominator : (side, side, side // 2 + 1) float64
        H, the weights.
    residual_power : (shells,) float64
        Posterior-weighted |X - C Y|^2 a coefficient, mean over the images; NaN beyond the radius used.
    """

    numerator: NDArray[np.complex128]
    denominator: NDArray[np.float64]
    residual_power: NDArray[np.float64]

    @classmethod
    def zero(cls, side: int, shells: int) -> Gradient:
        """Of no images."""
        grid = (side, side, side // 2 + 1)
        return cls(np.zeros(grid, np.complex128), np.zeros(grid), np.full(shells, np.nan))

    def __add__(self, other: Gradient) -> Gradient:
        """Of both minibatches; the residual power is the other's."""
        return Gradient(self.numerator + other.numerator, self.denominator + other.denominator, other.residual_power)


class Backprojector:
    """Inserts a minibatch into a Fourier grid of `side` points."""

    def __init__(
        self, session: Session, loader: MinibatchLoader, search: PoseSearch, half_plane: HalfPlane, side: int
    ) -> None:
        tuning = session.tuning
        self._session = session
        self._loader = loader
        self._search = search
        self._plane = half_plane
        self._side = side
        self._copies = tuning.copies
        self._chunk = tuning.chunk
        self._program = session.program(
            "backproject.cl",
            VW=tuning.vector_width,
            MULADD=tuning.muladd,
            CHUNK=tuning.chunk,
            ATOMIC=int(tuning.atomic),
        )
        self._atomic = tuning.atomic

    def run(
        self, batch: Minibatch, found: Hypotheses, volume: FourierMap, turn: NDArray[np.float64], radius: float,
        noise_variance: NDArray[np.float64],
    ) -> Gradient:  # fmt: skip
        """Back-project the hypotheses with their posteriors up to a radius."""
        session, plane, loader = self._session, self._plane, self._loader
        count = plane.count(radius)
        order = np.argsort(found.rotation, kind="stable")
        cells, first = np.unique(found.rotation[order], return_index=True)
        slices = len(cells)
        entry_start = np.append(first, len(order)).astype(np.int32)
        slice_data = session.array("slice", (slices, 2, plane.stride), np.float32)
        slice_weight = session.array("slice weight", (slices, plane.stride), np.float32)
        self._program.launch(
            "gather_slices", (-(-count // self._chunk), slices), session.upload("entry start", entry_start),
            session.upload("entry image", found.image[order]), session.upload("entry shift", found.shift[order]),
            session.upload("entry weight", found.posterior[order]), batch.image, batch.weight, found.phase,
            slice_data, slice_weight, count, plane.stride,
        )  # fmt: skip
        grid = rotation_grid(found.level)
        rows = self._search.rotation_rows("slice rows", grid, cells.astype(np.int32), turn, 1.0)
        side, width = self._side, self._side // 2 + 1
        accumulator = session.zero(session.array("accumulator", (self._copies, side, side, width, 3), np.int64))
        scale = 2.0 ** np.floor(FIXED_POINT_BITS - np.log2(len(batch) * batch.amplitude_bound))
        size = (-(-count // self._chunk), slices) if self._atomic else (self._copies,)
        self._program.launch(
            "insert_slices", size, loader.kx, loader.ky, rows, slice_data, slice_weight, accumulator,
            slices, count, plane.stride, side, width, float(scale),
        )  # fmt: skip
        residual_power = self._residual(batch, slices, cells, grid.level, volume, turn, radius, noise_variance)
        total = session.download(accumulator).sum(axis=0) / scale
        numerator, denominator = total[..., 0] + 1j * total[..., 1], total[..., 2]
        return Gradient(_friedel(numerator), _friedel(denominator), residual_power)

    def _residual(
        self, batch: Minibatch, slices: int, cells: NDArray[np.int32], level: int, volume: FourierMap,
        turn: NDArray[np.float64], radius: float, noise_variance: NDArray[np.float64],
    ) -> NDArray[np.float64]:  # fmt: skip
        session, plane = self._session, self._plane
        shells = int(np.floor(radius - 0.5))  # complete shells only
        rows = self._search.rotation_rows(
            "pair rows", rotation_grid(level), cells.astype(np.int32), turn, volume.padding
        )
        ends = session.upload("shell end", np.cumsum(plane.shell_sizes).astype(np.int32))
        explained = session.array("residual", (slices, shells), np.float32)
        self._program.launch(
            "slice_residual", (slices,), volume.data, self._loader.kx, self._loader.ky, rows,
            session.array("slice", (slices, 2, plane.stride), np.float32),
            session.array("slice weight", (slices, plane.stride), np.float32),
            ends, explained, slices, shells, plane.stride, volume.side, volume.width,
        )  # fmt: skip
        change = session.download(explained).sum(axis=0, dtype=np.float64)
        power = np.full(len(plane.shell_sizes), np.nan)
        power[:shells] = batch.power[:shells] + change * noise_variance[:shells] / (
            len(batch) * plane.shell_sizes[:shells]
        )
        return power


Half = TypeVar("Half", NDArray[np.complex128], NDArray[np.float64])


def _friedel(half: Half) -> Half:
    """Complete the plane x = 0, which got only the points whose x was not negative."""
    whole = half.copy()
    whole[..., 0] += np.conj(np.roll(half[::-1, ::-1, 0], 1, axis=(0, 1)))
    return whole
