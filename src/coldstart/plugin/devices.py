"""The choice of a device, each with its kind and its memory, as `coldstart devices` lists them.

Drivers may take seconds to answer: they are asked in a thread, when the widget is opened and not before.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QMenu, QSizePolicy, QToolButton

from coldstart.errors import DeviceError
from coldstart.plugin.editors import Editor, ElidedComboBox, ignore_stray_wheel
from coldstart.report.text import bytes_text

if TYPE_CHECKING:
    from coldstart.compute.device import DeviceInfo

_LIST_MARGIN_PX = 40


class DeviceEditor(Editor):
    """What to ask for, as `--device` takes it: part of a name, or numbers; None for the best device.

    Where there are several devices, a menu beside the list puts them together.
    """

    def __init__(self) -> None:
        super().__init__()
        self.choice = ElidedComboBox()
        self.choice.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        ignore_stray_wheel(self.choice)
        self.row.addWidget(self.choice)
        self.several = QToolButton()
        self.several.setText("Several")
        self.several.setToolTip("Share the work of each iteration among several devices; the result is the same.")
        self.several.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.several.setMenu(QMenu(self.several))
        self.several.setVisible(False)
        self.row.addWidget(self.several)
        self.choice.addItem("Best device", None)
        self.choice.currentIndexChanged.connect(lambda _: self.changed.emit())

    def value(self) -> str | None:
        """The request."""
        request: str | None = self.choice.currentData()
        return request

    def set_value(self, value: str | None) -> None:
        """Choose what a request asks for; one that no listed device goes by is listed itself."""
        if self.choice.findData(value) < 0:
            self.choice.addItem(self._text_of(value), value)
        self.choice.setCurrentIndex(self.choice.findData(value))

    def fill(self, found: "Sequence[DeviceInfo]", best: "DeviceInfo | None") -> None:
        """List the devices."""
        wanted = self.value()
        with QSignalBlocker(self.choice):
            self.choice.clear()
            self.choice.addItem("No device found" if best is None else f"Best: {device_text(best)}", None)
            for device in found:
                self.choice.addItem(device_text(device), device_request(device, found))
                if not device.usable:
                    self._disable_last(device.reason)
            self._list_several([device for device in found if device.usable])
            self.set_value(wanted)
        self.choice.setToolTip(self.choice.currentText())
        listed = self.choice.view()
        listed.setMinimumWidth(listed.sizeHintForColumn(0) + _LIST_MARGIN_PX)

    def _list_several(self, usable: "list[DeviceInfo]") -> None:
        menu = self.several.menu()
        menu.clear()
        for device in usable:
            action = menu.addAction(device_text(device))
            action.setCheckable(True)
            action.setData(device.index)
            action.toggled.connect(self._put_together)
        self.several.setVisible(len(usable) > 1)

    def _put_together(self) -> None:
        numbers = [str(action.data()) for action in self.several.menu().actions() if action.isChecked()]
        self.set_value(",".join(numbers) if len(numbers) > 1 else None)

    def _text_of(self, request: str | None) -> str:
        """What a request asks for: the devices of its numbers, or the request as it is."""
        listed = {str(action.data()): action.text() for action in self.several.menu().actions()}
        numbers = [] if request is None else request.split(",")
        if len(numbers) > 1 and all(number in listed for number in numbers):
            return f"{len(numbers)} devices: {'; '.join(listed[number] for number in numbers)}"
        return f"As given: {request}"

    def _disable_last(self, reason: str) -> None:
        item: Any = self.choice.model().item(self.choice.count() - 1)
        item.setEnabled(False)
        item.setText(f"{item.text()} – not usable: {reason}")


def find_devices(threads: int | None = None) -> "tuple[tuple[DeviceInfo, ...], DeviceInfo | None]":
    """All devices, and the one that a run would take; None where there is none. This loads the OpenCL drivers.

    Parameters
    ----------
    threads : int or None
        Of the CPU device, which can be said only before the drivers are loaded.
    """
    from coldstart.compute.device import choose_device, list_devices, set_cpu_threads

    set_cpu_threads(threads)
    try:
        return list_devices(), choose_device()
    except DeviceError:
        return list_devices(), None


def device_text(device: "DeviceInfo") -> str:
    """A device as 'NVIDIA H100 (GPU, 79.1 GiB)'."""
    return f"{device.name} ({device.kind}, {bytes_text(device.global_bytes)})"


def device_request(device: "DeviceInfo", found: "Sequence[DeviceInfo]") -> str:
    """What asks for this device and no other: its name, or its number where another one has that name too."""
    namesakes = [other for other in found if device.name.lower() in other.name.lower()]
    return device.name if len(namesakes) == 1 else str(device.index)
