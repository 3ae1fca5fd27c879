"""Where the particles come from and where the run goes: files, layers, and a folder that is suggested."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from magicgui.types import FileDialogMode
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QWidget

from coldstart.io.suffixes import PARTICLE_SUFFIXES
from coldstart.plugin.editors import PathEditor, file_filter, ignore_stray_wheel
from coldstart.plugin.form import form_layout, row_label
from coldstart.plugin.map_layer import METADATA_KEY

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

PARTICLES_KEY = "particles_path"
"""In a layer's metadata: the particle file that it was read from."""

_MOST_FOLDERS = 1000


class InputSection(QWidget):
    """Particles, the folder of their stacks, and the folder of the run."""

    changed = Signal()

    def __init__(self, viewer: "Viewer") -> None:
        super().__init__()
        self._viewer = viewer
        kinds = file_filter("Particles", PARTICLE_SUFFIXES)
        self.particles = PathEditor(FileDialogMode.EXISTING_FILE, kinds, placeholder=".star, .cs or .mrcs")
        self.layers = QComboBox()
        self.data_root = PathEditor(FileDialogMode.EXISTING_DIRECTORY, placeholder="beside the table")
        self.output = PathEditor(FileDialogMode.EXISTING_DIRECTORY, placeholder="new folder")
        self._suggested: str | None = None
        ignore_stray_wheel(self.layers)
        self._rows = form_layout(self)
        self._rows.addRow(row_label("Particles", _PARTICLES_TIP), self.particles)
        self._rows.addRow(
            row_label("or a layer", "<p>A stack of particles that is open in the viewer.</p>"), self.layers
        )
        self._rows.addRow(row_label("Stack folder", _ROOT_TIP), self.data_root)
        self._rows.addRow(row_label("Output folder", _OUTPUT_TIP), self.output)
        self.particles.changed.connect(self._particles_changed)
        for editor in (self.data_root, self.output):
            editor.changed.connect(self.changed)
        self.layers.activated.connect(self._layer_chosen)
        self._listen_to_layers()
        self._list_layers()

    def suggest_output(self) -> None:
        """Propose a new folder, unless the user has chosen one that is still to be had."""
        chosen, particles = self.output.value(), self.particles.value()
        if particles is None or (chosen not in (None, self._suggested) and not _is_taken(Path(chosen or ""))):
            return
        self._suggested = str(suggested_output(Path(particles)))
        self.output.set_value(self._suggested)

    def _listen_to_layers(self) -> None:
        """List layers anew when one comes or goes, for as long as this widget is there."""
        events, callback = self._viewer.layers.events, self._list_layers
        for emitter in (events.inserted, events.removed):
            emitter.connect(callback)
            self.destroyed.connect(lambda _=None, emitter=emitter: emitter.disconnect(callback))

    def _particles_changed(self) -> None:
        self.suggest_output()
        self.changed.emit()

    def _list_layers(self) -> None:
        self.layers.clear()
        self.layers.addItem("choose …", None)
        for layer in self._viewer.layers:
            path = particles_of(layer)
            if path is not None:
                self.layers.addItem(layer.name, path)
        self._rows.setRowVisible(self.layers, self.layers.count() > 1)

    def _layer_chosen(self, index: int) -> None:
        path = self.layers.itemData(index)
        if path is not None:
            self.particles.set_value(path)


def particles_of(layer: "Layer") -> str | None:
    """The particle file that a layer was read from, if it is one of ours."""
    known = layer.metadata.get(METADATA_KEY)
    return known.get(PARTICLES_KEY) if isinstance(known, dict) else None


def suggested_output(particles: Path) -> Path:
    """A new folder beside the particles, or in the user's home where that may not be written."""
    parent = particles.parent if os.access(particles.parent, os.W_OK) else Path.home()
    folders = (parent / f"coldstart_{number:03d}" for number in range(1, _MOST_FOLDERS))
    return next((folder for folder in folders if not _is_taken(folder)), parent / "coldstart")


def _is_taken(folder: Path) -> bool:
    """Whether there is a file of this name, or a folder with something in it."""
    return folder.is_file() or (folder.is_dir() and any(folder.iterdir()))


_PARTICLES_TIP = (
    "<p>A particle table of RELION (.star) or cryoSPARC (.cs), or a plain stack (.mrcs) with CTF switched off.</p>"
)
_ROOT_TIP = (
    "<p>Folder that the stack names in the table start from: the RELION or cryoSPARC project. "
    "When empty, the table's own folder.</p>"
)
_OUTPUT_TIP = "<p>A new or empty folder for maps, particle tables, log and report.</p>"
