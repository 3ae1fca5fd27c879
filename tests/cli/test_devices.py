from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from coldstart.cli.main import main
from coldstart.compute import device
from coldstart.compute.device import DeviceInfo, choose_device
from coldstart.compute.tuning import is_tuned, keep_tuning, preset_tuning, tuning_for
from coldstart.engine import tune
from coldstart.engine.tune import Trial, TuningResult
from coldstart.errors import DeviceError


def info(index: int, name: str, kind: str, reason: str = "") -> DeviceInfo:
    platform = ("Platform", "OpenCL 1.2", "1")
    figures = (8, 2000, 3 * 2**30, 2**30, True, 8)
    return DeviceInfo(index, index, 0, name, *platform, kind, *figures, not reason, reason)


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache folder."""
    monkeypatch.setenv("COLDSTART_CACHE", str(tmp_path))
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, ["devices", *arguments])


def test_devices_are_listed_and_the_chosen_one_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    found = (info(0, "Old card", "GPU", "it speaks OpenCL 1.1"), info(1, "Processor", "CPU"))
    monkeypatch.setattr(device, "list_devices", lambda: found)
    monkeypatch.setattr(device, "choose_device", lambda request: found[1])
    result = invoke()
    lines = result.output.splitlines()
    old, chosen = (next(line for line in lines if name in line) for name in ("Old card", "Processor"))
    assert result.exit_code == 0
    assert "→" in chosen
    assert "3.0 GiB" in chosen
    assert "→" not in old
    assert "not usable: it speaks OpenCL 1.1" in old


def test_the_list_says_which_device_is_tuned(monkeypatch: pytest.MonkeyPatch) -> None:
    found = (info(0, "NVIDIA card", "GPU"), info(1, "Processor", "CPU"))
    monkeypatch.setattr(device, "list_devices", lambda: found)
    monkeypatch.setattr(device, "choose_device", lambda request: found[0])
    keep_tuning(found[1], preset_tuning(found[1]))
    lines = invoke().output.splitlines()
    card, processor = (next(line for line in lines if name in line) for name in ("NVIDIA card", "Processor"))
    assert "preset: NVIDIA GPU" in card
    assert "tuned here" in processor


def test_without_a_usable_device_the_list_is_shown_and_the_reason_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(request: str | None) -> DeviceInfo:
        raise DeviceError("no usable OpenCL device: install a driver")

    monkeypatch.setattr(device, "list_devices", lambda: (info(0, "Old card", "GPU", "it speaks OpenCL 1.1"),))
    monkeypatch.setattr(device, "choose_device", refuse)
    result = invoke()
    assert result.exit_code == 2
    assert "Old card" in result.stdout
    assert result.stderr == "Error: no usable OpenCL device: install a driver\n"


@pytest.mark.parametrize("named", [False, True])
def test_tuning_shows_what_was_tried_and_is_kept(monkeypatch: pytest.MonkeyPatch, cache: Path, named: bool) -> None:
    try:
        here = choose_device()
    except DeviceError as error:
        pytest.skip(str(error))
    preset = preset_tuning(here)
    best = replace(preset, score_rows=8, chunk=16)
    trials = (
        Trial("grid", best, 0.0123, 0.0, ""),
        Trial("grid", replace(best, score_rows=1), 0.02, 0.5, "gives other numbers"),
        Trial("cells", best, 0.004, 0.0, ""),
    )
    monkeypatch.setattr(tune, "measure_tuning", lambda session: TuningResult(preset, best, trials))
    result = invoke("--tune", *([str(here.index)] if named else []))
    assert result.exit_code == 0, result.output
    assert "12.30" in result.stdout
    assert "gives other numbers" in result.stdout
    assert str(cache / "tuning.json") in result.stdout
    assert is_tuned(here)
    assert tuning_for(here) == best


def test_a_device_that_is_not_there_is_not_tuned(cache: Path) -> None:
    result = invoke("--tune", "no such device")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert list(cache.iterdir()) == []
