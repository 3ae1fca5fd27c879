"""Bounds of the pose search: what a cell may hide, and what rings that were not evaluated can at least cost.

A module of its own, which the search uses and nothing else. Owns kernels/bound.cl; docs/method.md derives the bounds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldstart.compute.session import DeviceArray, Session
from coldstart.engine.images import Minibatch, View
from coldstart.engine.rings import Rings
from coldstart.engine.slices import SliceTable


class PoseBound:
    """Bounds for a minibatch. `weigh` it first; the bounds are those of the batch weighed last."""

    def __init__(self, session: Session, rings: Rings) -> None:
        self._session = session
        self._rings = rings
        self._program = session.program("bound.cl", MULADD=session.tuning.muladd)
        self._powers = session.array("ring powers", (1, rings.plane.rings, 4), np.float32)

    def weigh(self, batch: Minibatch) -> None:
        """Take the powers of a minibatch's images on each ring."""
        plane, table = self._rings.plane, self._rings.table(self._rings.finest)
        self._powers = self._session.array("ring powers", (len(batch), plane.rings, 4), np.float32)
        self._program.launch(
            "ring_powers", (plane.rings, len(batch)), batch.image, batch.weight, table.rings, self._powers, plane.stride
        )

    def slice_power(self, table: SliceTable) -> NDArray[np.float64]:
        """|C Y|^2 / sigma^2 of a slice, its mean over those of a table, in the weights of each image: (B,) float64."""
        weights = self._session.download(self._powers)[:, : table.rings, 0].astype(np.float64)
        power = self._session.download(table.power).mean(axis=0, dtype=np.float64)
        return np.asarray((weights * power).sum(axis=1))  # of each image by itself, which a product of matrices is not

    def window(self, view: View, table: SliceTable, sigmas: float, levels_below: int = 0) -> DeviceArray:
        """Nats by which the true pose's cell may fall behind the best one, (B,) float32; none without sigmas.

        Parameters
        ----------
        view : View
            Of the level.
        table : SliceTable
            Mean slices of the level's cells, or of the finest level that has them.
        sigmas : float
            Standard deviations of the noise.
        levels_below : int
            Levels from the table's to the one in question: a cell of half the width hides a quarter of the power.
        """
        session, images = self._session, self._powers.shape[0]
        window = session.array("window", (images,), np.float32)
        if sigmas == 0.0:
            return session.zero(window)
        hidden = session.array("hidden power", (table.rings,), np.float32)
        damping = session.upload("ring damping", view.damping[: table.rings].astype(np.float32))
        directions = table.power.shape[0]
        self._program.launch(
            "hidden_power", (table.rings,), table.power, table.lost, damping, hidden, table.rings,
            directions, 0.25**levels_below,
        )  # fmt: skip
        self._program.launch(
            "cell_windows", (images,), self._powers, hidden, window, images, table.rings,
            self._powers.shape[1], float(sigmas),
        )  # fmt: skip
        return window

    def tails(
        self, table: SliceTable, inner: float, radius: float, sigmas: float, noise_share: float, *, model_free: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower bounds of the energy that the rings between two radii add, for every image and direction.

        Parameters
        ----------
        table : SliceTable
            Slices of the level.
        sigmas : float
            Standard deviations of the probabilistic bound.
        noise_share : float
            Share of the noise's power that the images' window lets through.
        model_free : bool
            Allow the true slice to be as strong as the image's own power leaves room for, if no slice of the map is.

        Returns
        -------
        probabilistic, deterministic : (B, directions) float64
            Nats.
        """
        session, plane, images = self._session, self._rings.plane, self._powers.shape[0]
        first, last = plane.rings_within(inner), plane.rings_within(radius)
        noise = noise_share * float(plane.ring_areas[first:last].sum())
        directions = table.power.shape[0]
        sizes = (first, last, table.rings, plane.rings)
        strongest = session.array("strongest slices", (images,), np.float32)
        tail = session.array("tails", (images, directions, 2), np.float32)
        self._program.launch(
            "strongest_slices", (images,), self._powers, table.power, strongest, images, directions, *sizes,
            float(sigmas), noise, int(model_free),
        )  # fmt: skip
        self._program.launch(
            "tail_bounds", (directions, images), self._powers, table.power, strongest, tail, *sizes, float(sigmas)
        )
        probabilistic, deterministic = np.moveaxis(session.download(tail).astype(np.float64), -1, 0)
        return probabilistic, deterministic
