"""The results of a run: its layers, and the panel that says what became of it and takes the particles on.

A run that finished, stopped, failed or still goes on elsewhere is opened the same way, and as it was left: what was
ticked and merged is kept in its folder.
"""

from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari.qt.threading import create_worker
from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDockWidget,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QTableView,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from coldstart.errors import ColdstartError
from coldstart.io.class_picks import load_picks, save_picks
from coldstart.io.opened_run import open_run
from coldstart.io.run_parts import RunPart, holds_runs, last_shown, remember_shown, run_parts
from coldstart.params import AbInitioParams
from coldstart.plugin.background import Garbage
from coldstart.plugin.class_picker import ClassPicker, with_view
from coldstart.plugin.evolution import Evolution
from coldstart.plugin.gallery import Gallery
from coldstart.plugin.map_layer import METADATA_KEY
from coldstart.plugin.notify import tell_error
from coldstart.plugin.pairs import PairMaker
from coldstart.plugin.particle_layer import available_colorings
from coldstart.plugin.run_jobs import can_go_on
from coldstart.plugin.run_layers import LayerData, RunData, RunLayers, as_layer, remove_layers_of
from coldstart.plugin.run_summary import RunSummary
from coldstart.plugin.turns import Turns
from coldstart.plugin.viewer_setup import make_room, prepare_viewer, tile

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

    from coldstart.plugin.widget import ColdstartWidget

OnParameters = Callable[[AbInitioParams], None]

_FORM = ("napari-coldstart", "Ab-initio reconstruction")
_FEATURES_TABLE = ("napari", "Features table widget")
_TABLE_HEIGHT_PX = 220
_SIZING_ROWS = 20
_WIDTH_PX = 390
_SETTLE_MS = 100


def show_run(viewer: "Viewer", folder: Path, *, on_parameters: OnParameters | None = None) -> "ResultsPanel":
    """Show a run at once: its layers, the features table of its particles, and the panel of its results.

    Parameters
    ----------
    viewer : Viewer
    folder : Path
        Of a run, or of several starts or jobs: what the starts agree on, or the first job, or what was looked at last;
        the panel has the others to choose. A panel of the same folder that is open is replaced.
    on_parameters : callable, optional
        Called with the parameters of the run when the user wants them for the next one; by default they are loaded
        into the form, which is opened if need be.

    Raises
    ------
    OutputError
        If the folder is none of a run.
    """
    steps = _showing(viewer, _load(folder), on_parameters)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            panel: ResultsPanel = end.value
            return panel


def show_run_soon(
    viewer: "Viewer",
    folder: Path,
    *,
    on_parameters: OnParameters | None = None,
    on_error: Callable[[str], None] = tell_error,
) -> None:
    """Show a run once it is loaded in a thread, layer by layer: that takes some seconds for a large table.

    Parameters
    ----------
    viewer, folder, on_parameters
        As in `show_run`.
    on_error : callable
        Called with what is wrong with the folder; by default it is a notification.
    """
    turns = Turns(viewer.window._qt_window)

    def show(loaded: Opened | str) -> None:
        if not hasattr(viewer.window, "_qt_window"):  # closed meanwhile
            return
        if isinstance(loaded, str):
            on_error(loaded)
        else:
            turns.add_all(_showing(viewer, loaded, on_parameters))

    progress = {"desc": f"Opening {Path(folder).name}"}
    loader = create_worker(_load_or_say, folder, _start_thread=False, _progress=progress)
    loader.returned.connect(show)
    loader.finished.connect(Garbage.unfreeze)
    Garbage.freeze()
    loader.start()


def run_layers(folder: Path) -> list[LayerData]:
    """The layers of a run as napari's tuples, for a reader without a viewer; errors as `show_run`."""
    return _load(folder).data.layers


@dataclass(frozen=True, slots=True)
class Opened:
    """What is shown of a folder: a run, and where the folder holds several, the parts to choose from."""

    folder: Path
    data: RunData
    parts: tuple[RunPart, ...] = ()


def _load(folder: Path) -> Opened:
    folder = Path(folder)
    parts = run_parts(folder) if holds_runs(folder) else ()
    run = open_run(last_shown(folder, parts).path if parts else folder)
    return Opened(folder, RunData(run, other_hand=load_picks(run.folder).other_hand), parts)


def _load_or_say(folder: Path) -> Opened | str:
    """In a thread: the run, or what is wrong with it."""
    try:
        return _load(folder)
    except ColdstartError as error:
        return str(error)


