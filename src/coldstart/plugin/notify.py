"""Messages that can be read: napari shows one line of a notification, and the remedy is rarely in the first."""

from functools import partial
from typing import TYPE_CHECKING, Any

from napari import current_viewer
from napari.utils.notifications import show_error
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QDialog

from coldstart.plugin.window_words import in_the_window

if TYPE_CHECKING:
    from napari.viewer import Viewer

_AFTER_SLIDING_IN_MS = 300
_READING_MS = 15_000
_TALLEST_PX = 2000
_SPARE_PX = 12


def tell_error(text: str, viewer: "Viewer | None" = None) -> None:
    """Say what is wrong, in the words of the window, in a notification that shows all of it long enough to be read.

    Parameters
    ----------
    text : str
    viewer : Viewer, optional
        By default the one that is in front.
    """
    viewer = viewer or current_viewer()
    window = None if viewer is None else getattr(viewer.window, "_qt_window", None)
    before = set() if window is None else set(window.findChildren(QDialog))
    show_error(in_the_window(text))
    if window is None:
        return
    for dialog in set(window.findChildren(QDialog)) - before:
        if hasattr(dialog, "move_to_bottom_right"):
            timer = QTimer(dialog)
            timer.setSingleShot(True)
            timer.timeout.connect(partial(_expand, dialog))
            timer.start(_AFTER_SLIDING_IN_MS)


def _expand(dialog: Any) -> None:
    """Show the whole text; the pointer over it keeps it, as it does any notification.

    napari's own expansion forgets the margins, which cuts the last line off.
    """
    label = dialog.message
    lines = label.fontMetrics().boundingRect(0, 0, label.width(), _TALLEST_PX, Qt.TextFlag.TextWordWrap, label.text())
    margins = dialog.row1.contentsMargins()
    height = lines.height() + margins.top() + margins.bottom() + _SPARE_PX
    dialog.geom_anim.stop()
    dialog.expand_button.hide()
    dialog.setMinimumHeight(height)
    dialog.resize(dialog.width(), height)
    dialog.move_to_bottom_right()
    dialog.timer.start(_READING_MS)
