"""Imposing a point group on maps: every particle counts under every operator. Owns kernels/symmetrize.cl."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d

from coldstart.compute.session import Session
from coldstart.model.symmetry import PointGroup

INSERTION_PADDING = 2
"""The grid that is turned has so many points a cycle a box; the map's own is too coarse to be read between points."""


Grid = TypeVar("Grid", NDArray[np.complex128], NDArray[np.float64])


def widened(grid: Grid) -> Grid:
    """Sums of slices on a grid of twice the points (K, side, side, width), spread as far as on the map's own grid.

    Images are known on rings a cycle apart, and hats of half that width would leave the points between them without
    weight. A hat is the sum of the three of half its width inside it, those at its sides halved.
    """
    mirrored = np.conj(np.roll(grid[:, ::-1, ::-1, 1:2], 1, axis=(1, 2)))  # the plane x = -1
    out = np.concatenate([mirrored, grid], axis=-1)
    for axis in (1, 2, 3):
        out = convolve1d(out, [0.5, 1.0, 0.5], axis=axis, mode="constant")
    return out[..., 1:]


class Symmetrizer:
    """Adds up numerators and denominators turned by the operators of a point group."""

    def __init__(self, session: Session, group: PointGroup) -> None:
        self._session = session
        self.group = group
        self._program = session.program("symmetrize.cl", MULADD=session.tuning.muladd)

    def sums(
        self, numerator: NDArray[np.complexfloating], denominator: NDArray[np.floating], radius: float, side: int
    ) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
        """Sums over the operators, on a grid of `side` points, up to a radius.

        Parameters
        ----------
        numerator, denominator : (K, 2 side, 2 side, side + 1)
            On the grid of INSERTION_PADDING points a cycle a box; whole, with both ends of the plane x = 0.

        Returns
        -------
        (K, side, side, side // 2 + 1) complex128, float64
        """
        session, (classes, fine_side, _, fine_width) = self._session, numerator.shape
        columns = (numerator.real, numerator.imag, denominator, np.zeros_like(denominator))
        fine = session.upload("fine grid", np.stack(columns, axis=-1).astype(np.float32))
        operators = session.upload("operators", self.group.operators.reshape(-1, 9).astype(np.float32))
        width = side // 2 + 1
        out = session.array("symmetrized", (classes, side, side, width, 4), np.float32)
        self._program.launch(
            "symmetrize", (side, side, classes), fine, operators, out, self.group.order, INSERTION_PADDING,
            float(radius), side, width, fine_side, fine_width,
        )  # fmt: skip
        total = session.download(out).astype(np.float64)
        return total[..., 0] + 1j * total[..., 1], total[..., 2]
