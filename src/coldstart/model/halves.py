"""Two maps of half the particles each found apart, brought together: whether they show the same, and how finely."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from coldstart.model.alignment import MIRROR_AXIS, Placement, align_maps, class_similarity_matrix, place_map
from coldstart.model.frame import poses_in_frame
from coldstart.model.hand import flip_poses
from coldstart.model.state import SAME_MAP, PoseTable

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MatchedHalves:
    """The maps of two halves, each class of the first with the one of the second that is most like it.

    Attributes
    ----------
    similarity : (K,) float64
        Correlation of the two maps (`class_similarity_matrix`), in the better of both hands.
    second : (K,) int64
        The class of the second half that goes with each of the first.
    placements : tuple of Placement
        How the map of the second half lies on that of the first; none where some maps are not alike.
    volumes : (K, 2, n, n, n) float32, [z, y, x]
        The maps of both halves in the frame of the first; of the second as they are where some are not alike.
    """

    similarity: FloatArray
    second: NDArray[np.int64]
    placements: tuple[Placement, ...]
    volumes: NDArray[np.float32]

    @property
    def agree(self) -> bool:
        """Whether every class has the same map in both halves."""
        return bool((self.similarity >= SAME_MAP).all())


@dataclass(frozen=True, slots=True)
class HalvesRecord:
    """What became of two halves, as halves.json has it.

    Attributes
    ----------
    verdict : str
        In words.
    agree : bool
        Whether both found the same maps; only then are they put together.
    folders : tuple of str
    seeds, particles, iterations : tuple of int
        Of each half.
    status : tuple of str
        Of each half, "completed" or "stopped".
    similarity : tuple of float
        Of each class of the first half, correlation of its map with that of the second half.
    second_class : tuple of int
        The class of the second half that goes with each of the first, from 1.
    other_hand : tuple of bool
        Whether the map of the second half was of the other hand.
    resolution_angstrom : tuple of float
        Of each class, where the correlation of the halves inside the mask falls below 0.143; empty where they disagree.
    """

    verdict: str
    agree: bool
    folders: tuple[str, ...]
    seeds: tuple[int, ...]
    particles: tuple[int, ...]
    iterations: tuple[int, ...]
    status: tuple[str, ...]
    similarity: tuple[float, ...]
    second_class: tuple[int, ...]
    other_hand: tuple[bool, ...]
    resolution_angstrom: tuple[float, ...]


def match_halves(
    first: NDArray[np.float32], second: NDArray[np.float32], radius: float, operators: FloatArray
) -> MatchedHalves:
    """Match the classes of two halves, and place the maps of the second on those of the first where all are alike.

    Parameters
    ----------
    first, second : (K, n, n, n) float32, [z, y, x]
        Maps of the halves, on one grid.
    radius : float
        To which they are compared, in cycles a box: that at which the runs began.
    operators : (G, 3, 3) float64
        Of the point group that was imposed: what is placed is brought back onto its axes by averaging.
    """
    classes = len(first)
    pairs = class_similarity_matrix(np.concatenate([first, second]), radius)[:classes, classes:]
    own, other = linear_sum_assignment(-pairs)
    matched = MatchedHalves(pairs[own, other], other, (), np.stack([first, second[other]], axis=1))
    if not matched.agree:
        return matched
    placements = tuple(align_maps(second[at], fixed) for at, fixed in zip(other, first, strict=True))
    placed = [place_map(second[at], found, operators) for at, found in zip(other, placements, strict=True)]
    volumes = np.stack([first, np.stack(placed)], axis=1).astype(np.float32)
    return replace(matched, placements=placements, volumes=volumes)


def poses_on_first(poses: PoseTable, matched: MatchedHalves, voxel_size_angstrom: float) -> PoseTable:
    """Poses on the maps of the second half as poses on those of the first, and its classes in the first's order.

    Parameters
    ----------
    poses : PoseTable
    matched : MatchedHalves
        Of halves that agree.
    voxel_size_angstrom : float
        Of the maps that were placed.
    """
    posterior = poses.class_posterior[:, matched.second]
    euler, origin = poses.euler_deg.copy(), poses.origin_angstrom.copy()
    for number, placement in enumerate(matched.placements):
        here = posterior.argmax(axis=1) == number
        own = flip_poses(euler[here], MIRROR_AXIS) if placement.mirrored else euler[here]
        shift = placement.shift_voxels * voxel_size_angstrom
        euler[here], origin[here] = poses_in_frame(own, origin[here], placement.rotation, shift)
    return replace(poses, class_posterior=posterior, euler_deg=euler, origin_angstrom=origin)


def verdict(matched: MatchedHalves, resolution_angstrom: Sequence[float]) -> str:
    """What to make of two halves, in words.

    Parameters
    ----------
    matched : MatchedHalves
    resolution_angstrom : sequence of float
        Of each class, at 0.143 inside the mask, where they agree.
    """
    classes = len(matched.similarity)
    if matched.agree:
        figures = [f"{value:.1f} Å" for value in resolution_angstrom]
        to = figures[0] if classes == 1 else ", ".join(f"{text} of class {n}" for n, text in enumerate(figures, 1))
        return (
            "The two halves, separate from the start, found the same "
            f"{'map' if classes == 1 else 'maps'}: resolution {to} (FSC 0.143, inside the mask)."
        )
    apart = [number for number, value in enumerate(matched.similarity, 1) if value < SAME_MAP]
    what = "different maps" if classes == 1 else f"no common map for class {', '.join(map(str, apart))} of the first"
    return (
        f"The two halves found {what} (correlation {min(matched.similarity):.2f}, where {SAME_MAP} or more is the same "
        "map): they were not put together, and there is no resolution to quote. Look at both, try other seeds or "
        "--starts on all particles, or more or cleaner particles."
    )
