"""The form: every field once, nothing outside its range, and exactly what was set comes back."""

from typing import Any

import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from coldstart.errors import ParameterError
from coldstart.params import AbInitioParams, RunPlan
from coldstart.plugin.editors import FieldEditor, SymmetryEditor
from coldstart.plugin.form import ParameterForm, field_tooltip


@pytest.fixture
def form(qtbot: Any) -> ParameterForm:
    form = ParameterForm()
    qtbot.addWidget(form)
    qtbot.addWidget(form.input_rows)
    return form


def editor_of(qtbot: Any, name: str) -> FieldEditor:
    editor = FieldEditor(name)
    qtbot.addWidget(editor)
    return editor


def test_an_untouched_form_is_the_defaults(form: ParameterForm) -> None:
    assert form.params() == AbInitioParams()
    assert set(form.editors) == set(AbInitioParams.model_fields)


OTHER_VALUES = AbInitioParams(
    classes=7,
    particles_to_use=1234,
    initial_resolution_angstrom=33.123456789,
    max_resolution_angstrom=7.0005,
    initial_minibatch=90,
    symmetry="I3",
    class_similarity=0.0,
    all_particles=True,
    seed=2**63 - 1,
    pixel_size_angstrom=1.0605,
    ctf=False,
    initial_volume="/maps/start.mrc",
    invert=True,
    window_inner_radius=1e-05,
    fourier_radius_step=0.0001,
    noise_model="white",
    noise_initial_scale=1.5,
    target_ess_fraction=0.5,
    device="1:0",
    threads=3,
)


def test_what_is_set_comes_back_exactly(form: ParameterForm) -> None:
    form.set_values(OTHER_VALUES.model_dump())
    assert form.params() == OTHER_VALUES
    form.set_values(AbInitioParams().model_dump())
    assert form.params() == AbInitioParams()


@pytest.mark.parametrize(
    ("name", "typed", "kept"),
    [
        ("classes", "0", 1),
        ("classes", "101", 100),
        ("class_similarity", "1.5", 1.0),
        ("learning_rate", "0", 0.4),
        ("max_resolution_angstrom", "0", 12.0),
        ("bound_sigmas", "80", 8.0),
        ("seed", "-4", 0),
    ],
)
def test_a_number_outside_its_range_cannot_be_typed(qtbot: Any, name: str, typed: str, kept: float) -> None:
    editor = editor_of(qtbot, name)
    line = editor.widget.native.lineEdit()
    line.selectAll()
    QTest.keyClicks(line, typed)
    QTest.keyClick(line, Qt.Key.Key_Return)
    assert editor.value() == kept


def test_a_field_left_open_is_none_until_auto_is_unticked(qtbot: Any) -> None:
    editor = editor_of(qtbot, "pixel_size_angstrom")
    assert editor.value() is None
    assert not editor.widget.native.isVisibleTo(editor)
    assert editor.auto is not None
    editor.auto.value = False
    assert editor.value() == 1.0
    assert editor.widget.native.isVisibleTo(editor)
    editor.set_value(None)
    assert editor.value() is None


def test_units_are_beside_the_numbers(form: ParameterForm) -> None:
    editors = form.editors
    assert isinstance(editors["max_resolution_angstrom"], FieldEditor)
    assert editors["max_resolution_angstrom"].unit.text() == "Å"
    assert isinstance(editors["initial_minibatch"], FieldEditor)
    form.set_values({"initial_minibatch": 90})
    assert editors["initial_minibatch"].unit.text() == "images"


def test_a_number_that_is_chosen_says_so(qtbot: Any) -> None:
    editor = FieldEditor("final_minibatch")
    qtbot.addWidget(editor)
    assert editor.value() == 0
    assert editor.unit.text() == "automatic"
    editor.widget.native.setValue(300)
    assert editor.unit.text() == "images"
    editor.set_value(0)
    assert editor.unit.text() == "automatic"


def test_tooltips_say_what_a_field_does_and_what_it_may_be() -> None:
    tip = field_tooltip("classes")
    assert str(AbInitioParams.model_fields["classes"].description) in tip
    assert "A whole number from 1 to 100" in tip
    assert "Default: 1." in tip
    assert "Default" not in field_tooltip("threads")


def test_what_differs_from_its_default_is_bold(form: ParameterForm) -> None:
    form.set_values({"classes": 2})
    assert form._labels["classes"].font().bold()
    assert not form._labels["symmetry"].font().bold()
    form.set_values({"classes": 1})
    assert not form._labels["classes"].font().bold()


def test_values_that_contradict_each_other_are_told_in_words(form: ParameterForm) -> None:
    form.set_values({"class_similarity_start": 400, "class_similarity_end": 300})
    with pytest.raises(ParameterError, match="must not start to fall after"):
        form.params()


def test_a_change_by_hand_is_told_once(form: ParameterForm) -> None:
    told: list[bool] = []
    form.changed.connect(lambda: told.append(True))
    form.editors["classes"].widget.value = 3  # type: ignore[attr-defined]
    assert told == [True]
    form.set_values({"classes": 4, "seed": 2, "symmetry": "D3"})
    assert len(told) == 2


@pytest.mark.parametrize("name", ["C1", "C12", "D7", "T", "O", "I", "I1", "I4"])
def test_symmetries_come_back(qtbot: Any, name: str) -> None:
    editor = SymmetryEditor()
    qtbot.addWidget(editor)
    editor.set_value(name.lower())
    assert editor.value() == name
    AbInitioParams(symmetry=editor.value())


def test_the_wheel_scrolls_the_form_and_changes_nothing(form: ParameterForm, qtbot: Any) -> None:
    editor = form.editors["classes"]
    assert isinstance(editor, FieldEditor)
    point = QPoint(5, 5)
    event = QWheelEvent(
        QPointF(point),
        QPointF(point),
        QPoint(0, 0),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(editor.widget.native, event)
    assert editor.value() == 1


def test_the_plan_is_asked_for_beside_the_parameters(form: ParameterForm) -> None:
    assert form.plan() == RunPlan()
    form.set_values({"classes": 2, "most_classes": 4})
    assert [job.classes for job in form.plan().jobs(form.params())] == [2, 3, 4]
    form.set_values({"most_classes": 1})
    with pytest.raises(ParameterError, match="2 classes up to 1 are none"):
        form.plan()
    form.set_values({"most_classes": 3, "starts": 4})
    with pytest.raises(ParameterError, match="several starts take one number of classes"):
        form.plan()
    form.set_values({"most_classes": None})
    assert form.plan() == RunPlan(starts=4)
