"""The particles that are selected, each beside the projection of the map that matches it.

Stacks are opened, maps projected and pictures made in a thread: of a large table the first picture takes seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QCheckBox, QGridLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from coldstart.errors import ColdstartError
from coldstart.plugin.background import Newest, reading
from coldstart.plugin.pairs import Pair, PairMaker

MOST_PAIRS = 12
_WIDTH_PX = 300
_WAIT_MS = 150
_TITLES = ("Image", "Projection", "With CTF")
_HINT = (
    "Select rows in the features table, or points on the sphere with napari's select tool, to see their images beside "
    "the projection of the map."
)


@dataclass(frozen=True, slots=True)
class _Page:
    """What is shown: the pairs, how many particles are selected, a row of pictures for each, and what went wrong."""

    pairs: list[Pair]
    selected: int
    pictures: list[list[QImage]]
    error: str = ""


class Gallery(QWidget):
    """A strip of pairs; at most `MOST_PAIRS`, spread evenly over a larger selection.

    Parameters
    ----------
    maker : PairMaker
    selected_rows : callable
        The rows that are selected now, from 0.
    """

    def __init__(self, maker: PairMaker, selected_rows: Callable[[], NDArray[np.int64]]) -> None:
        super().__init__()
        self._maker, self._selected_rows = maker, selected_rows
        self.pairs: list[Pair] = []
        self.text = QLabel(_HINT)
        self.text.setWordWrap(True)
        self.smooth = QCheckBox("Images to the resolution of the map")
        self.smooth.setToolTip("Leave out detail of the images that the map does not have; most of it is noise.")
        self.smooth.setChecked(True)
        self.smooth.toggled.connect(self.show_selected)
        self.with_ctf = QCheckBox("Also the projection with the CTF of the image")
        self.with_ctf.setToolTip("The projection as the microscope shows it; the correlation is with this one.")
        self.with_ctf.setChecked(True)
        self.with_ctf.toggled.connect(self.show_selected)
        self._grid_widget = QWidget()
        self._grid = QGridLayout(self._grid_widget)
        self._grid.setContentsMargins(4, 4, 4, 4)
        self._grid.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setWidget(self._grid_widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (self.smooth, self.with_ctf, self.text):
            layout.addWidget(part)
        layout.addWidget(area, 1)
        # A selection changes in several steps, of which only the last is worth the work.
        self._wait = QTimer(self)
        self._wait.setSingleShot(True)
        self._wait.setInterval(_WAIT_MS)
        self._wait.timeout.connect(self.show_selected)
        self._pages = Newest(reading, self)
        self._pages.ready.connect(self._show)

    def update_soon(self) -> None:
        """Show what is selected, once that has been left alone for a moment."""
        self._wait.start()

    def show_selected(self) -> None:
        """Show the pairs of what is selected now, once they are made."""
        rows = self._selected_rows()
        if len(rows) and not self.pairs:
            self.text.setText("Reading the images …")
        smooth, with_ctf = self.smooth.isChecked(), self.with_ctf.isChecked()
        ratio = self.devicePixelRatioF()
        self._pages.do(partial(_page, self._maker, rows, smooth=smooth, with_ctf=with_ctf, ratio=ratio))

    def _show(self, page: _Page) -> None:
        self.pairs = page.pairs
        self.text.setText(page.error or _selection_text(page.selected, page.pairs))
        _clear(self._grid)
        if not page.pairs:
            return
        for column, title in enumerate(_TITLES[: len(page.pictures[0])]):
            self._grid.addWidget(QLabel(title), 0, column)
        for number, (pair, pictures) in enumerate(zip(page.pairs, page.pictures, strict=True)):
            for column, picture in enumerate(pictures):
                label = QLabel()
                label.setPixmap(QPixmap.fromImage(picture))
                self._grid.addWidget(label, 1 + 2 * number, column)
            self._grid.addWidget(QLabel(pair_text(pair)), 2 + 2 * number, 0, 1, len(pictures))


def _page(maker: PairMaker, rows: NDArray[np.int64], *, smooth: bool, with_ctf: bool, ratio: float) -> _Page:
    """In a thread: the pairs of a selection, at most `MOST_PAIRS` of them, and their pictures."""
    shown = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_PAIRS)).round().astype(int))]
    try:
        pairs = maker.pairs(shown) if len(shown) else []
    except ColdstartError as error:
        return _Page([], len(rows), [], f"The images cannot be shown: {error}")
    pictures = []
    for pair in pairs:
        images = [pair.smooth_image if smooth else pair.image, pair.projection]
        images += [pair.seen_projection] if with_ctf else []
        pictures.append([_picture(image, _WIDTH_PX // len(images), ratio) for image in images])
    return _Page(pairs, len(rows), pictures)


def pair_text(pair: Pair) -> str:
    """What stands below a pair; rows are counted from 1."""
    return f"row {pair.row + 1:,}, class {pair.class_number}, correlation {pair.correlation:.2f}"


def _selection_text(selected: int, pairs: list[Pair]) -> str:
    if not selected:
        return _HINT
    mean = float(np.mean([pair.correlation for pair in pairs]))
    of = f"{selected:,} selected" if len(pairs) == selected else f"{len(pairs)} of {selected:,} selected"
    return f"{of}; mean correlation with the projection {mean:.2f}"


def _picture(image: NDArray[np.float32], side_px: int, ratio: float) -> QImage:
    """An image with y upwards, as the map is shown; `ratio` pixels a point of the screen."""
    low, high = np.percentile(image, [0.5, 99.5])
    grey = np.clip((image - low) / max(float(high - low), 1e-12) * 255.0, 0.0, 255.0).astype(np.uint8)
    grey = np.ascontiguousarray(grey[::-1])
    height, width = grey.shape
    picture = QImage(grey.tobytes(), width, height, width, QImage.Format.Format_Grayscale8).copy()
    side = round(side_px * ratio)
    keep, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    scaled = picture.scaled(side, side, keep, smooth)
    scaled.setDevicePixelRatio(ratio)
    return scaled


def _clear(grid: QGridLayout) -> None:
    while (item := grid.takeAt(0)) is not None:
        widget = item.widget()
        if widget is not None:
            widget.deleteLater()
