"""Classes: how they share the images, what is done for those that starve, and what is said of each in the end."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax

from coldstart.engine.balance import view_chances
from coldstart.engine.expectation import SINK_SHARE, Blending
from coldstart.engine.monitor import map_holds
from coldstart.engine.posing import PosedRun
from coldstart.model.directions import viewing_directions
from coldstart.model.fsc import resolution_at
from coldstart.model.half_maps import compare_halves, soft_mask
from coldstart.model.orientation import orientation_report
from coldstart.model.shape import flatness
from coldstart.model.state import ClassReport
from coldstart.model.symmetry import PointGroup
from coldstart.model.symmetry_detection import detect_symmetry

MEMORY = 0.1
"""Weight of a minibatch in the running share of a class."""

EMPTY_SHARE = 0.2
"""A class that has less than this share of an equal one is starving."""

EMPTY_ITERATIONS = 30
"""Iterations after which a starving class is started anew."""

MAX_RESTARTS = 2
"""How often a class is started anew: what stays empty after that has nothing to hold."""

MOST_GROWTH = 2.0
"""Most by which minibatches grow for the sake of small classes, where their size is left to the program."""

SINK_CLASSES = 3
"""From so many classes on, one that takes nearly all images is damped."""


@dataclass(frozen=True, slots=True)
class ClassWatch:
    """How the classes share the images.

    Attributes
    ----------
    shares : (K,) float64
        Running share of the images.
    starving : (K,) int64
        Iterations for which a class has had hardly any.
    restarts : (K,) int64
        How often it was started anew.
    evidence : (K,) float64
        Running mean over its images of the log evidence of the maps over that of noise alone.
    notes : tuple of str
        What was done, for the user.
    """

    shares: NDArray[np.float64]
    starving: NDArray[np.int64]
    restarts: NDArray[np.int64]
    evidence: NDArray[np.float64]
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, classes: int) -> ClassWatch:
        """Before the first iteration."""
        nothing = np.zeros(classes, np.int64)
        return cls(np.full(classes, 1.0 / classes), nothing, nothing, np.zeros(classes))

    @property
    def empty(self) -> list[int]:
        """Classes to be started anew."""
        return [int(k) for k in np.flatnonzero((self.starving >= EMPTY_ITERATIONS) & (self.restarts < MAX_RESTARTS))]

    @property
    def sink(self) -> int | None:
        """A class that swallows the others."""
        largest = int(self.shares.argmax())
        return largest if len(self.shares) >= SINK_CLASSES and self.shares[largest] > SINK_SHARE else None

    @property
    def growth(self) -> float:
        """Factor on minibatches that suits the smallest class that lives, in steps of a half, up to MOST_GROWTH."""
        equal = 1.0 / len(self.shares)
        living = self.shares[self.shares >= EMPTY_SHARE * equal]
        return min(max(0.5 * int(2.0 * equal / float(living.min())), 1.0), MOST_GROWTH)

    @property
    def noise(self) -> tuple[int, ...]:
        """Classes whose images noise alone explains better than the maps do; none if that is so of all."""
        found = np.flatnonzero(self.evidence < 0.0)
        return tuple(found.tolist()) if len(found) < len(self.shares) else ()

    def held_together(self, similarity: float) -> Blending:
        """How the classes are kept from parting too early, as long as they are."""
        return Blending(similarity, self.sink if similarity > 0.0 else None)

    def settled(self) -> Blending:
        """What the classes stand for in the end."""
        return Blending(noise=self.noise)

    def after(self, map_evidence: NDArray[np.float64]) -> ClassWatch:
        """After a minibatch, of log evidences of the maps (B, K) over that of noise alone."""
        posterior = softmax(map_evidence, axis=1)
        shares = (1.0 - MEMORY) * self.shares + MEMORY * posterior.mean(axis=0)
        starving = np.where(shares < EMPTY_SHARE / len(shares), self.starving + 1, 0)
        own = posterior.sum(axis=0)
        mean = posterior.T @ (logsumexp(map_evidence, axis=1) - np.log(len(shares))) / np.maximum(own, 1e-30)
        weight = MEMORY * np.minimum(own, 1.0)  # a class of which no image is has nothing to say
        return replace(self, shares=shares, starving=starving, evidence=(1.0 - weight) * self.evidence + weight * mean)

    def noted(self, note: str) -> ClassWatch:
        """With another note."""
        return replace(self, notes=(*self.notes, note))

    def restarted(self, number: int, iteration: int) -> ClassWatch:
        """After a class was started anew."""
        this = np.arange(len(self.shares)) == number
        note = f"Class {number + 1} was empty at iteration {iteration + 1} and was started anew."
        return replace(
            self,
            shares=np.where(this, 1.0 / len(self.shares), self.shares),
            starving=np.where(this, 0, self.starving),
            restarts=self.restarts + this,
            notes=(*self.notes, note),
        )


def class_reports(
    posed: PosedRun, box_angstrom: float, initial_radius: float, group: PointGroup, *, balanced: bool = False
) -> tuple[ClassReport, ...]:
    """What there is to say of each class after the last pass.

    Parameters
    ----------
    posed : PosedRun
    box_angstrom : float
        Side of the box in Å.
    initial_radius : float
        Of the run, in cycles a box.
    group : PointGroup
        Imposed on the maps; where there is none, that which they show is looked for.
    balanced : bool, optional
        Whether particles were drawn so as to even out the views.
    """
    own = posed.table.class_index
    counts = np.bincount(own, minlength=len(posed.volumes))
    evidence = np.bincount(own, posed.table.log_likelihood, minlength=len(counts)) / np.maximum(counts, 1)
    holds = map_holds(posed.half_correlation, initial_radius) & (evidence > 0.0) & (counts > 0)
    shares = counts / max(int(counts.sum()), 1)
    return tuple(
        _class_report(
            posed,
            number,
            float(shares[number]),
            box_angstrom,
            initial_radius,
            group,
            is_noise=not holds[number],
            balanced=balanced,
        )
        for number in range(len(counts))
    )


def _class_report(
    posed: PosedRun, number: int, share: float, box_angstrom: float, initial_radius: float, group: PointGroup, *,
    is_noise: bool, balanced: bool,
) -> ClassReport:  # fmt: skip
    volume, halves, curve = posed.volumes[number], posed.half_volumes[number], posed.half_correlation[number]
    resolution = max(resolution_at(curve, 0.5, box_angstrom), posed.stats.resolution_angstrom)
    mask = soft_mask(halves.mean(axis=0), initial_radius)
    report = ClassReport(share, resolution, curve, flatness(volume), is_noise, compare_halves(halves, mask))
    if is_noise:
        return report
    own = posed.table.used & (posed.table.class_index == number)
    views = viewing_directions(posed.table.euler_deg[own])
    mates = (views @ group.operators).reshape(-1, 3)
    chances = np.tile(view_chances(views, mates), group.order) if balanced else None
    return replace(
        report,
        symmetry=detect_symmetry(volume, box_angstrom / resolution) if group.order == 1 else None,
        orientation=orientation_report(mates, halves * mask, posed.stats.fourier_radius, chances),
    )


def effective_classes(class_posterior: NDArray[np.float64]) -> float:
    """Effective number of classes of an image, 1 / sum of squared posteriors (B, K), mean over the images."""
    return float(np.mean(1.0 / np.sum(class_posterior**2, axis=1)))
