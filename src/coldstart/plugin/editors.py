"""Widgets that edit one value each, and let nothing be entered that the parameters would refuse.

What a field may be comes from `params.py`, by way of `report.fields`; magicgui makes the widgets.
"""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from magicgui.types import FileDialogMode
from magicgui.widgets import CheckBox, FileEdit, create_widget
from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtGui import QPaintEvent
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QSpinBox,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QWidget,
)

from coldstart.params import field_info
from coldstart.report.fields import FieldRange, field_choices, field_kind, field_range, is_optional
from coldstart.report.parameters import field_note

_WIDTH_PX = 116
_NARROWEST_PX = 60
_TEXT_MARGIN_PX = 10
_LARGEST_INT = 2**53
_LARGEST_FLOAT = 1e12
_EXTRA_DECIMALS = 1
"""More than the default of a field has."""
_DECIMALS_WITHOUT_DEFAULT = 4
_MOST_DECIMALS = 12


class Editor(QWidget):
    """Base of the editors: a value, and a signal when the user changes it."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.row = QHBoxLayout(self)
        self.row.setContentsMargins(0, 0, 0, 0)

    def value(self) -> Any:
        """The value as `AbInitioParams` takes it."""
        raise NotImplementedError

    def set_value(self, value: Any) -> None:
        """Show a value."""
        raise NotImplementedError


class ElidedComboBox(QComboBox):
    """A list whose current text ends in dots where there is no room for all of it."""

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw as any other list."""
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        style, part = self.style(), QStyle.SubControl.SC_ComboBoxEditField
        room = style.subControlRect(QStyle.ComplexControl.CC_ComboBox, option, part, self).width() - _TEXT_MARGIN_PX
        option.currentText = self.fontMetrics().elidedText(option.currentText, Qt.TextElideMode.ElideRight, room)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)


