"""The form of the parameters: a row for every field of `AbInitioParams`, the common ones first, the others folded.

The fields of `RunPlan` stand behind those of the common ones that they go with.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from magicgui.types import FileDialogMode
from pydantic import ValidationError
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QFormLayout, QFrame, QLabel, QVBoxLayout, QWidget
from superqt import QCollapsible

from coldstart.errors import ParameterError
from coldstart.io.suffixes import MAP_SUFFIXES
from coldstart.params import COMMON, COMPUTE, INPUT, AbInitioParams, RunPlan, field_info
from coldstart.plugin.devices import DeviceEditor
from coldstart.plugin.editors import Editor, FieldEditor, PathEditor, SymmetryEditor, file_filter
from coldstart.plugin.figure_view import theme_ink
from coldstart.report.fields import allowed_values, refusals
from coldstart.report.parameters import fields_by_group, value_text

_WITH_THE_INPUT = ("pixel_size_angstrom", "ctf")
_WITH_THE_COMMON = ("device",)
_PLANNED = {"classes": "most_classes", "seed": "starts"}
"""Common field -> field of the plan that stands behind it."""
_TITLES = {INPUT: "Images", COMPUTE: "Processor"}
"""Of groups whose main part is shown with the input or with the common fields."""
_LABEL_WIDTH_PX = 150
_ROW_SPACING_PX = 3


class ParameterForm(QWidget):
    """The parameters as a form: the common ones and the folded groups.

    Those that belong beside the particles are on `input_rows`, which the owner of the form places.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.editors: dict[str, Editor] = {name: _make_editor(name) for name in AbInitioParams.model_fields}
        self.plan_editors: dict[str, Editor] = {name: FieldEditor(name) for name in RunPlan.model_fields}
        self._all = {**self.editors, **self.plan_editors}
        self._labels: dict[str, QLabel] = {name: _make_label(name) for name in self._all}
        groups = fields_by_group()
        self.input_rows = self._rows(_WITH_THE_INPUT)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        common = [row for name in groups.pop(COMMON) for row in (name, _PLANNED.get(name, "")) if row]
        layout.addWidget(self._rows((*common, *_WITH_THE_COMMON)))
        self.folded = folded_section("Advanced")
        for group, names in groups.items():
            section = folded_section(_TITLES.get(group, group))
            section.addWidget(self._rows(name for name in names if name not in _WITH_THE_INPUT + _WITH_THE_COMMON))
            self.folded.addWidget(section)
        layout.addWidget(self.folded)
        for editor in self._all.values():
            editor.changed.connect(self._changed)

    @property
    def devices(self) -> DeviceEditor:
        """The editor of the device."""
        editor = self.editors["device"]
        assert isinstance(editor, DeviceEditor)
        return editor

    def values(self) -> dict[str, Any]:
        """What the form shows, field by field."""
        return {name: editor.value() for name, editor in self.editors.items()}

    def set_values(self, values: Mapping[str, Any]) -> None:
        """Show these values, of parameters or of the plan, and leave the other fields as they are."""
        with QSignalBlocker(self):
            for name, value in values.items():
                self._all[name].set_value(value)
        self._changed()

    def params(self) -> AbInitioParams:
        """The parameters.

        Raises
        ------
        ParameterError
            If two of them contradict each other.
        """
        try:
            return AbInitioParams.model_validate(self.values())
        except ValidationError as error:
            raise ParameterError(refusals(error, field_title, "the form")) from None

    def plan(self) -> RunPlan:
        """How many runs are asked for.

        Raises
        ------
        ParameterError
            If that contradicts itself or the parameters.
        """
        values = {name: editor.value() for name, editor in self.plan_editors.items()}
        try:
            plan = RunPlan.model_validate(values)
            plan.jobs(self.params())
        except ValidationError as error:
            raise ParameterError(refusals(error, field_title, "the form")) from None
        except ValueError as error:
            raise ParameterError(str(error)) from None
        return plan

    def _rows(self, names: Iterable[str]) -> QWidget:
        rows = QWidget()
        layout = form_layout(rows)
        for name in names:
            layout.addRow(self._labels[name], self._all[name])
        return rows

    def _changed(self) -> None:
        """Set what differs from its default in bold, and say that something changed."""
        for name, editor in self._all.items():
            font = self._labels[name].font()
            font.setBold(editor.value() != field_info(name).default)
            self._labels[name].setFont(font)
        self.changed.emit()


def form_layout(parent: QWidget) -> QFormLayout:
    """Rows of a label and a field, without a margin."""
    layout = QFormLayout(parent)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setVerticalSpacing(_ROW_SPACING_PX)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    layout.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    return layout


def row_label(text: str, tooltip: str) -> QLabel:
    """The label of a row; all are of one width, so that fields stand in one column."""
    label = QLabel(text)
    label.setToolTip(tooltip)
    label.setWordWrap(True)
    label.setFixedWidth(_LABEL_WIDTH_PX)
    return label


def section_title(text: str) -> QLabel:
    """The title of a part of the form, over a line; bold is kept for what differs from its default."""
    title = QLabel(text)
    title.setStyleSheet(f"QLabel {{ border-bottom: 1px solid {theme_ink().muted}; padding: 2px 0; }}")
    font = title.font()
    font.setPointSizeF(1.1 * font.pointSizeF())
    title.setFont(font)
    return title


def folded_section(title: str) -> QCollapsible:
    """A section that opens at a click on its title."""
    section = QCollapsible()
    section.setFrameShape(QFrame.Shape.NoFrame)
    section.setDuration(0)
    section.setExpandedIcon(QIcon())
    section.setCollapsedIcon(QIcon())
    section.setText(f"▸ {title}")
    section.toggled.connect(lambda is_open: section.setText(f"{'▾' if is_open else '▸'} {title}"))
    section.layout().setContentsMargins(0, 0, 0, 0)
    section.content().layout().setContentsMargins(6, 2, 0, 4)
    section.toggleButton().setStyleSheet("QPushButton { background: transparent; text-align: left; padding: 4px 0; }")
    return section


def field_title(name: str) -> str:
    """The title of a field."""
    return str(field_info(name).title)


def field_tooltip(name: str) -> str:
    """What a field does, what it may be, and what it is by default."""
    field = field_info(name)
    default = "" if field.default is None else f"Default: {value_text(name, field.default)}."
    allowed = allowed_values(name)
    return f"<p>{field.description}</p><p>{allowed[0].upper()}{allowed[1:]}. {default}</p>"


def _make_editor(name: str) -> Editor:
    if name == "symmetry":
        return SymmetryEditor()
    if name == "device":
        return DeviceEditor()
    if name == "initial_volume":
        return PathEditor(FileDialogMode.EXISTING_FILE, file_filter("Maps", MAP_SUFFIXES), placeholder="random start")
    return FieldEditor(name)


def _make_label(name: str) -> QLabel:
    return row_label(field_title(name), field_tooltip(name))
