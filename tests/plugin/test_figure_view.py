"""Figures that a thread draws."""

import threading
from typing import Any

import numpy as np
import pytest

from coldstart.plugin.figure_view import FigureView, Ink, figure_pixels, theme_ink

INK = Ink("#ffffff", "#888888", "#000000")


def diagonal(figure: Any, ink: Ink) -> None:
    figure.subplots().plot([0, 1], color=ink.text)


@pytest.fixture
def view(qtbot: Any) -> FigureView:
    view = FigureView(120)
    qtbot.addWidget(view)
    view.resize(200, 120)
    view.show()
    return view


def test_a_figure_fills_its_size_and_is_transparent() -> None:
    pixels = figure_pixels(diagonal, 200, 120, 2.0, INK)
    assert pixels.shape == (240, 400, 4)
    assert not pixels[0, 0, 3]
    assert pixels[..., 3].any()


def test_a_figure_is_drawn_in_another_thread(view: FigureView, qtbot: Any) -> None:
    threads: list[int] = []

    def draw(figure: Any, ink: Ink) -> None:
        threads.append(threading.get_ident())
        diagonal(figure, ink)

    view.show_figure(draw)
    qtbot.waitUntil(lambda: view.image is not None, timeout=60_000)
    assert view.image is not None
    assert view.image.width() == round(view.width() * view.devicePixelRatioF())
    assert threading.get_ident() not in threads


def test_of_figures_that_wait_the_newest_is_drawn(view: FigureView, qtbot: Any) -> None:
    drawn: list[int] = []
    release = threading.Event()

    def drawing(number: int) -> Any:
        def draw(figure: Any, ink: Ink) -> None:
            release.wait(60)
            drawn.append(number)

        return draw

    for number in range(5):
        view.show_figure(drawing(number))
    release.set()
    qtbot.waitUntil(lambda: 4 in drawn, timeout=60_000)
    assert drawn == [0, 4]


def test_a_figure_that_fails_leaves_the_next_one_its_place(view: FigureView, qtbot: Any) -> None:
    def fail(figure: Any, ink: Ink) -> None:
        raise ValueError("no")

    view.show_figure(fail)
    view.show_figure(diagonal)
    qtbot.waitUntil(lambda: view.image is not None, timeout=60_000)


def test_what_nobody_sees_is_drawn_once_it_is_seen(qtbot: Any) -> None:
    view = FigureView(100)
    qtbot.addWidget(view)
    view.show_figure(diagonal)
    assert not view._painter.is_busy
    view.show()
    qtbot.waitUntil(lambda: view.image is not None, timeout=60_000)
    view.clear()
    assert view.image is None


def test_ink_is_the_themes() -> None:
    ink = theme_ink()
    assert ink.text != ink.ground
    assert all(len(color) == 7 and np.char.startswith(color, "#") for color in (ink.text, ink.muted, ink.ground))
