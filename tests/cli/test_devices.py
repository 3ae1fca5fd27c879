import pytest
from click.testing import CliRunner

from coldstart.cli.main import main
from coldstart.compute import device
from coldstart.compute.device import DeviceInfo
from coldstart.errors import DeviceError


def info(index: int, name: str, kind: str, reason: str = "") -> DeviceInfo:
    platform = ("Platform", "OpenCL 1.2", "1")
    figures = (8, 2000, 3 * 2**30, 2**30, True, 8)
    return DeviceInfo(index, index, 0, name, *platform, kind, *figures, not reason, reason)


def test_devices_are_listed_and_the_chosen_one_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    found = (info(0, "Old card", "GPU", "it speaks OpenCL 1.1"), info(1, "Processor", "CPU"))
    monkeypatch.setattr(device, "list_devices", lambda: found)
    monkeypatch.setattr(device, "choose_device", lambda request: found[1])
    result = CliRunner(env={"COLUMNS": "160"}).invoke(main, ["devices"])
    lines = result.output.splitlines()
    old, chosen = (next(line for line in lines if name in line) for name in ("Old card", "Processor"))
    assert result.exit_code == 0
    assert "→" in chosen
    assert "3.0 GiB" in chosen
    assert "→" not in old
    assert "not usable: it speaks OpenCL 1.1" in old


def test_without_a_usable_device_the_list_is_shown_and_the_reason_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(request: str | None) -> DeviceInfo:
        raise DeviceError("no usable OpenCL device: install a driver")

    monkeypatch.setattr(device, "list_devices", lambda: (info(0, "Old card", "GPU", "it speaks OpenCL 1.1"),))
    monkeypatch.setattr(device, "choose_device", refuse)
    result = CliRunner(env={"COLUMNS": "160"}).invoke(main, ["devices"])
    assert result.exit_code == 2
    assert "Old card" in result.stdout
    assert result.stderr == "Error: no usable OpenCL device: install a driver\n"
