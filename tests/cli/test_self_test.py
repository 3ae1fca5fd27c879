import json
import math

import pytest
from click.testing import CliRunner, Result

from coldstart.cli.main import main
from coldstart.cli.self_test import self_test_text
from coldstart.compute.device import DeviceInfo, list_devices
from coldstart.compute.tuning import Tuning
from coldstart.engine.selftest import check
from coldstart.engine.selftest.check import DeviceCheck, KernelCheck

DEVICE = DeviceInfo(
    0, 0, 0, "Card", "Maker", "OpenCL 3.0", "1.2.3", "GPU", 80, 1500, 8 * 2**30, 2**31, False, 1, True, ""
)
VERSIONS = {"coldstart": "1.0", "Python": "3.12.1", "numpy": "2.1", "pyopencl": "2025.1", "system": "Linux-6"}
AGREES = KernelCheck(("count", "write"), "lists.cl", "agrees", 1.5e-7, 0.05)
FAILURES = (
    KernelCheck(("turn",), "grid.cl", "differs", 0.25, 2500.0),
    KernelCheck(("score",), "score.cl", "does not compile", math.nan, math.nan, "score.cl:7: error"),
)
TUNING = Tuning(1, 4, 16, 0, 1, True)

REPORT = """\
Software  coldstart 1.0, Python 3.12.1, numpy 2.1, pyopencl 2025.1
System    Linux-6
Device    Card, GPU, 80 units at 1500 MHz
Platform  Maker, OpenCL 3.0
Driver    1.2.3
Memory    8.0 GiB, 2.0 GiB in one buffer
Kernels   vector_width 1, score_rows 4, chunk 16, muladd 0, copies 1, atomic 1
Speed     123.4 GB/s in a copy, 5678 GFLOP/s

Kernels       File      Result            Largest error  Of tolerance
count, write  lists.cl  agrees            1.5e-07        5%
turn          grid.cl   differs           2.5e-01        250000%
score         score.cl  does not compile

score: score.cl:7: error

2 of 4 kernels are not right: do not trust results of this device."""


def test_the_report_can_be_pasted() -> None:
    assert self_test_text(DeviceCheck(DEVICE, TUNING, (AGREES, *FAILURES), 123.4, 5678.0), VERSIONS) == REPORT


def test_the_report_of_a_device_that_is_right() -> None:
    lines = self_test_text(DeviceCheck(DEVICE, TUNING, (AGREES,), None, None), VERSIONS).splitlines()
    assert lines[-1] == "All 2 kernels agree with NumPy."
    assert "Speed     not measured" in lines


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[KernelCheck]:
    """What a check finds, in place of what it would; it is still made on a real device."""
    if not any(info.usable for info in list_devices()):
        pytest.skip("there is no usable OpenCL device")
    found = [AGREES]
    monkeypatch.setattr(
        check, "check_device", lambda session: DeviceCheck(session.info, session.tuning, tuple(found), 1.0, 2.0)
    )
    return found


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["devices", *arguments])


def test_exit_code_and_text(checked: list[KernelCheck]) -> None:
    result = invoke("--check")
    assert result.exit_code == 0
    assert "All 2 kernels agree" in result.stdout
    checked += FAILURES
    result = invoke("--check", "0")
    assert result.exit_code == 1
    assert "2 of 4 kernels are not right" in result.stdout


def test_json(checked: list[KernelCheck]) -> None:
    checked += (*FAILURES, KernelCheck(("cut",), "cut.cl", "differs", math.inf, math.inf))
    result = invoke("--check", "--json")
    assert result.exit_code == 1
    record = json.loads(result.stdout, parse_constant=pytest.fail)
    assert record["all_agree"] is False
    assert record["kernels"][0] == {
        "kernels": ["count", "write"], "file": "lists.cl", "result": "agrees", "largest_error": 1.5e-7,
        "of_tolerance": 0.05, "message": "",
    }  # fmt: skip
    assert record["kernels"][2]["largest_error"] is None
    assert record["kernels"][3]["of_tolerance"] is None
    assert record["device"]["platform"]
    assert record["versions"]["numpy"]


def test_a_device_that_is_not_there_is_not_checked() -> None:
    result = invoke("--check", "no such device")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")


def test_json_is_for_a_check() -> None:
    assert invoke("--json").exit_code == 2
