"""The rings of a run: one plane of points for each level of the search grid, and their tables on the device.

A finer level has more in-plane angles and needs finer rings; a coarser one reads every second, fourth ... point of
them. Images are transformed once, on the finest plane.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coldstart.compute.session import DeviceArray, Session
from coldstart.model.polar import PolarPlane
from coldstart.model.pose_grid import rotation_grid

COARSE_RINGS = 12
"""Rings at level 0, doubled at each level: beyond them a cell is too wide to tell anything."""


@dataclass(frozen=True, slots=True)
class RingTable:
    """A level's points as kernels read them.

    Attributes
    ----------
    plane : PolarPlane
    kx, ky : DeviceArray (stride,) float32
        Cycles a box, zero at pads.
    source : DeviceArray (stride,) int32
        Entries of the finest plane.
    rings : DeviceArray (rings, 4) int32
        As `PolarPlane.ring_table`.
    share : DeviceArray (stride,) float32
        Area of a point over its area on the finest plane, zero at pads.
    largest_share : float
        Of all points.
    """

    plane: PolarPlane
    kx: DeviceArray
    ky: DeviceArray
    source: DeviceArray
    rings: DeviceArray
    share: DeviceArray
    largest_share: float


FINEST_LEVEL = 2
"""Slices of all directions of a finer level would take more time and memory than those of the poses that are left."""


class Rings:
    """Planes and tables of levels 0 to `finest`.

    Attributes
    ----------
    names : set of str
        Of the tables' buffers.
    finest : int
        The last level whose grid turns points onto points; poses of finer levels are taken on its points.
    """

    def __init__(self, session: Session, level: int, rings: int) -> None:
        self._planes = ring_planes(level, rings)
        self.finest = finest = len(self._planes) - 1
        self.names: set[str] = set()
        self._tables = [self._upload(session, level) for level in range(finest + 1)]

    @property
    def plane(self) -> PolarPlane:
        """The finest plane, on which images are held."""
        return self._planes[-1]

    def table(self, level: int) -> RingTable:
        """Points of a level."""
        return self._tables[min(level, self.finest)]

    def _upload(self, session: Session, level: int) -> RingTable:
        plane = self._planes[level]
        kx, ky = plane.frequencies.T.astype(np.float32)
        source = plane.source(self.plane)
        share = np.where(source < 0, 0.0, plane.weights / np.maximum(self.plane.weights[source], 1e-30))
        columns = {
            "kx": kx,
            "ky": ky,
            "source": source,
            "rings": plane.ring_table,
            "share": share.astype(np.float32),
        }
        uploaded = {name: session.upload(f"{name} {level}", column) for name, column in columns.items()}
        self.names |= {f"{name} {level}" for name in columns}
        return RingTable(plane, **uploaded, largest_share=float(share.max()))


def ring_planes(level: int, rings: int) -> list[PolarPlane]:
    """Planes of the levels up to the finest one on the rings, for a search down to a level on so many rings."""
    finest = min(level, FINEST_LEVEL)
    return [
        PolarPlane(rotation_grid(each).in_plane, min(COARSE_RINGS << each, rings) if each < finest else rings)
        for each in range(finest + 1)
    ]
