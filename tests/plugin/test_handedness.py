from collections.abc import Callable
from typing import Any

import numpy as np

from coldstart.model.hand import flip_map
from coldstart.plugin.handedness import flip_handedness


def test_the_menu_flips_the_selected_map_in_place(
    make_napari_viewer: Callable[[], Any], rng: np.random.Generator
) -> None:
    from napari._app_model import get_app_model

    viewer = make_napari_viewer()
    volume = rng.normal(size=(8, 8, 8)).astype(np.float32)
    layer = viewer.add_image(volume, name="map")
    app = get_app_model()
    commands = [item.command.id for item in app.menus.get_menu("napari/layers/transform") if hasattr(item, "command")]
    assert "napari-coldstart.flip_handedness" in commands
    app.commands.execute_command("napari-coldstart.flip_handedness").result()
    np.testing.assert_array_equal(layer.data, flip_map(volume, 0))
    assert layer.name == "map (other hand)"
    flip_handedness(layer)
    np.testing.assert_array_equal(layer.data, volume)
    assert layer.name == "map"


def test_images_have_no_hand(make_napari_viewer: Callable[[], Any]) -> None:
    viewer = make_napari_viewer()
    layer = viewer.add_image(np.eye(4))
    flip_handedness(layer)
    np.testing.assert_array_equal(layer.data, np.eye(4))
