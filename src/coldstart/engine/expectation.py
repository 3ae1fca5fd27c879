"""The E-step's outcome: responsibilities over class, rotation and shift.

Class k is the right one of image i with p_ik = Z_ik / sum_k Z_ik, Z the evidence summed over the poses of a class;
classes are equally probable beforehand, so that a class does not grow because it is large. The similarity beta gives a
share of every image to all classes alike,

    r_ik = (1 - beta) p_ik + beta / K,

and the responsibility of a pose is r_ik times its posterior among the poses of its class. A class that swallows the
others is damped: p is taken at an evidence of that class lowered by what brings its share of the minibatch down to
SINK_SHARE, so that the images that are least its own go to others. A class that turned out to be noise stands for
images without a particle: noise alone explains an image with the evidence 1, and Z + exp(-DECISIVE_NATS) takes the
place of its Z (docs/method.md, "Classes").
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax

from coldstart.engine.images import View
from coldstart.model.pose_grid import Cells, rotation_grid
from coldstart.model.state import StageCount

SINK_SHARE = 0.8
"""Share of the images that a damped class gets at most."""

DECISIVE_NATS = 5.0
"""By so many nats noise alone must be the better explanation of an image: a map pays for poses that never occur."""

BISECTIONS = 30

Column = TypeVar("Column", NDArray[np.int64], NDArray[np.int32], NDArray[np.float64])


@dataclass(frozen=True, slots=True)
class Blending:
    """How classes are kept from parting too early, and which of them stand for images without a particle.

    Attributes
    ----------
    similarity : float
        Share of every image that goes to all classes alike.
    sink : int or None
        The class to be damped.
    noise : tuple of int
        Classes that are noise.
    """

    similarity: float = 0.0
    sink: int | None = None
    noise: tuple[int, ...] = ()

    @property
    def apart(self) -> bool:
        """Whether every class must be followed by itself, so that none is lost to another one."""
        return self.similarity > 0.0 or self.sink is not None


@dataclass(frozen=True, slots=True)
class Found:
    """The candidates that a search ended with, on the host.

    Attributes
    ----------
    level, classes, groups, poses : int
        Of the cells; of the maps; rows of an image, 1 or as many as classes; poses of a class in the whole grid.
    image : (H,) int64
        Ascending, index in the minibatch.
    rotation, shift : (H,) int32
        Cells of the level, the rotations of all classes counted through.
    weight, boost : (H,) float64
        Log weight, and log of the mass that a hypothesis stands for over its own.
    statistics : (rows, 4) float64
        Of the last survey, as `Survey` has them.
    """

    level: int
    classes: int
    groups: int
    poses: int
    image: NDArray[np.int64]
    rotation: Cells
    shift: Cells
    weight: NDArray[np.float64]
    boost: NDArray[np.float64]
    statistics: NDArray[np.float64]

    @property
    def images(self) -> int:
        """Images of the minibatch."""
        return len(self.statistics) // self.groups

    @property
    def of_class(self) -> NDArray[np.int64]:
        """(H,) int64: class of each hypothesis."""
        return self.rotation.astype(np.int64) // len(rotation_grid(self.level))

    def replaced(self, other: Found, images: NDArray[np.bool_]) -> Found:
        """With what another search of the same minibatch found of some images, (B,) bool."""
        kept, new = ~images[self.image], images[other.image]
        order = np.argsort(np.concatenate([self.image[kept], other.image[new]]), kind="stable")

        def joined(own: Column, others: Column) -> Column:
            return np.concatenate([own[kept], others[new]])[order]

        return replace(
            self,
            image=joined(self.image, other.image),
            rotation=joined(self.rotation, other.rotation),
            shift=joined(self.shift, other.shift),
            weight=joined(self.weight, other.weight),
            boost=joined(self.boost, other.boost),
            statistics=np.where(np.repeat(images, self.groups)[:, None], other.statistics, self.statistics),
        )


@dataclass(frozen=True, slots=True)
class Responsibilities:
    """What each hypothesis and each class takes of an image.

    Attributes
    ----------
    within : (H,) float32
        Posterior among the poses of one class, of sum 1 over an image's hypotheses in a class.
    posterior : (H,) float32
        Responsibility, of sum 1 over an image's hypotheses; less where noise alone takes a share.
    class_posterior : (B, K) float64
        p_ik, without the similarity.
    map_evidence : (B, K) float64
        Log evidence of each map over that of noise alone.
    ess : (B,) float64
        Effective number of hypotheses.
    """

    within: NDArray[np.float32]
    posterior: NDArray[np.float32]
    class_posterior: NDArray[np.float64]
    map_evidence: NDArray[np.float64]
    ess: NDArray[np.float64]


def responsibilities(found: Found, blending: Blending, lowered: float | None = None) -> Responsibilities:
    """Posteriors over the hypotheses of a search.

    Parameters
    ----------
    found : Found
        Every image has a hypothesis; every class of an image has one where classes were followed apart.
    blending : Blending
        One that keeps the classes apart is for a search that did so.
    lowered : float, optional
        Nats by which the sink is lowered, if these images are a share of a minibatch; otherwise as `damping` says.
    """
    images, classes = found.images, found.classes
    own = found.image * classes + found.of_class
    log_mass = _class_log_mass(found, own)
    of_maps = log_mass - np.log(found.poses)
    evidence = class_evidence(of_maps, blending)
    posterior = shared = softmax(evidence, axis=1)
    if blending.sink is not None:
        nats = damping(evidence, blending.sink) if lowered is None else lowered
        shared = softmax(_lowered(evidence, blending.sink, nats), axis=1)
    share = (1.0 - blending.similarity) * shared + blending.similarity / classes
    of_map, noise = share.copy(), list(blending.noise)
    of_map[:, noise] *= np.exp(of_maps[:, noise] - evidence[:, noise])  # the rest of its share is no pose's
    within = np.exp(found.weight + found.boost - log_mass.ravel()[own])
    within /= np.bincount(own, within, minlength=images * classes)[own]
    ess = found.statistics[:, 1]
    if found.groups > 1:
        ess = 1.0 / np.sum(share**2 / ess.reshape(images, classes), axis=1)
    return Responsibilities(
        within.astype(np.float32), (within * of_map.ravel()[own]).astype(np.float32), posterior, of_maps, ess
    )


def map_evidence(found: Found) -> NDArray[np.float64]:
    """Log evidence of each map over that of noise alone, (B, K) float64."""
    log_mass = _class_log_mass(found, found.image * found.classes + found.of_class)
    return np.asarray(log_mass - np.log(found.poses))


def class_evidence(of_maps: NDArray[np.float64], blending: Blending) -> NDArray[np.float64]:
    """Log evidence of each class, (B, K) float64: that of its map, or with noise alone where it stands for noise."""
    evidence = of_maps.copy()
    evidence[:, blending.noise] = np.logaddexp(evidence[:, blending.noise], -DECISIVE_NATS)
    return evidence


def damping(log_mass: NDArray[np.float64], sink: int) -> float:
    """Nats by which one class's log masses (B, K) are lowered for its mean posterior to be SINK_SHARE at most."""
    low, high = 0.0, float(np.ptp(log_mass[np.isfinite(log_mass)])) + 10.0
    if softmax(log_mass, axis=1)[:, sink].mean() <= SINK_SHARE:
        return 0.0
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        if softmax(_lowered(log_mass, sink, middle), axis=1)[:, sink].mean() > SINK_SHARE:
            low = middle
        else:
            high = middle
    return high


