from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coldstart.demo import files
from coldstart.plugin.sample_data import demo_folder

PLUGIN = "napari-coldstart"


@pytest.fixture
def small_demo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The demo set of a few images, in a cache of its own."""
    whole = files.write_demo_set
    monkeypatch.setattr(files, "write_demo_set", lambda folder: whole(folder, images=5, box_px=16))
    monkeypatch.setenv("COLDSTART_CACHE", str(tmp_path))
    return tmp_path


def test_samples_are_simulated_once(
    make_napari_viewer: Callable[[], Any], small_demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = make_napari_viewer()
    viewer.open_sample(PLUGIN, "demo")
    monkeypatch.delattr(files, "write_demo_set")
    viewer.open_sample(PLUGIN, "demo_map")
    images, volume = viewer.layers
    assert images.data.shape == (5, 1, 16, 16)
    assert volume.data.shape == (16, 16, 16)
    np.testing.assert_allclose(images.scale[1:], volume.scale)
    assert [path.name for path in small_demo.iterdir()] == [demo_folder().name]


def test_a_set_that_was_broken_off_is_made_again(small_demo: Path) -> None:
    folder = demo_folder()
    true = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "truth.mrc").unlink()
    assert {path.name: path.read_bytes() for path in demo_folder().iterdir()} == true


@pytest.mark.usefixtures("small_demo")
def test_the_files_menu_offers_the_samples(make_napari_viewer: Callable[[], Any]) -> None:
    from napari._app_model import get_app_model

    make_napari_viewer()
    menus = get_app_model().menus
    titles = {item.command.title for item in menus.get_menu("napari/file/samples/napari-coldstart")}
    assert any("Simulated particles" in title for title in titles)
