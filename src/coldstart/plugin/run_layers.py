"""The layers of a run that was opened: a map a class, and its particles on the sphere of their viewing directions."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from coldstart.errors import ColdstartError
from coldstart.io.mrc import read_map
from coldstart.io.opened_run import MapFile, OpenedRun
from coldstart.io.particle_table import ParticleTable, load_particle_table
from coldstart.model.hand import flip_map, flip_poses
from coldstart.model.symmetry import mirror_axis, point_group
from coldstart.plugin.map_layer import METADATA_KEY, map_layer, show_map
from coldstart.plugin.particle_layer import color_points, direction_layer, shown_rows, sphere_points

if TYPE_CHECKING:
    from napari.layers import Image, Points
    from napari.viewer import Viewer

    from coldstart.model.projection import MapProjector


class RunData:
    """The maps and the particles of a run, in the hand that is looked at.

    Attributes
    ----------
    run : OpenedRun
    table : ParticleTable or None
        None where there is none, or it cannot be read.
    other_hand : bool
        Whether maps and poses are the mirror images.
    problems : list of str
        What could not be read, in words.
    """

    def __init__(self, run: OpenedRun) -> None:
        self.run = run
        self.other_hand = False
        self.problems = list(run.problems)
        self.table = self._load_table()
        self._axis = mirror_axis(point_group(run.summary.symmetry if run.summary is not None else "C1"))
        self._projector = lru_cache(maxsize=8)(self._make_projector)

    @property
    def classes(self) -> tuple[int, ...]:
        """Numbers of the classes that have a map."""
        return tuple(entry.class_number for entry in self.run.maps)

    @property
    def euler_deg(self) -> NDArray[np.float64] | None:
        """RELION rot, tilt, psi of the particles, (N, 3), on the maps of this hand."""
        if self.table is None or self.table.euler_deg is None:
            return None
        return flip_poses(self.table.euler_deg, self._axis) if self.other_hand else self.table.euler_deg

    def volume(self, path: Path) -> tuple[NDArray[np.float32], float]:
        """A map of the run in this hand, and its voxel size in Å.

        Raises
        ------
        ParticleFileError
            If it cannot be read.
        """
        volume, voxel_size = read_map(path)
        return (flip_map(volume, self._axis) if self.other_hand else volume), voxel_size

    def projector(self, class_number: int) -> "MapProjector":
        """Projections of a class's map in this hand; made once. Errors as `volume`."""
        return self._projector(class_number, self.other_hand)

    def _make_projector(self, class_number: int, _other_hand: bool) -> "MapProjector":
        from coldstart.model.projection import MapProjector

        (path,) = (entry.path for entry in self.run.maps if entry.class_number == class_number)
        resolution = self.run.summary.resolution_angstrom if self.run.summary is not None else None
        return MapProjector(*self.volume(path), resolution)

    def _load_table(self) -> ParticleTable | None:
        if self.run.table_path is None:
            return None
        try:
            return load_particle_table(self.run.table_path)
        except ColdstartError as error:
            self.problems.append(str(error))
            return None


