"""Matplotlib figures in the window, drawn by a thread.

Drawing a figure takes longer than a window may stand still. The thread paints it into an image, and the window shows
that; of several figures that wait, only the newest is drawn.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Signal
from qtpy.QtGui import QImage, QPainter, QPaintEvent, QResizeEvent, QShowEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

from coldstart.plugin.background import Newest, background

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DOTS_AN_INCH = 96.0


@dataclass(frozen=True, slots=True)
class Ink:
    """Colours of the theme: of text and lines, of what steps back, and of what lies behind."""

    text: str
    muted: str
    ground: str


Draw = Callable[["Figure", Ink], None]


class FigureView(QWidget):
    """Shows what a function draws, as large as the widget is.

    Parameters
    ----------
    height_px : int
        Of the widget; its width is what there is.
    """

    drawn = Signal()

    def __init__(self, height_px: int) -> None:
        super().__init__()
        self.setFixedHeight(height_px)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._draw: Draw | None = None
        self._image: QImage | None = None
        self._painter = Newest(background, self)
        self._painter.ready.connect(self._take)

    def show_figure(self, draw: Draw) -> None:
        """Show what `draw` puts on an empty figure. It is called in a thread, and must not change what it reads."""
        self._draw = draw
        self._request()

    def clear(self) -> None:
        """Show nothing."""
        self._draw = self._image = None
        self.update()

    @property
    def image(self) -> QImage | None:
        """What is shown."""
        return self._image

    def paintEvent(self, event: QPaintEvent) -> None:
        """Show the image."""
        if self._image is not None:
            painter = QPainter(self)
            painter.drawImage(0, 0, self._image)
            painter.end()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Draw anew in the new size."""
        super().resizeEvent(event)
        self._request()

    def showEvent(self, event: QShowEvent) -> None:
        """Draw what came while nobody looked."""
        super().showEvent(event)
        self._request()

    def _request(self) -> None:
        if self._draw is not None and self.isVisible():
            width, height, ratio = self.width(), self.height(), self.devicePixelRatioF()
            self._painter.do(partial(_paint, self._draw, width, height, ratio, theme_ink()))

    def _take(self, painted: tuple[NDArray[np.uint8], float]) -> None:
        if self._draw is not None:
            self._image = _as_image(*painted)
            self.update()
        if not self._painter.is_busy:
            self.drawn.emit()


def _paint(draw: Draw, width: int, height: int, ratio: float, ink: Ink) -> tuple[NDArray[np.uint8], float]:
    """In the thread: the pixels of a figure, and how many a point has."""
    return figure_pixels(draw, width, height, ratio, ink), ratio


def figure_pixels(draw: Draw, width: int, height: int, ratio: float, ink: Ink) -> NDArray[np.uint8]:
    """What a function draws, (rows, columns, 4) of red, green, blue and opacity.

    Parameters
    ----------
    draw : callable
    width, height : int
        In points of the screen.
    ratio : float
        Pixels a point.
    ink : Ink
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    dots = _DOTS_AN_INCH * ratio
    figure = Figure(
        figsize=(width * ratio / dots, height * ratio / dots), dpi=dots, layout="constrained", facecolor="none"
    )
    canvas: Any = FigureCanvasAgg(figure)
    draw(figure, ink)
    canvas.draw()
    return np.array(canvas.buffer_rgba())


def theme_ink() -> Ink:
    """The colours of napari's theme."""
    from napari.settings import get_settings
    from napari.utils.theme import get_theme

    theme = get_theme(get_settings().appearance.theme)
    return Ink(theme.text.as_hex(), theme.secondary.as_hex(), theme.background.as_hex())


def _as_image(pixels: NDArray[np.uint8], ratio: float) -> QImage:
    height, width = pixels.shape[:2]
    image = QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_RGBA8888).copy()
    image.setDevicePixelRatio(ratio)
    return image
