"""One device at work on shares of minibatches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldstart.compute.session import Session
from coldstart.engine.expectation import map_evidence
from coldstart.engine.gradient import Backprojector
from coldstart.engine.images import ImagePreparer, Minibatch, MinibatchLoader
from coldstart.engine.poses import pose_table
from coldstart.engine.rings import Rings
from coldstart.engine.sampling import Sampler, ShareOfDraws
from coldstart.engine.schedule import finest_level, plan_run
from coldstart.engine.search import Findings, MapSlices, PoseSearch
from coldstart.engine.share import Evidence, Figures, Look, Part, Sight, Spread
from coldstart.engine.slices import FourierMap
from coldstart.engine.update import PADDING, sliceable
from coldstart.model.particles import ImageSource, Particles
from coldstart.model.symmetry import point_group
from coldstart.params import AbInitioParams


@dataclass(frozen=True, slots=True)
class _Looked:
    """A share between its E-step and its M-step."""

    batch: Minibatch
    findings: Findings


class Worker:
    """Takes the E-step and the M-step of shares of minibatches on its device, with the images that it was given before.

    What it answers depends on the images of the share alone, image by image, and on sums that add up to those of the
    whole minibatch.
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
        self._sight: tuple[Sight, MapSlices] | None = None
        self._looked: _Looked | None = None

    def on_device(self, volumes: NDArray[np.float32]) -> FourierMap:
        """Maps (K, side, side, side) ready to be sliced."""
        return FourierMap.upload(self.session, sliceable(volumes), PADDING)

    def expect(self, look: Look) -> Evidence:
        """The E-step."""
        sight, slices = self._seen(look.sight)
        batch = self.loader.load(look.rows, sight.noise_variance)
        self.preparer.prepare_ahead(look.following)
        draws = None
        if look.search is not None:
            draws = ShareOfDraws(self._sampler.search(look.search), look.positions, look.images)
        findings = self.search.find(batch, slices, sight.shifts, sight.stages, draws, apart=look.apart)
        self._looked = _Looked(batch, findings)
        return Evidence(map_evidence(findings.found), batch.image_bound, batch.weight_bound)

    def maximise(self, spread: Spread) -> Part:
        """The M-step of the share whose E-step was taken last."""
        if self._sight is None or self._looked is None:
            raise ValueError("the M-step of a share comes after its E-step")
        (sight, slices), (batch, findings) = self._sight, (self._looked.batch, self._looked.findings)
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

    def _seen(self, sight: Sight | None) -> tuple[Sight, MapSlices]:
        """What images are compared with, made ready once."""
        if sight is not None:
            slices = self.search.prepare(self.on_device(sight.volumes), sight.turn, sight.stages)
            self._sight = sight, slices
        if self._sight is None:
            raise ValueError("a first look needs maps")
        return self._sight
