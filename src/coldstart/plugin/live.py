"""The maps of a run while it goes on: a layer a class, updated in place.

The layers are made before the run begins, empty: making a layer takes napari a few tenths of a second, in which the
window stands still, and changing one takes some milliseconds. Drawing a map may take long where OpenGL is software.
Another map is shown only after the window has been idle for longer than the last one took, so that it answers
meanwhile.
"""

import time
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, QTimer

from coldstart.model.state import Snapshot
from coldstart.plugin.map_layer import METADATA_KEY, map_layer, prepare_viewer, show_map

if TYPE_CHECKING:
    from napari.layers import Image, Layer
    from napari.viewer import Viewer

_SHORTEST_PAUSE_S = 0.25
_PAUSES_A_DRAWING = 2.0
_NOTHING = np.zeros((8, 8, 8), dtype=np.float32)


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
        self._waiting: Snapshot | None = None
        self._began = 0.0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._show_waiting)

    def begin(self, classes: int) -> None:
        """Make the layers of a run with this many classes, and hide those of before."""
        self.clear()
        viewer = self._viewer
        if all(METADATA_KEY in layer.metadata for layer in viewer.layers):
            prepare_viewer(viewer)
        viewer.dims.ndisplay = 3
        self._was_grid = viewer.canvas.grid.enabled
        self._hidden = [layer for layer in viewer.layers if layer.visible]
        for layer in self._hidden:
            layer.visible = False
        self.layers = [self._empty_layer(number, classes) for number in range(1, classes + 1)]
        viewer.canvas.grid.enabled = classes > 1
        self._is_empty = True
        self._overlay("preparing the images")

    def show(self, snapshot: Snapshot) -> None:
        """Show the maps of an iteration, or the newest once the window is ready for it; nothing after `clear`.

        Late news of a run before this one, of another number of classes, is passed over.
        """
        if not self.layers or len(snapshot.volumes) != len(self.layers):
            return
        self._waiting = snapshot
        if not self._timer.isActive():
            self._show_waiting()

    def clear(self, *, restore: bool = False) -> None:
        """Take the layers away, and show again what they took the place of if that is wanted."""
        self._timer.stop()
        self._waiting = None
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

    def _empty_layer(self, number: int, classes: int) -> "Image":
        name = f"class {number}, running" if classes > 1 else "map, running"
        data, keywords, _ = map_layer(_NOTHING, 1.0, name, class_number=number, metadata={"live": True})
        layer = self._viewer.add_image(data, **keywords)
        layer.name_overlay.visible = classes > 1
        return layer

    def _show_waiting(self) -> None:
        snapshot, self._waiting = self._waiting, None
        if snapshot is None:
            return
        self._began = time.monotonic()
        for layer, volume in zip(self.layers, snapshot.volumes, strict=True):
            if layer in self._viewer.layers:  # the user may have deleted it
                show_map(layer, volume, snapshot.voxel_size_angstrom)
        if self._is_empty:
            self._is_empty = False
            self._viewer.reset_view()
        stats = snapshot.stats
        self._overlay(f"iteration {stats.iteration}/{stats.iterations}   {stats.resolution_angstrom:.1f} Å")
        # A timer of no delay fires once the events of the drawing are done.
        QTimer.singleShot(0, self._pause)

    def _pause(self) -> None:
        took = time.monotonic() - self._began
        self._timer.start(round(1000 * max(_SHORTEST_PAUSE_S, _PAUSES_A_DRAWING * took)))

    def _overlay(self, text: str) -> None:
        overlay = self._viewer.canvas.overlays.text
        overlay.text, overlay.visible = text, bool(text)
