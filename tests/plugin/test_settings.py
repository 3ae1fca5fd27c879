"""Settings from one start to the next."""

import json
from pathlib import Path

import pytest

from coldstart.errors import OutputError
from coldstart.params import AbInitioParams, RunPlan
from coldstart.plugin.settings import Settings, load_settings, save_settings, settings_path


def test_what_is_saved_is_loaded() -> None:
    settings = Settings("/data/p.star", None, "/data/run", AbInitioParams(classes=4), RunPlan(starts=3))
    save_settings(settings)
    assert load_settings() == settings
    save_settings(Settings())
    assert load_settings() == Settings()


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"params": {"classes": 0}}', '{"params": {"clases": 1}}'])
def test_a_damaged_file_gives_the_defaults(content: str) -> None:
    settings_path().parent.mkdir(parents=True)
    settings_path().write_text(content)
    assert load_settings() == Settings()


def test_parameters_are_those_of_a_params_file() -> None:
    save_settings(Settings(params=AbInitioParams(seed=8)))
    record = json.loads(settings_path().read_text())
    assert AbInitioParams.model_validate(record["params"]) == AbInitioParams(seed=8)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COLDSTART_CONFIG", str(tmp_path / "file" / "below"))
    with pytest.raises(OutputError, match="below"):
        save_settings(Settings())