def damped(log_mass: NDArray[np.float64], sink: int) -> NDArray[np.float64]:
    """Log masses (B, K) of a whole minibatch with one class's lowered as `damping` says."""
    return _lowered(log_mass, sink, damping(log_mass, sink))


def _lowered(log_mass: NDArray[np.float64], sink: int, nats: float) -> NDArray[np.float64]:
    return np.asarray(log_mass - nats * (np.arange(log_mass.shape[1]) == sink))


def _class_log_mass(found: Found, own: NDArray[np.int64]) -> NDArray[np.float64]:
    """Log of the summed weights of each image's poses in each class, (B, K) float64; -inf where none is left.

    What the last stage dropped of an image is dealt out to its classes as what is left of it.
    """
    shape = found.images, found.classes
    if found.groups == found.classes:
        return found.statistics[:, 0].reshape(shape)
    log_mass = np.full(found.images * found.classes, -np.inf)
    np.logaddexp.at(log_mass, own, found.weight + found.boost)
    left = log_mass.reshape(shape)
    return np.asarray(left + found.statistics[:, :1] - logsumexp(left, axis=1, keepdims=True))


@dataclass(frozen=True, slots=True)
class Hypotheses:
    """Poses that hold the posterior mass, image by image.

    Attributes
    ----------
    level, classes : int
    image : (H,) int64
        Ascending, index in the minibatch.
    rotation, shift : (H,) int32
        Cells of the level, the rotations of all classes counted through.
    within, posterior : (H,) float32
        Posterior among the poses of one class, and responsibility over all, as `Responsibilities` has them.
    class_posterior : (B, K) float64
        Posterior of each class.
    map_evidence : (B, K) float64
        Log evidence of each map over that of noise alone.
    log_evidence, ess : (B,) float64
        Log evidence of all maps, equally probable, over that of noise alone, and the effective number of hypotheses.
    best_weight : (B,) float64
        Largest log weight.
    ess_rotations : (B,) float64
        Effective number of rotations of the coarse stage.
    limited : (B,) bool
        Whether a limit acted on an image in some stage: a sample stands for its poses, or the most probable ones do.
    view : View
        The images as the last stage saw them.
    stages : tuple of StageCount
        What each stage evaluated and kept.
    exhaustive_products : int
        Coefficient products of a search of the whole last level at the last radius.
    """

    level: int
    classes: int
    image: NDArray[np.int64]
    rotation: Cells
    shift: Cells
    within: NDArray[np.float32]
    posterior: NDArray[np.float32]
    class_posterior: NDArray[np.float64]
    map_evidence: NDArray[np.float64]
    log_evidence: NDArray[np.float64]
    ess: NDArray[np.float64]
    best_weight: NDArray[np.float64]
    ess_rotations: NDArray[np.float64]
    limited: NDArray[np.bool_]
    view: View
    stages: tuple[StageCount, ...]
    exhaustive_products: int