class RunLayers:
    """The layers of a run in a viewer. Layers that the user has removed are passed over.

    Parameters
    ----------
    viewer : Viewer
    data : RunData
    """

    def __init__(self, viewer: "Viewer", data: RunData) -> None:
        self._viewer = viewer
        self._data = data
        self._kept: NDArray[np.bool_] | None = None
        self._iteration: int | None = None
        made = [viewer.add_layer(_layer(*entry)) for entry in layer_data(data)]
        self.maps: dict[int, Image] = dict(zip(data.classes, made, strict=False))
        for layer in self.maps.values():
            layer.name_overlay.visible = len(self.maps) > 1
        self.points: Points | None = made[len(self.maps)] if len(made) > len(self.maps) else None

    def show_hand(self, other_hand: bool) -> None:
        """Show the maps and the directions of one hand."""
        self._data.other_hand = other_hand
        self.show_iteration(self._iteration)
        euler = self._data.euler_deg
        if self.points is not None and euler is not None:
            rows = self.rows_of_points()
            shown = self.points.shown.copy()
            self.points.data = sphere_points(euler[rows], self._box_angstrom())
            self.points.shown = shown

    def show_iteration(self, iteration: int | None) -> None:
        """Show the maps of a snapshot, or the result for None."""
        self._iteration = iteration
        paths = (
            {entry.class_number: entry.path for entry in self._data.run.maps}
            if iteration is None
            else {file.class_number: file.path for file in self._data.run.snapshots if file.iteration == iteration}
        )
        for number, layer in self.maps.items():
            if number in paths and layer in self._viewer.layers:
                show_map(layer, *self._data.volume(paths[number]))

    def show_kept(self, kept: NDArray[np.bool_], classes: tuple[int, ...]) -> None:
        """Hide the particles that are not kept, (N,) bool, and the maps of other classes."""
        if self.points is not None:
            self.points.shown = kept[self.rows_of_points()]
        for number, layer in self.maps.items():
            layer.visible = number in classes

    def color_by(self, coloring: str) -> None:
        """Colour the directions, by a name in `COLORINGS`."""
        if self.points is not None:
            color_points(self.points, coloring)

    def rows_of_points(self) -> NDArray[np.int64]:
        """Row in the table, from 0, of each point."""
        if self.points is None:
            return np.zeros(0, dtype=np.int64)
        return np.asarray(self.points.features["row"], dtype=np.int64) - 1

    def selected_rows(self) -> NDArray[np.int64]:
        """Rows in the table, from 0, of the points that are selected, ascending."""
        if self.points is None:
            return np.zeros(0, dtype=np.int64)
        return np.sort(self.rows_of_points()[np.array(sorted(self.points.selected_data), dtype=np.int64)])

    def on_selection(self, callback: Callable[[], None]) -> None:
        """Call a bound method, as long as its object lives, when other points are selected."""
        if self.points is not None:
            self.points.selected_data.events.items_changed.connect(callback)

    def forget_selection(self, callback: Callable[[], None]) -> None:
        """Call it no more."""
        if self.points is not None:
            self.points.selected_data.events.items_changed.disconnect(callback, missing_ok=True)

    def _box_angstrom(self) -> float:
        volume, voxel_size = self._data.volume(self._data.run.maps[0].path)
        return float(volume.shape[0] * voxel_size)


def remove_layers_of(viewer: "Viewer", folder: Path) -> None:
    """Take the layers of a run out of a viewer."""
    for layer in list(viewer.layers):
        run = layer.metadata.get(METADATA_KEY, {}).get("run")
        if run is not None and Path(run).resolve() == folder.resolve():
            viewer.layers.remove(layer)


def layer_data(data: RunData) -> list[tuple[Any, dict[str, Any], str]]:
    """Layers of a run as napari's tuples: its maps in the order of the classes, then its particles.

    A map that cannot be read is left out, and named among the problems.
    """
    layers: list[tuple[Any, dict[str, Any], str]] = []
    box_angstrom, readable = 0.0, []
    for entry in data.run.maps:
        try:
            volume, voxel_size = data.volume(entry.path)
        except ColdstartError as error:
            data.problems.append(str(error))
            continue
        readable.append(entry)
        box_angstrom = volume.shape[0] * voxel_size
        metadata = {"run": str(data.run.folder.path), "class": entry.class_number}
        layers.append(
            map_layer(volume, voxel_size, _name(data, entry), class_number=entry.class_number, metadata=metadata)
        )
    data.run = replace(data.run, maps=tuple(readable))
    if data.table is not None and data.euler_deg is not None and box_angstrom > 0.0:
        shown = shown_rows(data.table.count)
        points, keywords, kind = direction_layer(data.table, shown, box_angstrom, f"{data.run.name} directions")
        keywords["metadata"][METADATA_KEY]["run"] = str(data.run.folder.path)
        layers.append((points, keywords, kind))
    return layers


def _name(data: RunData, entry: MapFile) -> str:
    return f"{data.run.name} " + ("map" if len(data.run.maps) == 1 else f"class {entry.class_number}")


def _layer(data: Any, keywords: dict[str, Any], kind: str) -> Any:
    from napari.layers import Layer

    return Layer.create(data, keywords, kind)
