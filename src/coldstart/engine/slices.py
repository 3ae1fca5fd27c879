"""Central slices of maps for every direction of the search grid, and their means over cells. Owns kernels/slices.cl.

A cell of a coarse level is judged by the mean of its slices, not by the slice at its centre: the mean is the best guess
of a slice somewhere in the cell, and what varies inside the cell drops out of it (docs/method.md, "Cells").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from coldstart.compute.session import DeviceArray, Session
from coldstart.engine.rings import Rings
from coldstart.model.pose_grid import Cells, RotationGrid, rotation_grid

TETRAHEDRON = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=np.float64)
"""Four rotation vectors of mean 0 whose second moments are those of a ball."""


@dataclass(frozen=True, slots=True)
class FourierMap:
    """The padded half spectra of all classes on the device, ready to be sliced.

    Attributes
    ----------
    data : DeviceArray (K, side, side, width) complex64
    padding : int
        Points of the spectrum for each cycle a box.
    largest : float
        No part of a point, real or imaginary, exceeds it.
    """

    data: DeviceArray
    padding: int
    largest: float

    @classmethod
    def upload(cls, session: Session, spectra: NDArray[np.complex64], padding: int, name: str = "volume") -> FourierMap:
        """Put spectra (K, side, side, width) on the device, in a buffer of this name."""
        parts = spectra.view(np.float32)
        largest = max(float(parts.max()), -float(parts.min()), float(np.finfo(np.float32).tiny))
        return cls(session.upload(name, spectra), padding, largest)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.data.shape[0]

    @property
    def side(self) -> int:
        """Points along z and y."""
        return self.data.shape[1]

    @property
    def width(self) -> int:
        """Points along x."""
        return self.data.shape[3]


@dataclass(frozen=True, slots=True)
class SliceTable:
    """Slices of all directions of a level, class after class.

    Attributes
    ----------
    slice : DeviceArray (K directions, 2, circle) float32
        Whole turns, as kernels/slices.cl has them.
    power, lost : DeviceArray (K directions, rings) float32
        Mean |slice|^2 of each ring, and what the mean over the cell lost of it.
    rings : int
        How many rings the table holds.
    """

    slice: DeviceArray
    power: DeviceArray
    lost: DeviceArray
    rings: int


class Projector:
    """Makes slices, and the rows of rotations that they are made with."""

    def __init__(self, session: Session, rings: Rings) -> None:
        self._session = session
        self._rings = rings
        self._grid_program = session.program("grid.cl", MULADD=session.tuning.muladd)
        self._program = session.program("slices.cl", VW=session.tuning.vector_width, MULADD=session.tuning.muladd)

    def slices(self, volume: FourierMap, turn: NDArray[np.float64], level: int, rings: int) -> SliceTable:
        """Slices at the centres of a level's cells, on its first rings."""
        return self._make(f"slices {level}", volume, turn, level, np.zeros(rings))

    def cell_slices(self, volume: FourierMap, turn: NDArray[np.float64], level: int, rings: int) -> SliceTable:
        """Means over a level's cells, straight from the map: slices of the map averaged over small rotations.

        What each ring loses is taken to be the same in all directions, and in all classes that of the one that loses
        most.
        """
        blurred = self.blurred(volume, level, rings)
        sharp, blunt = (self._ring_powers(map_, turn, level, rings) for map_ in (volume, blurred))
        excess = np.maximum(sharp / np.maximum(blunt, np.finfo(np.float32).tiny) - 1.0, 0.0).max(axis=0)
        return self._make(f"slices {level}", blurred, turn, level, excess)

    def mean_slices(self, fine: SliceTable, level: int, rings: int) -> SliceTable:
        """Means over a level's cells, from the slices of the next level."""
        table = self._table(f"slices {level}", level, fine.slice.shape[0] // 4, rings)
        self._program.launch(
            "mean_slices", (table.rings, table.slice.shape[0]), fine.slice, fine.power, fine.lost,
            self._rings.table(level + 1).rings, self._rings.table(level).rings, table.slice, table.power, table.lost,
            table.slice.shape[2], fine.slice.shape[2], fine.rings,
        )  # fmt: skip
        return table

    def blurred(self, volume: FourierMap, level: int, rings: int) -> FourierMap:
        """A map averaged over the rotations inside a cell: four that have a cell's variance about each axis.

        It is interpolated once more, which takes power of its own: what a cell hides is overrated, never underrated.
        """
        reach = np.deg2rad(rotation_grid(level).step_deg) / np.sqrt(12.0)
        turns = Rotation.from_rotvec(reach * TETRAHEDRON).as_matrix().astype(np.float32)
        data = self._session.array("blurred volume", volume.data.shape, np.complex64)
        self._program.launch(
            "blur_volume", (volume.classes * volume.side, volume.side), volume.data,
            self._session.upload("blur", turns), data, float(volume.padding * (rings + 1)), volume.side, volume.width,
        )  # fmt: skip
        return FourierMap(data, volume.padding, volume.largest)

    def pose_slices(
        self, volume: FourierMap, turn: NDArray[np.float64], level: int, cells: Cells, rings: int
    ) -> SliceTable:
        """Slices at chosen rotations of a level finer than the rings, those of all classes counted through."""
        rows = self.rotation_rows("pose rows", rotation_grid(level), cells, turn, volume.padding)
        return self._make_rows("pose slices", volume, rows, unpaired(len(cells)), level, np.zeros(rings))

    def rotation_rows(
        self, name: str, grid: RotationGrid, cells: Cells, turn: NDArray[np.float64], scale: float
    ) -> DeviceArray:
        """First two rows of the matrices of cells, times `scale`, and their classes: (n, 8) float32 on the device."""
        return self.device_rotation_rows(name, grid, self._session.upload(f"{name} cells", cells), turn, scale)

    def device_rotation_rows(
        self, name: str, grid: RotationGrid, cells: DeviceArray, turn: NDArray[np.float64], scale: float
    ) -> DeviceArray:
        """As `rotation_rows`, for cells that are on the device."""
        session, count = self._session, cells.shape[0]
        direction = session.upload(f"directions {grid.level}", grid.direction_table)
        in_plane = session.upload(f"in-plane {grid.level}", grid.psi_table)
        turned = session.upload("turn", (scale * turn).astype(np.float32))
        rows = session.array(name, (count, 8), np.float32)
        self._grid_program.launch(
            "rotation_rows", (count,), direction, in_plane, turned, cells, rows, grid.directions, grid.in_plane, count
        )
        return rows

    def _table(self, name: str, level: int, directions: int, rings: int) -> SliceTable:
        circle = int(self._rings.table(level).plane.circle_start[rings])
        array = self._session.array
        return SliceTable(
            array(name, (directions, 2, circle), np.float32),
            array(f"power of {name}", (directions, rings), np.float32),
            array(f"loss of {name}", (directions, rings), np.float32),
            rings,
        )

    def _make(
        self, name: str, volume: FourierMap, turn: NDArray[np.float64], level: int, excess: NDArray[np.float64]
    ) -> SliceTable:
        """Slices of all directions of a level; those of its first half are sampled."""
        grid = rotation_grid(level)
        places = grid.opposite_places(volume.classes)
        rows = self.rotation_rows("direction rows", grid, places[:, 0] * np.int32(grid.in_plane), turn, volume.padding)
        return self._make_rows(name, volume, rows, places, level, excess)

    def _ring_powers(
        self, volume: FourierMap, turn: NDArray[np.float64], ring_level: int, rings: int
    ) -> NDArray[np.float32]:
        """Mean power of the slices of each class on each ring, (K, rings), from the coarsest directions."""
        grid = rotation_grid(0)
        classes, half = np.arange(volume.classes, dtype=np.int32), np.arange(grid.directions // 2, dtype=np.int32)
        cells = np.int32(grid.in_plane) * (grid.directions * classes[:, None] + half).ravel()
        rows = self.rotation_rows("direction rows", grid, cells, turn, volume.padding)
        table = self._make_rows("few slices", volume, rows, unpaired(len(cells)), ring_level, np.zeros(rings))
        power = self._session.download(table.power).reshape(volume.classes, -1, rings)
        return np.asarray(power.mean(axis=1))

    def _make_rows(
        self, name: str, volume: FourierMap, rows: DeviceArray, places: NDArray[np.int32], ring_level: int,
        excess: NDArray[np.float64],
    ) -> SliceTable:  # fmt: skip
        points = self._rings.table(ring_level)
        table = self._table(name, ring_level, int(np.count_nonzero(places >= 0)), len(excess))
        self._program.launch(
            "make_slices", (table.rings, len(places)), volume.data, points.kx, points.ky, rows,
            self._session.upload("slice places", places), points.rings,
            self._session.upload("excess", excess.astype(np.float32)), table.slice, table.power, table.lost,
            table.slice.shape[2], volume.side, volume.width,
        )  # fmt: skip
        return table


def unpaired(slices: int) -> NDArray[np.int32]:
    """Places in a table, (slices, 2) int32, of so many slices whose opposites are not wanted."""
    return np.stack([np.arange(slices), np.full(slices, -1)], axis=1).astype(np.int32)
