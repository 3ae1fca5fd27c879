"""The first page: particles, output, preset and parameters; what is asked of a run, as one record."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from coldstart.errors import ColdstartError, ParameterError, ParticleFileError
from coldstart.io.params_file import read_params_file, write_params_file
from coldstart.params import AbInitioParams, RunPlan
from coldstart.plugin.editors import ignore_stray_wheel
from coldstart.plugin.form import ParameterForm, field_title, form_layout, row_label, section_title
from coldstart.plugin.input_section import InputSection
from coldstart.plugin.settings import Settings
from coldstart.presets import PRESETS, matching_preset, preset_of, preset_values
from coldstart.report.fields import refusals

if TYPE_CHECKING:
    from napari.viewer import Viewer

_JSON_FILTER = "Parameters (*.json)"
_SPACING_PX = 4


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a run is asked for."""

    particles: Path
    output: Path
    data_root: Path | None
    params: AbInitioParams
    plan: RunPlan


class SetupPage(QWidget):
    """What the user sets before a run."""

    changed = Signal()
    failed = Signal(str)

    def __init__(self, viewer: "Viewer") -> None:
        super().__init__()
        self.input, self.form = InputSection(viewer), ParameterForm()
        self.presets = QComboBox()
        for preset in PRESETS:
            self.presets.addItem(preset.title, preset.key)
            self.presets.setItemData(self.presets.count() - 1, preset.description, 3)  # the tooltip
        self.presets.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        ignore_stray_wheel(self.presets)
        self.load_button, self.save_button = QPushButton("Load …"), QPushButton("Save …")
        self.load_button.setToolTip("Take the parameters of a params.json, such as that of an earlier run")
        self.save_button.setToolTip("Write the parameters as a params.json, which `coldstart run --params` takes too")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setSpacing(_SPACING_PX)
        parts = (
            section_title("Input and output"), self.input, self.form.input_rows,
            section_title("Reconstruction"), self._preset_row(), self.form,
        )  # fmt: skip
        for widget in parts:
            layout.addWidget(widget)
        layout.addStretch()
        self.presets.activated.connect(self._apply_preset)
        self.load_button.clicked.connect(self._choose_file_to_load)
        self.save_button.clicked.connect(self._choose_file_to_save)
        self.form.changed.connect(self._form_changed)
        self.input.changed.connect(self.changed)
        self._form_changed()

    def request(self) -> RunRequest:
        """What is asked for.

        Raises
        ------
        ParticleFileError
            If no particles are chosen.
        ParameterError
            If two parameters contradict each other.
        """
        particles, output = self.input.particles.value(), self.input.output.value()
        if particles is None:
            raise ParticleFileError(
                "No particles are chosen. Choose a particle table (.star or .cs) or a stack under Particles."
            )
        if output is None:
            self.input.suggest_output()
            output = self.input.output.value()
        root = self.input.data_root.value()
        data_root = None if root is None else Path(root)
        return RunRequest(Path(particles), Path(str(output)), data_root, self.form.params(), self.form.plan())

    def problem(self) -> str:
        """What speaks against a run of these parameters; empty where nothing does."""
        try:
            self.form.plan()
        except ParameterError as error:
            return str(error)
        return ""

    def settings(self) -> Settings:
        """What is to be remembered.

        Raises
        ------
        ParameterError
            As `request`.
        """
        of = self.input
        paths = of.particles.value(), of.data_root.value(), of.output.value()
        return Settings(*paths, self.form.params(), self.form.plan())

    def apply(self, settings: Settings) -> None:
        """Show what was remembered; the output is suggested anew where that of last time is taken."""
        self.form.set_values({**settings.params.model_dump(), **settings.plan.model_dump()})
        self.input.data_root.set_value(settings.data_root)
        self.input.output.set_value(settings.output)
        self.input.particles.set_value(settings.particles)

    def load_params(self, path: Path) -> None:
        """Take the parameters of a file; those that it does not name keep their defaults.

        Raises
        ------
        ParameterError
            If it is no file of parameters.
        """
        try:
            params = AbInitioParams.model_validate(read_params_file(path))
        except ValidationError as error:
            raise ParameterError(refusals(error, lambda name: f"{path}: {field_title(name)}", str(path))) from None
        self.form.set_values(params.model_dump())

    def save_params(self, path: Path) -> None:
        """Write the parameters.

        Raises
        ------
        OutputError
            If the file cannot be written.
        ParameterError
            As `request`.
        """
        write_params_file(path, self.form.params())

    def _preset_row(self) -> QWidget:
        field = QWidget()
        row = QHBoxLayout(field)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.presets, 1)
        row.addWidget(self.load_button)
        row.addWidget(self.save_button)
        rows = QWidget()
        form_layout(rows).addRow(row_label("Preset", "<p>Parameters for common situations.</p>"), field)
        return rows

    def _apply_preset(self, index: int) -> None:
        key = self.presets.itemData(index)
        if key is not None:
            self.form.set_values(preset_values(preset_of(key)))

    def _form_changed(self) -> None:
        """Name the preset that the form agrees with; "custom" where it agrees with none."""
        preset = matching_preset(self.form.values())
        custom = self.presets.findText(_CUSTOM)
        if preset is not None:
            if custom >= 0:
                self.presets.removeItem(custom)
            self.presets.setCurrentIndex(self.presets.findData(preset.key))
        else:
            if custom < 0:
                self.presets.addItem(_CUSTOM, None)
            self.presets.setCurrentIndex(self.presets.findText(_CUSTOM))
        self.changed.emit()

    def _choose_file_to_load(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Load parameters", "", _JSON_FILTER)
        if path:
            self._try(self.load_params, Path(path))

    def _choose_file_to_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save parameters", "params.json", _JSON_FILTER)
        if path:
            self._try(self.save_params, Path(path))

    def _try(self, action: Callable[[Path], None], path: Path) -> None:
        try:
            action(path)
        except ColdstartError as error:
            self.failed.emit(str(error))


_CUSTOM = "custom"
