"""How far several starts on the same particles agree: on the maps, on the poses, on the classes.

Every start ends in a frame, a hand and an order of classes of its own. Maps are compared once placed on each other in
the better of both hands, poses once the placement has turned them, and a class with the one most like it. Starts are
grouped by average linkage of the distances 1 - similarity, cut where maps are no longer the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import squareform

from coldstart.model.alignment import MIRROR_AXIS, Placement, align_maps, class_similarity_matrix, place_map
from coldstart.model.fsc import fourier_shell_correlation, resolution_at
from coldstart.model.hand import flip_matrices
from coldstart.model.so3 import geodesic_distance_deg
from coldstart.model.state import SAME_MAP

FloatArray = NDArray[np.float64]

AGREE_CORRELATION = 0.5
"""Of two maps, in a shell up to which they agree."""


@dataclass(frozen=True, slots=True)
class StartTree:
    """How alike the maps of the starts are, and the groups that they fall into.

    Attributes
    ----------
    similarity : (N, N) float64
        Correlation of the maps of two starts (`class_similarity_matrix`), mean over their matched classes.
    matched : (N, N, K) int64
        The class of the second start that each class of the first is most like, one to one.
    linkage : (N - 1, 4) float64
        The tree, as of `scipy.cluster.hierarchy.linkage`.
    group : (N,) int64
        Group of each start, from 0 in the order of appearance.
    """

    similarity: FloatArray
    matched: NDArray[np.int64]
    linkage: FloatArray
    group: NDArray[np.int64]

    def members(self, start: int) -> tuple[int, ...]:
        """The starts in the group of this one, itself among them."""
        return tuple(np.flatnonzero(self.group == self.group[start]).tolist())


@dataclass(frozen=True, slots=True)
class AgreedMaps:
    """The maps of a group of starts in the frame of one of them.

    Attributes
    ----------
    volumes : (K, n, n, n) float32, [z, y, x]
        Mean of the starts' maps.
    placements : tuple of tuple of Placement
        How each start's map of each class lies on the reference's; of the reference itself, in place.
    correlation : (M, K, n // 2) float64
        Fourier shell correlation of each start's placed map with the reference's; 1 for the reference itself.
    """

    volumes: NDArray[np.float32]
    placements: tuple[tuple[Placement, ...], ...]
    correlation: FloatArray


def start_tree(maps: Sequence[NDArray[np.floating]], radius: float) -> StartTree:
    """Compare the maps of the starts with each other and group them.

    Parameters
    ----------
    maps : sequence of (K, n, n, n) float, [z, y, x]
        Of two starts or more, on one grid.
    radius : float
        Finest detail compared, in cycles a box.
    """
    starts, classes = len(maps), len(maps[0])
    every = class_similarity_matrix(np.concatenate(maps), radius).reshape(starts, classes, starts, classes)
    similarity, matched = np.eye(starts), np.zeros((starts, starts, classes), np.int64)
    for first in range(starts):
        for second in range(starts):
            pairs = every[first, :, second]
            own, other = linear_sum_assignment(-pairs)
            matched[first, second] = other
            if first != second:
                similarity[first, second] = pairs[own, other].mean()
    tree = linkage(squareform(np.maximum(1.0 - similarity, 0.0), checks=False), "average")
    groups = fcluster(tree, 1.0 - SAME_MAP, "distance")
    _, first_of, group = np.unique(groups, return_index=True, return_inverse=True)
    return StartTree(similarity, matched, tree, np.argsort(np.argsort(first_of))[group])


def agreed_maps(
    maps: Sequence[NDArray[np.floating]], tree: StartTree, members: Sequence[int], reference: int
) -> AgreedMaps:
    """The mean maps of starts of one group, in the frame and the order of classes of one of them.

    Parameters
    ----------
    maps : sequence of (K, n, n, n) float, [z, y, x]
        Of all starts.
    tree : StartTree
    members : sequence of int
        The starts to take.
    reference : int
        One of them.
    """
    fixed = np.asarray(maps[reference], np.float32)
    in_place = Placement(np.eye(3), np.zeros(3), mirrored=False, score=1.0)
    total, placements, correlation = np.zeros(fixed.shape), [], []
    for start in members:
        moving = np.asarray(maps[start], np.float32)[tree.matched[reference, start]]
        if start == reference:
            found, placed = (in_place,) * len(fixed), fixed
        else:
            found = tuple(align_maps(*pair) for pair in zip(moving, fixed, strict=True))
            placed = np.stack([place_map(*pair) for pair in zip(moving, found, strict=True)]).astype(np.float32)
        total += placed
        placements.append(found)
        correlation.append([fourier_shell_correlation(*pair) for pair in zip(placed, fixed, strict=True)])
    return AgreedMaps((total / len(members)).astype(np.float32), tuple(placements), np.array(correlation))


def agreed_resolution_angstrom(correlation: FloatArray, box_angstrom: float, finest_angstrom: float) -> float:
    """Up to where the maps of two starts agree, all classes of them.

    Parameters
    ----------
    correlation : (K, shells) float64
        Fourier shell correlation of the maps of each class.
    box_angstrom : float
        Side of the box in Å.
    finest_angstrom : float
        Finest detail that the starts used, in Å: beyond it they have nothing to agree on.
    """
    return max(finest_angstrom, *(resolution_at(curve, AGREE_CORRELATION, box_angstrom) for curve in correlation))


def placed_rotations(rotations: FloatArray, placement: Placement) -> FloatArray:
    """Poses (P, 3, 3) on a map as poses on the map that it was placed on."""
    own = flip_matrices(rotations, MIRROR_AXIS) if placement.mirrored else rotations
    return np.asarray(own @ placement.rotation.T)


def pose_differences_deg(rotations: FloatArray, operators: FloatArray) -> FloatArray:
    """Angle between the pose that each start gives a particle and that of the first start.

    Parameters
    ----------
    rotations : (M, P, 3, 3) float64
        Poses of the starts in one frame; NaN where a start has none.
    operators : (G, 3, 3) float64
        Of the map's point group: a pose times one of them is the same pose.

    Returns
    -------
    (M, P) float64
        Degrees; NaN where either start has no pose.
    """
    nearest = np.full(rotations.shape[:2], np.nan)
    known = np.isfinite(rotations).all(axis=(2, 3)) & np.isfinite(rotations[0]).all(axis=(1, 2))
    first = np.broadcast_to(rotations[0], rotations.shape)[known]
    turned = (geodesic_distance_deg(rotations[known] @ operator, first) for operator in operators)
    nearest[known] = np.min(list(turned), axis=0)
    return nearest
