"""Small pictures of maps: central slices and projections, kept while a run goes on instead of the maps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldstart.model.state import Phase, Snapshot

_PANEL_PX = 128


@dataclass(frozen=True, slots=True)
class MapViews:
    """Central slices and projections of a map along z, y and x; each (h, w) float32, of one map on one grey scale."""

    slices: tuple[NDArray[np.float32], ...]
    projections: tuple[NDArray[np.float32], ...]


@dataclass(frozen=True, slots=True)
class MapPanels:
    """The views of every class after an iteration."""

    iteration: int
    phase: Phase
    resolution_angstrom: float
    classes: tuple[MapViews, ...]


def map_panels(snapshot: Snapshot) -> MapPanels:
    """Views of the maps of a snapshot, at most 128 px wide."""
    stats = snapshot.stats
    views = tuple(map_views(volume, _PANEL_PX) for volume in snapshot.volumes)
    return MapPanels(stats.iteration, stats.phase, stats.resolution_angstrom, views)


def map_views(volume: NDArray[np.float32], limit_px: int) -> MapViews:
    """Views of a map (n, n, n) [z, y, x]; sides above `limit_px` are averaged down by a whole factor."""
    middle = volume.shape[0] // 2
    slices = (volume[middle], volume[:, middle], volume[:, :, middle])
    projections = (volume.sum(axis=axis) for axis in range(3))
    return MapViews(
        tuple(_reduced(image, limit_px) for image in slices),
        tuple(_reduced(image, limit_px) for image in projections),
    )


def _reduced(image: NDArray[np.float32], limit_px: int) -> NDArray[np.float32]:
    factor = -(-image.shape[0] // limit_px)
    whole = image.shape[0] // factor * factor
    blocks = image[:whole, :whole].reshape(whole // factor, factor, whole // factor, factor)
    return np.asarray(blocks.mean(axis=(1, 3)), dtype=np.float32)
