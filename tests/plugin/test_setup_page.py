"""The first page: presets and files of parameters."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coldstart.errors import OutputError, ParameterError, ParticleFileError
from coldstart.params import AbInitioParams
from coldstart.plugin.setup_page import SetupPage
from coldstart.presets import PRESETS, preset_of


@pytest.fixture
def page(make_napari_viewer: Callable[[], Any], qtbot: Any) -> SetupPage:
    page = SetupPage(make_napari_viewer())
    qtbot.addWidget(page)
    return page


def choose_preset(page: SetupPage, key: str) -> None:
    index = page.presets.findData(key)
    page.presets.setCurrentIndex(index)
    page.presets.activated.emit(index)


@pytest.mark.parametrize("key", [preset.key for preset in PRESETS])
def test_a_preset_sets_what_it_decides_and_leaves_the_rest(page: SetupPage, key: str) -> None:
    page.form.set_values({"classes": 3, "symmetry": "D2", "initial_iterations": 5})
    choose_preset(page, key)
    assert page.form.params() == AbInitioParams(classes=3, symmetry="D2", **preset_of(key).changes)


def test_the_preset_that_the_form_agrees_with_is_named(page: SetupPage) -> None:
    assert page.presets.currentText() == "Default"
    choose_preset(page, "small-protein")
    page.form.set_values({"seed": 4})
    assert page.presets.currentText() == "Small protein"
    page.form.set_values({"initial_minibatch": 299})
    assert page.presets.currentText() == "custom"
    page.form.set_values({"initial_minibatch": 300})
    assert page.presets.currentText() == "Small protein"
    assert page.presets.count() == len(PRESETS)


def test_parameters_go_through_a_file(page: SetupPage, tmp_path: Path) -> None:
    page.form.set_values({"classes": 3, "device": "GPU", "max_resolution_angstrom": 7.125})
    page.save_params(tmp_path / "params.json")
    page.form.set_values(AbInitioParams().model_dump())
    page.load_params(tmp_path / "params.json")
    assert page.form.params() == AbInitioParams(classes=3, device="GPU", max_resolution_angstrom=7.125)
    with pytest.raises(OutputError, match="nowhere"):
        page.save_params(tmp_path / "nowhere" / "params.json")


def test_a_file_that_names_some_parameters_leaves_the_others_at_their_defaults(page: SetupPage, tmp_path: Path) -> None:
    page.form.set_values({"classes": 3})
    (tmp_path / "some.json").write_text('{"seed": 5}')
    page.load_params(tmp_path / "some.json")
    assert page.form.params() == AbInitioParams(seed=5)


@pytest.mark.parametrize(
    ("content", "message"), [('{"classes": 0}', "Number of classes is 0, but must be"), ("{", "is not JSON")]
)
def test_a_file_that_is_refused_changes_nothing(page: SetupPage, tmp_path: Path, content: str, message: str) -> None:
    page.form.set_values({"seed": 5})
    (tmp_path / "bad.json").write_text(content)
    with pytest.raises(ParameterError, match=message):
        page.load_params(tmp_path / "bad.json")
    assert page.form.params() == AbInitioParams(seed=5)


def test_a_request_needs_particles_and_finds_an_output(page: SetupPage, tmp_path: Path) -> None:
    with pytest.raises(ParticleFileError, match="Choose a particle table"):
        page.request()
    page.input.particles.set_value(tmp_path / "p.star")
    page.input.output.set_value(None)
    request = page.request()
    assert request.output == tmp_path / "coldstart_001"
    assert request.data_root is None
