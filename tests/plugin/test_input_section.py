"""Input and output of a run."""

from pathlib import Path
from typing import Any

import numpy as np

from coldstart.io.suffixes import PARTICLE_SUFFIXES
from coldstart.plugin.input_section import InputSection, suggested_output


def test_a_new_folder_beside_the_particles_is_suggested(viewer: Any, qtbot: Any, tmp_path: Path) -> None:
    section = InputSection(viewer)
    qtbot.addWidget(section)
    section.particles.set_value(tmp_path / "p.star")
    assert section.output.value() == str(tmp_path / "coldstart_001")
    (tmp_path / "coldstart_001").mkdir()
    assert suggested_output(tmp_path / "p.star") == tmp_path / "coldstart_001"
    (tmp_path / "coldstart_001" / "volume.mrc").touch()
    section.suggest_output()
    assert section.output.value() == str(tmp_path / "coldstart_002")


def test_a_folder_that_the_user_chose_is_kept_until_it_is_taken(viewer: Any, qtbot: Any, tmp_path: Path) -> None:
    section = InputSection(viewer)
    qtbot.addWidget(section)
    section.output.set_value(tmp_path / "mine")
    section.particles.set_value(tmp_path / "p.star")
    assert section.output.value() == str(tmp_path / "mine")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "volume.mrc").touch()
    section.suggest_output()
    assert section.output.value() == str(tmp_path / "coldstart_001")


def test_every_kind_of_file_that_a_run_takes_is_offered(viewer: Any, qtbot: Any) -> None:
    section = InputSection(viewer)
    qtbot.addWidget(section)
    first, any_file = str(section.particles.edit.filter).split(";;")
    assert set(first.removeprefix("Particles (").removesuffix(")").split()) == {f"*{end}" for end in PARTICLE_SUFFIXES}
    assert any_file == "All files (*)"


def test_a_layer_of_particles_can_be_taken(viewer: Any, qtbot: Any, tmp_path: Path) -> None:
    section = InputSection(viewer)
    qtbot.addWidget(section)
    assert not section.layers.isVisibleTo(section)
    viewer.add_image(np.zeros((4, 4)), name="other")
    layer = viewer.add_image(
        np.zeros((4, 4)), name="stack", metadata={"coldstart": {"particles_path": str(tmp_path / "p.star")}}
    )
    assert [section.layers.itemText(row) for row in range(section.layers.count())] == ["choose …", "stack"]
    section.layers.setCurrentIndex(1)
    section.layers.activated.emit(1)
    assert section.particles.value() == str(tmp_path / "p.star")
    viewer.layers.remove(layer)
    assert section.layers.count() == 1
