"""The maps of a run while it goes on: a layer a class, updated in place.

The layers are made as the run begins, empty, one at a time: making a layer takes napari a tenth of a second, and
changing one takes some milliseconds. Maps are brought to the scale of their layers in a thread. Drawing a map may take
long where OpenGL is software: another one is shown only after the window has been idle for longer than the last one
took, so that it answers meanwhile.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, QTimer

from coldstart.model.state import IterationStats, Snapshot
from coldstart.plugin.background import Newest, background
from coldstart.plugin.map_layer import METADATA_KEY, ShownMap, map_layer, show_map
from coldstart.plugin.turns import Turns
from coldstart.plugin.viewer_setup import make_room, prepare_viewer, tile

if TYPE_CHECKING:
    from napari.layers import Image, Layer
    from napari.viewer import Viewer

_SHORTEST_PAUSE_S = 0.25
_PAUSES_A_DRAWING = 2.0
_NOTHING = np.zeros((8, 8, 8), dtype=np.float32)

_Shown = tuple[list["Image"], IterationStats, tuple[ShownMap, ...]]


class LiveMaps(QObject):
    """The layers of the run that goes on.

    Parameters
    ----------
    viewer : Viewer
    parent : QObject, optional
    """

    def __init__(self, viewer: "Viewer", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.layers: list[Image] = []
        self._hidden: list[Layer] = []
        self._is_empty, self._was_grid = True, False
        self._title = ""
        self._waiting: Snapshot | None = None
        self._is_showing = False
        self._began = 0.0
        self._turns = Turns(self)
        self._scaler = Newest(background, self)
        self._scaler.ready.connect(self._show_maps)
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.timeout.connect(self._show_waiting)

    def begin(self, classes: int, title: str = "") -> None:
        """Make the layers of a run with this many classes, and hide those of before.

        Parameters
        ----------
        classes : int
        title : str
            Which part of a run of several it is, for the canvas.
        """
        viewer = self._viewer
        self.clear()
        self._was_grid = viewer.canvas.grid.enabled
        self._hidden = [layer for layer in viewer.layers if layer.visible]
        self.layers = [_empty_layer(number, classes) for number in range(1, classes + 1)]
        self._is_empty, self._title = True, title
        if all(METADATA_KEY in layer.metadata for layer in viewer.layers):
            self._turns.add(partial(prepare_viewer, viewer))
        self._turns.add_all(make_room(viewer, self.layers[0]))
        self._turns.add(
            partial(setattr, viewer.dims, "ndisplay", 3),
            *(partial(setattr, layer, "visible", False) for layer in self._hidden),
            *(partial(self._add, layer) for layer in self.layers),
            partial(tile, viewer, side_by_side=classes > 1),
            *(partial(setattr, layer.name_overlay, "visible", classes > 1) for layer in self.layers),
            partial(self._overlay, "preparing the images"),
        )

    def when_there(self, then: Callable[[], None]) -> None:
        """Call this once the layers of `begin` are there, or nothing after `clear`."""
        self._turns.add(then)

    def begin_part(self, classes: int, title: str) -> None:
        """Go on with another part of the same run: in the same layers, if it has as many classes; not after `clear`."""
        self._title = title
        if len(self.layers) in (0, classes):
            return
        hidden, was_grid = self._hidden, self._was_grid
        self.begin(classes, title)
        self._hidden, self._was_grid = hidden, was_grid

    def show(self, snapshot: Snapshot) -> None:
        """Show the maps of an iteration, or the newest once the window is ready for it; nothing after `clear`.

        Late news of a run before this one, of another number of classes, is passed over.
        """
        if not self.layers or len(snapshot.volumes) != len(self.layers):
            return
        self._waiting = snapshot
        if not self._is_showing:
            self._show_waiting()

    def clear(self, *, restore: bool = False) -> None:
        """Take the layers away, and show again what they took the place of if that is wanted."""
        self._pause.stop()
        self._turns.clear()
        self._scaler.forget()
        self._waiting, self._is_showing = None, False
        for layer in self.layers:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        for layer in self._hidden:
            if restore and layer in self._viewer.layers:
                layer.visible = True
        if restore:
            self._viewer.canvas.grid.enabled = self._was_grid
        self.layers, self._hidden = [], []
        self._overlay("")

    def _add(self, layer: "Image") -> None:
        self._viewer.layers.append(layer)

    def _show_waiting(self) -> None:
        snapshot, self._waiting = self._waiting, None
        self._is_showing = snapshot is not None
        if snapshot is not None:
            self._scaler.do(partial(_scaled, self.layers, snapshot))

    def _show_maps(self, shown: _Shown) -> None:
        layers, stats, maps = shown
        if layers is not self.layers:  # those of a run before this one
            return
        self._turns.add(self._note_time, *(partial(self._show_map, *entry) for entry in zip(layers, maps, strict=True)))
        if self._is_empty:
            self._is_empty = False
            self._turns.add(self._viewer.reset_view)
        text = f"iteration {stats.iteration}/{stats.iterations}   {stats.resolution_angstrom:.1f} Å"
        self._turns.add(partial(self._overlay, f"{self._title}   {text}" if self._title else text), self._rest)

    def _show_map(self, layer: "Image", shown: ShownMap) -> None:
        if layer in self._viewer.layers:  # the user may have deleted it
            show_map(layer, shown)

    def _note_time(self) -> None:
        self._began = time.monotonic()

    def _rest(self) -> None:
        """Leave the window alone for a while, now that the events of the drawing are done."""
        took = time.monotonic() - self._began
        self._pause.start(round(1000 * max(_SHORTEST_PAUSE_S, _PAUSES_A_DRAWING * took)))

    def _overlay(self, text: str) -> None:
        overlay = self._viewer.canvas.overlays.text
        overlay.text, overlay.visible = text, bool(text)


def _empty_layer(number: int, classes: int) -> "Image":
    from napari.layers import Image

    name = f"class {number}, running" if classes > 1 else "map, running"
    data, keywords, _ = map_layer(_NOTHING, 1.0, name, class_number=number, metadata={"live": True})
    return Image(data, **keywords)


def _scaled(layers: list["Image"], snapshot: Snapshot) -> _Shown:
    """In a thread: the maps as their layers show them."""
    maps = tuple(ShownMap.of(volume, snapshot.voxel_size_angstrom) for volume in snapshot.volumes)
    return layers, snapshot.stats, maps