class FieldEditor(Editor):
    """The editor of a field: a number, a choice, a text or a tick, with its unit, and a tick where it may be left open.

    Parameters
    ----------
    name : str
        Field of `AbInitioParams` or `RunPlan`.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._kind, self._range = field_kind(name), field_range(name)
        default = field_info(name).default
        self._decimals = _DECIMALS_WITHOUT_DEFAULT if default is None else _decimals(default) + _EXTRA_DECIMALS
        self._exact: tuple[Any, Any] | None = None
        self.auto = CheckBox(text=field_note(name, "left_open"), value=True) if is_optional(name) else None
        if self.auto is not None:
            self.row.addWidget(self.auto.native)
            self.auto.changed.connect(self._auto_changed)
        self.widget = self._make_widget(name)
        self.row.addWidget(self.widget.native)
        self._unit, self._zero = field_note(name, "unit"), field_note(name, "zero")
        self.unit = QLabel(self._unit)
        self.row.addWidget(self.unit)
        self.row.addStretch()
        ignore_stray_wheel(self.widget.native)
        self.widget.changed.connect(lambda _: self._show_unit())
        self.set_value(default)
        self._show_unit()
        self.widget.changed.connect(lambda _: self.changed.emit())

    def value(self) -> Any:
        """The value; None where it is left open. A value that was set is given back exactly, until it is edited."""
        if self.auto is not None and self.auto.value:
            return None
        shown = self.widget.value
        return self._exact[0] if self._exact is not None and self._exact[1] == shown else shown

    def set_value(self, value: Any) -> None:
        """Show a value that the field accepts."""
        if self.auto is not None:
            self.auto.value = value is None
            self._show_number()
        if value is None:
            return
        if self._kind is float:
            self._fit(value)
        if self._kind in (int, float):
            self.widget.native.setValue(value)
        else:
            self.widget.value = value
        self._exact = (value, self.widget.value)

    def _make_widget(self, name: str) -> Any:
        options: dict[str, Any] = {}
        if self._kind in (int, float):
            options = dict(zip(("min", "max"), self._limits(), strict=True))
        widget: Any = create_widget(annotation=self._kind, name=name, options=options)
        if self.auto is not None and options:
            widget.value = max(1, options["min"])  # where a field that was left open starts
        if self._kind is float:
            widget.native.setDecimals(self._decimals)
            widget.step = 10.0 ** -max(self._decimals - _EXTRA_DECIMALS, 0)
        if self._kind is bool:
            widget.text = ""
        else:
            widget.native.setFixedWidth(_WIDTH_PX)
        if choices := field_choices(name):
            widget.choices = choices
        return widget

    def _limits(self) -> tuple[Any, Any]:
        """The least and the largest number that can be entered."""
        limits: FieldRange = self._range
        if self._kind is int:
            low = 0 if limits.low is None else int(limits.low) + (not limits.low_included)
            high = _LARGEST_INT if limits.high is None else int(limits.high) - (not limits.high_included)
            return low, high
        nearest = 10.0**-self._decimals
        lowest = -_LARGEST_FLOAT if limits.low is None else limits.low + (0.0 if limits.low_included else nearest)
        highest = _LARGEST_FLOAT if limits.high is None else limits.high - (0.0 if limits.high_included else nearest)
        return lowest, highest

    def _fit(self, value: float) -> None:
        """Show as many decimals as a value has, and so allow for numbers as near to an open limit."""
        needed = min(_decimals(value), _MOST_DECIMALS)
        if needed > self._decimals:
            self._decimals = needed
            self.widget.native.setDecimals(needed)
            self.widget.min, self.widget.max = self._limits()

    def _show_unit(self) -> None:
        """The unit, or that the program chooses."""
        self.unit.setText(self._zero if self._zero and self.widget.value == 0 else self._unit)

    def _auto_changed(self) -> None:
        self._show_number()
        self.changed.emit()

    def _show_number(self) -> None:
        """Show a number only where there is one."""
        is_open = self.auto is not None and bool(self.auto.value)
        self.widget.native.setVisible(not is_open)
        self.unit.setVisible(not is_open)


class SymmetryEditor(Editor):
    """A point group: its kind, and the number of the axis where the kind has one."""

    _KINDS = ("C", "D", "T", "O", "I", "I1", "I2", "I3", "I4")
    _NUMBERED = ("C", "D")

    def __init__(self) -> None:
        super().__init__()
        self.kind, self.fold = QComboBox(), QSpinBox()
        self.kind.addItems(self._KINDS)
        self.fold.setRange(1, 99)
        for widget in (self.kind, self.fold):
            widget.setFixedWidth(_WIDTH_PX)
            self.row.addWidget(widget)
            ignore_stray_wheel(widget)
        self.row.addStretch()
        self.kind.currentTextChanged.connect(self._kind_changed)
        self.fold.valueChanged.connect(lambda _: self.changed.emit())

    def value(self) -> str:
        """The name of the group."""
        kind = self.kind.currentText()
        return f"{kind}{self.fold.value()}" if kind in self._NUMBERED else kind

    def set_value(self, value: str) -> None:
        """Show the group of a name."""
        name = value.strip().upper()
        if name in self._KINDS[2:]:
            self.kind.setCurrentText(name)
        else:
            self.kind.setCurrentText(name[0])
            self.fold.setValue(int(name[1:]))

    def _kind_changed(self, kind: str) -> None:
        self.fold.setVisible(kind in self._NUMBERED)
        self.changed.emit()


def file_filter(kind: str, suffixes: Sequence[str]) -> str:
    """Kinds of files for a dialogue: those whose names end so, and any."""
    return f"{kind} ({' '.join(f'*{suffix}' for suffix in suffixes)});;All files (*)"


class PathEditor(Editor):
    """A path, typed or chosen; None where it is empty.

    Parameters
    ----------
    mode : FileDialogMode
        For a file that is there, or a folder.
    file_filter : str, optional
        Kinds of files that the dialogue offers.
    placeholder : str
        What an empty field says.
    """

    def __init__(self, mode: FileDialogMode, file_filter: str | None = None, placeholder: str = "") -> None:
        super().__init__()
        self.edit = FileEdit(mode=mode, filter=file_filter, nullable=True)
        self.edit.choose_btn.text = "Browse …"
        self.edit.line_edit.native.setMinimumWidth(_NARROWEST_PX)
        self.edit.line_edit.native.setPlaceholderText(placeholder)
        self.row.addWidget(self.edit.native)
        self.edit.changed.connect(lambda _: self.changed.emit())

    def value(self) -> str | None:
        """The path as text, absolute."""
        path = self.edit.value
        return str(path.expanduser().absolute()) if isinstance(path, Path) else None

    def set_value(self, value: str | Path | None) -> None:
        """Show a path."""
        self.edit.value = None if value is None else Path(value)


class _WheelGuard(QObject):
    """Keeps the wheel for scrolling, unless the widget was clicked before."""

    def eventFilter(self, watched: QWidget, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Wheel and not watched.hasFocus():
            event.ignore()
            return True
        return False


def ignore_stray_wheel(widget: QWidget) -> None:
    """Let a widget in a scrolled form change by the wheel only once it has the focus."""
    if isinstance(widget, (QAbstractSpinBox, QComboBox)):
        widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        widget.installEventFilter(_WheelGuard(widget))


def _decimals(value: Any) -> int:
    """Digits behind the point of a number; 0 for what is none."""
    if not isinstance(value, float):
        return 0
    exponent = Decimal(repr(value)).normalize().as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0
