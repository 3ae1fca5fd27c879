"""The choice of a device."""

from typing import Any

import pytest

from coldstart.compute.device import DeviceInfo, choose_device
from coldstart.errors import DeviceError
from coldstart.plugin.devices import DeviceEditor, device_request, device_text, find_devices


def made_up(index: int, name: str, reason: str = "") -> DeviceInfo:
    figures = (8, 2000, 3 * 2**30, 2**30, True, 8)
    return DeviceInfo(index, index, 0, name, "Platform", "1", "1", "GPU", *figures, not reason, reason)


FOUND = (
    made_up(0, "Fast card"),
    made_up(1, "Twin"),
    made_up(2, "Twin"),
    made_up(3, "Old card", "it speaks OpenCL 1.1"),
)


@pytest.fixture
def editor(qtbot: Any) -> DeviceEditor:
    editor = DeviceEditor()
    qtbot.addWidget(editor)
    return editor


def test_each_device_says_what_it_is(editor: DeviceEditor) -> None:
    editor.fill(FOUND, FOUND[0])
    texts = [editor.choice.itemText(row) for row in range(editor.choice.count())]
    assert texts[0] == "Best: Fast card (GPU, 3.0 GiB)"
    assert texts[1] == "Fast card (GPU, 3.0 GiB)"
    assert "not usable: it speaks OpenCL 1.1" in texts[4]
    assert editor.value() is None


def test_devices_of_one_name_are_told_apart_by_number() -> None:
    assert [device_request(device, FOUND) for device in FOUND] == ["Fast card", "1", "2", "Old card"]


def test_several_devices_are_put_together_by_their_numbers(editor: DeviceEditor) -> None:
    editor.fill(FOUND, FOUND[0])
    assert editor.several.isVisibleTo(editor)
    first, _, third = editor.several.menu().actions()
    first.setChecked(True)
    assert editor.value() is None
    third.setChecked(True)
    assert editor.value() == "0,2"
    assert editor.choice.currentText() == "2 devices: Fast card (GPU, 3.0 GiB); Twin (GPU, 3.0 GiB)"
    first.setChecked(False)
    assert editor.value() is None
    editor.fill(FOUND[:1], FOUND[0])
    assert not editor.several.isVisibleTo(editor)


def test_a_request_made_before_the_devices_are_known_is_kept(editor: DeviceEditor) -> None:
    editor.set_value("Fast card")
    assert editor.value() == "Fast card"
    editor.fill(FOUND, FOUND[0])
    assert editor.value() == "Fast card"
    assert editor.choice.currentText() == "Fast card (GPU, 3.0 GiB)"


def test_a_request_for_what_is_not_there_is_kept_as_it_is(editor: DeviceEditor) -> None:
    editor.fill(FOUND, FOUND[0])
    editor.set_value("fast")
    assert editor.value() == "fast"
    editor.set_value(None)
    assert editor.value() is None


def test_no_device_is_said(editor: DeviceEditor) -> None:
    editor.fill((), None)
    assert editor.choice.currentText() == "No device found"


def test_the_devices_of_this_machine_are_found_and_their_requests_mean_them() -> None:
    try:
        best = choose_device()
    except DeviceError as error:
        pytest.skip(str(error))
    found, chosen = find_devices()
    assert chosen == best
    assert choose_device(device_request(best, found)) == best
    assert best.name in device_text(best)