def _showing(
    viewer: "Viewer", opened: Opened, on_parameters: OnParameters | None
) -> Generator[None, None, "ResultsPanel"]:
    """Show a run in steps, between which the window may answer."""
    if all(METADATA_KEY in layer.metadata for layer in viewer.layers):
        prepare_viewer(viewer)
    viewer.dims.ndisplay = 3
    data = opened.data
    for other in open_panels(viewer):
        if other.opened.folder.resolve() == opened.folder.resolve():
            other.close_panel()
            remove_layers_of(viewer, other.data.run.folder.path)
    remove_layers_of(viewer, data.run.folder.path)
    yield
    if len(data.layers) > len(data.run.maps):
        _open_features_table(viewer)
    made = []
    for entry in data.layers:
        yield
        made.append(as_layer(*entry))
        yield
        yield from make_room(viewer, made[-1])
        yield
        viewer.layers.append(made[-1])
    yield
    panel = ResultsPanel(viewer, opened, made, on_parameters)
    yield
    dock = viewer.window.add_dock_widget(panel, name=_panel_name(viewer, opened.folder), area="right", tabify=True)
    dock.raise_()
    panel.fit_soon()
    return panel


def _open_features_table(viewer: "Viewer") -> None:
    """Open napari's table of the particles below the canvas, before there are any.

    It makes its columns as wide as the first rows ask for: napari would go through a thousand of them.
    """
    dock, widget = viewer.window.add_plugin_dock_widget(*_FEATURES_TABLE)
    for table in widget.findChildren(QTableView):
        table.horizontalHeader().setResizeContentsPrecision(_SIZING_ROWS)
    _move_below_canvas(dock)


def _load_into_form(viewer: "Viewer", params: AbInitioParams) -> None:
    _open_widget(viewer).setup.form.set_values(params.model_dump())


def _open_widget(viewer: "Viewer") -> "ColdstartWidget":
    """The widget that runs reconstructions, in front of others; opened if it is not there."""
    from coldstart.plugin.widget import ColdstartWidget

    found = [widget for widget in viewer.window.dock_widgets.values() if isinstance(widget, ColdstartWidget)]
    widget: ColdstartWidget = found[0] if found else viewer.window.add_plugin_dock_widget(*_FORM, tabify=True)[1]
    dock = widget.parent()
    if isinstance(dock, QDockWidget):
        dock.show()
        dock.raise_()
    return widget


def _move_below_canvas(dock: QDockWidget) -> None:
    """Put a dock between those at the left and at the right, which keep their full height."""
    window = dock.parent()
    if not isinstance(window, QMainWindow):
        return
    window.setCorner(Qt.Corner.BottomLeftCorner, Qt.DockWidgetArea.LeftDockWidgetArea)
    window.setCorner(Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea)
    window.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock)
    window.resizeDocks([dock], [_TABLE_HEIGHT_PX], Qt.Orientation.Vertical)


def open_panels(viewer: "Viewer") -> list["ResultsPanel"]:
    """The panels of runs in a viewer."""
    return [widget for widget in viewer.window.dock_widgets.values() if isinstance(widget, ResultsPanel)]


def _panel_name(viewer: "Viewer", folder: Path) -> str:
    """A name that no other panel has: two runs in folders of one name are told apart by the folders above."""
    name = f"Results of {folder.absolute().name}"
    return name if name not in viewer.window.dock_widgets else f"Results of {folder.absolute()}"


