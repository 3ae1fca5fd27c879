"""One device at work on shares of minibatches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from coldstart.compute.session import Session
from coldstart.engine.expectation import map_evidence
from coldstart.engine.gradient import Backprojector
from coldstart.engine.images import ImagePreparer, Minibatch, MinibatchLoader
from coldstart.engine.plan import plan_run
from coldstart.engine.poses import pose_table
from coldstart.engine.rings import Rings
from coldstart.engine.sampling import Sampler, ShareOfDraws
from coldstart.engine.search import Findings, MapSlices, PoseSearch
from coldstart.engine.share import Evidence, Figures, Look, Part, Sight, Spread
from coldstart.engine.slices import FourierMap
from coldstart.engine.stage import finest_level
from coldstart.engine.update import PADDING, sliceable
from coldstart.errors import DeviceMemoryError
from coldstart.model.particles import ImageSource, Particles
from coldstart.model.symmetry import point_group
from coldstart.params import AbInitioParams

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class _Looked:
    """A piece of a share between its E-step and its M-step."""

    positions: NDArray[np.int64]
    batch: Minibatch
    findings: Findings


class Worker:
    """Takes the E-step and the M-step of shares of minibatches on its device, with the images that it was given before.

    What it answers depends on the images of the share alone, image by image, and on sums that add up to those of the
    whole minibatch. So where the device has too little memory for a share, it is taken in pieces, with the same bits.

    Attributes
    ----------
    note : str
        Says so to the user; empty as long as all fits.
    """

    def __init__(
        self, particles: Particles, images: ImageSource, params: AbInitioParams, session: Session,
        preparer: ImagePreparer | None = None,
    ) -> None:  # fmt: skip
        plan = plan_run(params, particles.box_px, particles.box_angstrom, point_group(params.symmetry).order)
        self.session = session
        self.rings = Rings(session, finest_level(plan.max_radius), int(plan.max_radius))
        self._sampler = Sampler(params.seed, particles.count)
        self.preparer = preparer or ImagePreparer(particles, images, params, self.rings.plane)
        self.loader = MinibatchLoader(session, particles, self.preparer, self.rings)
        self.search = PoseSearch(session, self.loader)
        self.backprojector = Backprojector(session, self.rings, self.search.projector)
        self._box_angstrom = particles.box_angstrom
        self.note = ""
        self._most: int | None = None
        self._sight: Sight | None = None
        self._slices: MapSlices | None = None
        self._look: Look | None = None
        self._looked: list[_Looked] = []

    def on_device(self, volumes: NDArray[np.float32]) -> FourierMap:
        """Maps (K, side, side, side) ready to be sliced."""
        return FourierMap.upload(self.session, sliceable(volumes), PADDING)

    def expect(self, look: Look) -> Evidence:
        """The E-step.

        Raises
        ------
        DeviceMemoryError
            If not even one image at a time fits.
        """
        if look.sight is not None:
            self._sight, self._slices = look.sight, None
        self._look = look
        return self._fitted(self._expect)

    def maximise(self, spread: Spread) -> Part:
        """The M-step of the share whose E-step was taken last.

        Raises
        ------
        DeviceMemoryError
            As `expect`.
        """

        def maximised() -> Part:
            if not self._looked:  # it did not fit, and is searched again in smaller pieces
                self._expect()
            parts = [self._maximise_piece(spread, looked) for looked in self._looked]
            return parts[0] if len(parts) == 1 else Part.join(parts, [looked.positions for looked in self._looked])

        return self._fitted(maximised)

    def _fitted(self, step: Callable[[], Answer]) -> Answer:
        """What a step answers, taken with fewer images at a time as long as the device has too little memory."""
        while True:
            try:
                return step()
            except DeviceMemoryError as error:
                self.take_fewer(len(self._required_look().rows), error)

    def take_fewer(self, images: int, error: DeviceMemoryError) -> int:
        """Release what belongs to single images and maps, and take half as many images at a time from now on.

        Parameters
        ----------
        images : int
            That were to be taken.
        error : DeviceMemoryError
            Raised again where it was one image.

        Returns
        -------
        int
            Images at a time.
        """
        before = min(images, self._most or images)
        if before == 1:
            raise error
        self.session.release_all_but(self.rings.names)
        self._slices, self._looked = None, []
        self._most = -(-before // 2)
        self.note = (
            f"{self.session.info.label} has too little memory for {before} images at a time: it takes {self._most}, "
            "which is slower and gives the same result."
        )
        return self._most

    def pieces(self, images: int) -> list[NDArray[np.int64]]:
        """Positions of so many images that are taken together: of all of them, as long as these fit."""
        most = min(images, self._most or images)
        return np.array_split(np.arange(images), -(-images // most))

    def _expect(self) -> Evidence:
        look = self._required_look()
        sight, slices = self._seen()
        self._looked = []
        for piece in self.pieces(len(look.rows)):
            batch = self.loader.load(look.rows[piece], sight.noise_variance)
            if len(piece) == len(look.rows):
                self.preparer.prepare_ahead(look.following)
            draws = None
            if look.search is not None:
                draws = ShareOfDraws(self._sampler.search(look.search), look.positions[piece], look.images)
            findings = self.search.find(batch, slices, sight.shifts, sight.stages, draws, apart=look.apart)
            self._looked.append(_Looked(piece, batch, findings))
        return Evidence(
            np.concatenate([map_evidence(looked.findings.found) for looked in self._looked]),
            max(looked.batch.image_bound for looked in self._looked),
            max(looked.batch.weight_bound for looked in self._looked),
        )

    def _maximise_piece(self, spread: Spread, looked: _Looked) -> Part:
        sight, slices = self._seen()
        batch, findings = looked.batch, looked.findings
        if len(self._looked) > 1:  # the buffers hold the last piece
            batch = self.loader.load(batch.rows, sight.noise_variance)
            view = self.loader.view(batch, sight.stages[-1].level, sight.shifts, of_cells=False)
            findings = replace(findings, view=view)
        found = findings.hypotheses(spread.blending, spread.lowered)
        sums = poses = None
        if spread.grid is not None:
            grid, bounds = spread.grid, (spread.image_bound, spread.weight_bound)
            scales = self.backprojector.scales(spread.images, *bounds, found.level, slices)
            sums = self.backprojector.sums(
                batch, found, slices, grid.radius, grid.side, grid.padding, scales, residual=grid.residual
            )
        if spread.used is not None:
            poses = pose_table(batch.rows, found, sight.turn, sight.shifts, self._box_angstrom, used=spread.used)
        return Part(sums, Figures.of(found, batch), poses)

    def _required_look(self) -> Look:
        if self._look is None:
            raise ValueError("the M-step of a share comes after its E-step")
        return self._look

    def _seen(self) -> tuple[Sight, MapSlices]:
        """What images are compared with, made ready once."""
        if self._sight is None:
            raise ValueError("a first look needs maps")
        if self._slices is None:
            sight = self._sight
            self._slices = self.search.prepare(self.on_device(sight.volumes), sight.turn, sight.stages)
        return self._sight, self._slices
