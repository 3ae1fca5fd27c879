"""The layers of a run that was opened: a map a class, and its particles on the sphere of their viewing directions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from coldstart.errors import ColdstartError
from coldstart.io.mrc import read_map
from coldstart.io.opened_run import OpenedRun
from coldstart.io.particle_table import ParticleTable, load_particle_table
from coldstart.model.hand import flip_map, flip_poses
from coldstart.model.symmetry import mirror_axis, point_group
from coldstart.plugin.background import Newest, reading
from coldstart.plugin.map_layer import METADATA_KEY, ShownMap, map_layer, show_map
from coldstart.plugin.notify import tell_error
from coldstart.plugin.particle_layer import color_points, direction_layer, shown_rows, sphere_points

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer
    from qtpy.QtCore import QObject

    from coldstart.model.projection import MapProjector


LayerData = tuple[Any, dict[str, Any], str]


class RunData:
    """The maps and the particles of a run, in the hand that is looked at. A large table takes seconds to load.

    Parameters
    ----------
    run : OpenedRun
    other_hand : bool

    Attributes
    ----------
    run : OpenedRun
    table : ParticleTable or None
        None where there is none, or it cannot be read.
    other_hand : bool
        Whether maps and poses are the mirror images.
    problems : list of str
        What could not be read, in words.
    box_angstrom : float
        Side of the box of the maps; 0 where there is none.
    layers : list of tuple
        The layers as napari's tuples: a map for each of `run.maps`, then the particles if there are any.
    """

    def __init__(self, run: OpenedRun, *, other_hand: bool = False) -> None:
        self.run = run
        self.other_hand = other_hand
        self.problems = list(run.problems)
        self.box_angstrom = 0.0
        self.table = self._load_table()
        self._axis = mirror_axis(point_group(run.summary.symmetry if run.summary is not None else "C1"))
        self._projector = lru_cache(maxsize=8)(self._make_projector)
        self.layers = [*self._map_layers(), *self._direction_layer()]

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

    def _map_layers(self) -> list[LayerData]:
        """The maps in the order of the classes; one that cannot be read is left out, and named among the problems."""
        layers: list[LayerData] = []
        readable = []
        for entry in self.run.maps:
            try:
                volume, voxel_size = self.volume(entry.path)
            except ColdstartError as error:
                self.problems.append(str(error))
                continue
            readable.append(entry)
            self.box_angstrom = volume.shape[0] * voxel_size
            metadata = {"run": str(self.run.folder.path), "class": entry.class_number}
            name = f"{self.run.name} " + ("map" if len(self.run.maps) == 1 else f"class {entry.class_number}")
            layers.append(map_layer(volume, voxel_size, name, class_number=entry.class_number, metadata=metadata))
        self.run = replace(self.run, maps=tuple(readable))
        return layers

    def _direction_layer(self) -> list[LayerData]:
        if self.table is None or self.euler_deg is None or not self.box_angstrom:
            return []
        rows = shown_rows(self.table.count)
        points, keywords, kind = direction_layer(self.table, rows, self.box_angstrom, f"{self.run.name} directions")
        keywords["metadata"][METADATA_KEY]["run"] = str(self.run.folder.path)
        if self.other_hand:
            points = sphere_points(self.euler_deg[rows], self.box_angstrom)
        return [(points, keywords, kind)]


@dataclass(frozen=True, slots=True)
class _View:
    """What is to be seen in the layers: maps by class, the points of a hand if they have moved, or what went wrong."""

    maps: Mapping[int, ShownMap]
    other_hand: bool
    points: NDArray[np.float64] | None = None
    error: str = ""


class RunLayers:
    """The layers of a run in a viewer. Layers that the user has removed are passed over.

    Parameters
    ----------
    viewer : Viewer
    data : RunData
    layers : list of Layer
        Those of `data.layers`.
    parent : QObject
        Its end is the end of what is still being loaded.
    """

    def __init__(self, viewer: "Viewer", data: RunData, layers: "Sequence[Layer]", parent: "QObject") -> None:
        self._viewer = viewer
        self._data = data
        self._iteration: int | None = None
        self._hand_of_points = data.other_hand
        self.maps: dict[int, Any] = dict(zip(data.classes, layers, strict=False))
        for layer in self.maps.values():
            layer.name_overlay.visible = len(self.maps) > 1
        self.points: Any = layers[len(self.maps)] if len(layers) > len(self.maps) else None
        self._loader = Newest(reading, parent)
        self._loader.ready.connect(self._show)

    def show_hand(self, other_hand: bool) -> None:
        """Show the maps and the directions of one hand, once they are loaded."""
        self._data.other_hand = other_hand
        self._load()

    def show_iteration(self, iteration: int | None) -> None:
        """Show the maps of a snapshot, or the result for None, once they are loaded."""
        self._iteration = iteration
        self._load()

    def _load(self) -> None:
        run, iteration = self._data.run, self._iteration
        paths = (
            {entry.class_number: entry.path for entry in run.maps}
            if iteration is None
            else {file.class_number: file.path for file in run.snapshots if file.iteration == iteration}
        )
        wanted = {number: path for number, path in paths.items() if number in self.maps}
        rows = None if self._hand_of_points == self._data.other_hand else self.rows_of_points()
        self._loader.do(partial(_load_view, self._data, wanted, rows))

    def _show(self, view: _View) -> None:
        if view.error:
            tell_error(view.error, self._viewer)
        for number, shown in view.maps.items():
            if self.maps[number] in self._viewer.layers:
                show_map(self.maps[number], shown)
        if self.points is not None and view.points is not None and len(view.points) == len(self.points.data):
            visible = self.points.shown.copy()
            self.points.data = view.points
            self.points.shown = visible
            self._hand_of_points = view.other_hand

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


def _load_view(data: RunData, paths: Mapping[int, Path], rows: NDArray[np.int64] | None) -> _View:
    """In a thread: maps of classes, and where the points of these rows lie in the hand that is looked at."""
    other_hand, euler = data.other_hand, data.euler_deg
    try:
        maps = {number: ShownMap.of(*data.volume(path)) for number, path in paths.items()}
    except ColdstartError as error:
        return _View({}, other_hand, error=str(error))
    moved = None if rows is None or euler is None else sphere_points(euler[rows], data.box_angstrom)
    return _View(maps, other_hand, moved)


def remove_layers_of(viewer: "Viewer", folder: Path) -> None:
    """Take the layers of a run out of a viewer."""
    for layer in list(viewer.layers):
        run = layer.metadata.get(METADATA_KEY, {}).get("run")
        if run is not None and Path(run).resolve() == folder.resolve():
            viewer.layers.remove(layer)


def as_layer(data: Any, keywords: dict[str, Any], kind: str) -> "Layer":
    """A layer out of one of napari's tuples."""
    from napari.layers import Layer

    return Layer.create(data, keywords, kind)