class ResultsPanel(QWidget):
    """What there is to say and to choose of a run, and the layers that belong to it: those of `data`, in its order."""

    def __init__(
        self, viewer: "Viewer", opened: Opened, layers: list["Layer"], on_parameters: OnParameters | None = None
    ) -> None:
        super().__init__()
        self._viewer, self.opened, self.data = viewer, opened, opened.data
        data = opened.data
        self._on_parameters = on_parameters or partial(_load_into_form, viewer)
        picks = load_picks(data.run.folder)
        self.layers = RunLayers(viewer, data, layers, self)
        self._resumable = next((path for path in (opened.folder, data.run.folder.path) if can_go_on(path)), None)
        self.summary = RunSummary(data.run, data.problems, can_resume=self._resumable is not None)
        self.summary.parameters_wanted.connect(self._give_parameters)
        self.summary.resume_wanted.connect(self._resume)
        self.evolution = Evolution(data.run)
        self.evolution.iteration_chosen.connect(self.layers.show_iteration)
        self.picker = None if data.table is None else ClassPicker(data.run, data.table, picks)
        self.gallery = Gallery(PairMaker(data), self.layers.selected_rows)
        self.coloring = self._make_coloring(picks.coloring)
        self.parts = self._make_parts()
        self.other_hand = QCheckBox("Other hand")
        self.other_hand.setToolTip("Show, and write, the mirror images of the maps and the poses that belong to them.")
        self.side_by_side = QCheckBox("Side by side")
        self.side_by_side.setToolTip("Show each map and the directions in a part of the canvas of its own.")
        self._fit = QTimer(self)
        self._fit.setSingleShot(True)
        self._fit.setInterval(_SETTLE_MS)
        self._fit.timeout.connect(self._fit_to_canvas)
        self._lay_out()
        self.other_hand.setChecked(data.other_hand)
        self._connect()
        several = len(layers) > 1
        self.side_by_side.setVisible(several)
        self.side_by_side.setChecked(several)
        if self.layers.points is not None:
            viewer.layers.selection.active = self.layers.points
        self._show_kept()

    def sizeHint(self) -> QSize:
        """No wider than it must be: the maps are beside it."""
        return QSize(_WIDTH_PX, super().sizeHint().height())

    def fit_soon(self) -> None:
        """Fit what is shown to the canvas, once the docks around it have taken their places."""
        self._fit.start()

    def close_panel(self) -> None:
        """Take the panel out of the viewer; its layers stay."""
        self.layers.forget_selection(self.gallery.update_soon)
        self._viewer.window.remove_dock_widget(self)

    def _make_coloring(self, wanted: str) -> QComboBox:
        box = QComboBox()
        box.setToolTip("What the viewing directions on the sphere are coloured by.")
        if self.layers.points is not None:
            box.addItems(available_colorings(self.layers.points.features))
            box.setCurrentText(wanted)
            if box.currentText() != box.itemText(0):  # which they have already
                self.layers.color_by(box.currentText())
        return box

    def _make_parts(self) -> QComboBox:
        box = QComboBox()
        box.setToolTip("Which of the runs in this folder is shown.")
        box.addItems([part.title for part in self.opened.parts])
        shown = self.data.run.folder.path.resolve()
        box.setCurrentIndex(next((n for n, part in enumerate(self.opened.parts) if part.path.resolve() == shown), -1))
        box.setVisible(bool(self.opened.parts))
        return box

    def _connect(self) -> None:
        self.parts.activated.connect(self._show_part)
        self.layers.on_selection(self.gallery.update_soon)
        self.coloring.currentTextChanged.connect(self._color)
        self.other_hand.toggled.connect(self._flip)
        self.side_by_side.toggled.connect(self._tile)
        if self.picker is not None:
            self.picker.changed.connect(self._pick)

    def _lay_out(self) -> None:
        tabs = QTabWidget()
        tabs.addTab(self.summary, "Summary")
        if self.picker is not None:
            tabs.addTab(self.picker, "Classes")
        if self.layers.points is not None:
            tabs.addTab(self._particles_tab(), "Particles")
        layout = QVBoxLayout(self)
        title = QLabel(f"<b>{self.opened.folder.absolute().name}</b>")
        title.setToolTip(str(self.opened.folder.absolute()))
        row = QHBoxLayout()
        row.addWidget(title, 1)
        row.addWidget(self.side_by_side)
        row.addWidget(self.other_hand)
        layout.addLayout(row)
        layout.addWidget(self.parts)
        layout.addWidget(self.evolution)
        layout.addWidget(tabs, 1)
        self.setMinimumWidth(_WIDTH_PX)
        self.tabs = tabs

    def _particles_tab(self) -> QWidget:
        tab = QWidget()
        layout = QVBoxLayout(tab)
        row = QHBoxLayout()
        row.addWidget(QLabel("Colour directions by"))
        row.addWidget(self.coloring, 1)
        layout.addLayout(row)
        layout.addWidget(self.gallery, 1)
        return tab

    def _show_part(self, index: int) -> None:
        """Show another run of the folder in the place of this one, now and the next time."""
        with suppress(ColdstartError):  # a folder that may not be written begins with its first part the next time
            remember_shown(self.opened.folder, self.opened.parts[index])
        show_run_soon(self._viewer, self.opened.folder, on_parameters=self._on_parameters)

    def _color(self, coloring: str) -> None:
        self.layers.color_by(coloring)
        self._save()

    def _flip(self, other_hand: bool) -> None:
        self.layers.show_hand(other_hand)
        if self.picker is not None:
            self.picker.other_hand = other_hand
        self.gallery.update_soon()
        self._save()

    def _tile(self, side_by_side: bool) -> None:
        tile(self._viewer, side_by_side=side_by_side)
        self.fit_soon()

    def _fit_to_canvas(self) -> None:
        """Tile and fit what is shown to the canvas, whose size is known by now."""
        if self.side_by_side.isChecked():
            tile(self._viewer, side_by_side=True)
        self._viewer.fit_to_view()

    def _pick(self) -> None:
        self._show_kept()
        self._save()

    def _show_kept(self) -> None:
        if self.picker is not None:
            self.layers.show_kept(self.picker.kept, self.picker.kept_classes)

    def _save(self) -> None:
        """Remember how the run is left; a folder that may not be written is opened fresh the next time."""
        if self.picker is None:
            return
        picks = with_view(
            self.picker.picks, other_hand=self.other_hand.isChecked(), coloring=self.coloring.currentText()
        )
        try:
            save_picks(self.data.run.folder, picks)
        except ColdstartError as error:
            self.picker.count.setToolTip(f"What is ticked cannot be remembered: {error}")

    def _resume(self) -> None:
        """Go on with the run, in the widget that shows how it runs."""
        if self._resumable is not None:
            _open_widget(self._viewer).resume_from(self._resumable)

    def _give_parameters(self) -> None:
        if self.data.run.params is not None:
            self._on_parameters(self.data.run.params)
