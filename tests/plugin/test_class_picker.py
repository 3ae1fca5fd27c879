"""Classes of a real run ticked, merged and discarded, and the table that comes of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from coldstart.io.class_picks import ClassPicks
from coldstart.io.opened_run import open_run
from coldstart.io.particle_table import load_particle_table
from coldstart.io.results import RunFolder
from coldstart.io.star_text import read_blocks
from coldstart.plugin.class_picker import ClassPicker

CLASS, COUNT = "rlnClassNumber", 120


def make_picker(qtbot: Any, run: Path, picks: ClassPicks) -> ClassPicker:
    opened = open_run(run)
    assert opened.table_path is not None
    picker = ClassPicker(opened, load_particle_table(opened.table_path), picks)
    qtbot.addWidget(picker)
    return picker


@pytest.fixture
def picker(qtbot: Any, finished_run: Path) -> Iterator[ClassPicker]:
    return make_picker(qtbot, finished_run, ClassPicks())


@pytest.fixture
def table(finished_run: Path) -> pd.DataFrame:
    return table_of(RunFolder(finished_run).table_path(2))


def table_of(path: Path) -> pd.DataFrame:
    return pd.DataFrame(dict(read_blocks(path)["particles"].columns))


def tick(picker: ClassPicker, row: int, *, on: bool) -> None:
    item = picker.rows.item(row, 0)
    assert item is not None
    item.setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)


def test_a_row_says_what_the_run_says_of_a_class(picker: ClassPicker, finished_run: Path) -> None:
    summary = RunFolder(finished_run).load_summary()
    for row, entry in enumerate(summary.classes):
        texts = [picker.rows.item(row, column).text() for column in range(3)]  # type: ignore[union-attr]
        assert texts[0] == str(entry.number)
        assert texts[1].startswith(f"{entry.particles}, ")
        assert texts[2] == f"{entry.resolution_angstrom:.1f} Å"
    assert f"<b>{COUNT}</b> of {COUNT}" in picker.count.text()


def test_discarded_classes_are_not_written(picker: ClassPicker, table: pd.DataFrame, tmp_path: Path) -> None:
    tick(picker, 0, on=False)
    of_two = (table[CLASS] == "2").to_numpy()
    assert 0 < of_two.sum() < COUNT
    np.testing.assert_array_equal(picker.kept, of_two)
    assert f"<b>{of_two.sum()}</b> of {COUNT}" in picker.count.text()
    assert picker.write_to(tmp_path / "kept.star") == of_two.sum()
    rest = [label for label in table if label != "rlnImageName"]
    written = table_of(tmp_path / "kept.star")[rest]
    assert written.to_numpy().tolist() == table[of_two][rest].to_numpy().tolist()


def test_nothing_kept_is_nothing_to_write(picker: ClassPicker) -> None:
    for row in (0, 1):
        tick(picker, row, on=False)
    assert not picker.kept.any()
    assert not picker.write.isEnabled()
    tick(picker, 1, on=True)
    assert picker.write.isEnabled()


def test_merged_classes_are_written_as_one(
    picker: ClassPicker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, messages: list[str]
) -> None:
    picker.write_as[1].setCurrentIndex(0)
    assert picker.picks.merged == ((1, 2),)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "merged"), ""))
    picker.write.click()
    assert messages == [f"{COUNT} particles written to {tmp_path / 'merged.star'}"]
    assert table_of(tmp_path / "merged.star")[CLASS].tolist() == ["1"] * COUNT
    picker.write_as[1].setCurrentIndex(1)
    assert picker.picks.merged == ()


def test_classes_join_and_leave_groups(qtbot: Any, run_copy: Path) -> None:
    """Four classes, the last two of them without particles."""
    for number in (3, 4):
        (run_copy / f"volume_class_{number}.mrc").write_bytes((run_copy / "volume_class_1.mrc").read_bytes())
    picker = make_picker(qtbot, run_copy, ClassPicks(merged=((3, 4),)))
    assert [choice.currentText() for choice in picker.write_as] == ["1", "2", "3", "3"]
    picker.merge(2, 4)
    assert picker.picks.merged == ((2, 3, 4),)
    picker.merge(3, 3)
    assert picker.picks.merged == ((2, 4),)
    picker.merge(4, 1)
    assert picker.picks.merged == ((1, 4),)
    assert [choice.currentText() for choice in picker.write_as] == ["1", "2", "3", "1"]


def test_what_is_said_to_be_kept_is_written(picker: ClassPicker, table: pd.DataFrame, tmp_path: Path) -> None:
    picker.min_posterior.setValue(0.9)
    picker.labels["low_confidence"].setChecked(False)
    expected = (table["coldstartClassPosterior"].astype(float) >= 0.9) & (table["coldstartLabel"] != "low_confidence")
    np.testing.assert_array_equal(picker.kept, expected.to_numpy())
    assert picker.write_to(tmp_path / "sure.star") == expected.sum()
    for box in picker.labels.values():
        box.setChecked(False)
    assert not picker.kept.any()


def test_the_other_hand_is_written_with_its_poses(picker: ClassPicker, finished_run: Path, tmp_path: Path) -> None:
    picker.other_hand = True
    picker.write_to(tmp_path / "flipped.star")
    flipped = table_of(RunFolder(finished_run).table_path(2, flipped=True))
    assert table_of(tmp_path / "flipped.star")["rlnAngleTilt"].tolist() == flipped["rlnAngleTilt"].tolist()


def test_a_refused_name_is_a_message(
    picker: ClassPicker, finished_run: Path, monkeypatch: pytest.MonkeyPatch, messages: list[str]
) -> None:
    own = RunFolder(finished_run).table_path(2)
    before = own.read_bytes()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(own), ""))
    picker.write.click()
    assert own.read_bytes() == before
    assert ["is the table that the particles come from" in message for message in messages] == [True]


def test_changed_input_is_refused_until_that_is_accepted_in_the_window(
    qtbot: Any, run_copy: Path, monkeypatch: pytest.MonkeyPatch, messages: list[str]
) -> None:
    picker = make_picker(qtbot, run_copy, ClassPicks())
    target = run_copy.parent / "kept.star"
    inputs = json.loads((run_copy / "inputs.json").read_text())
    inputs["files"][0]["bytes"] += 1
    (run_copy / "inputs.json").write_text(json.dumps(inputs))
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    assert not picker.accept_changes.isVisibleTo(picker)
    picker.write.click()
    assert not target.exists()
    assert "tick “Write though the input has changed”" in messages[-1]
    assert "--accept" not in messages[-1]
    assert picker.accept_changes.isVisibleTo(picker)
    picker.accept_changes.setChecked(True)
    picker.write.click()
    assert len(table_of(target)) == 120


def test_no_name_is_no_file(picker: ClassPicker, monkeypatch: pytest.MonkeyPatch, finished_run: Path) -> None:
    before = sorted(finished_run.iterdir())
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: ("", ""))
    picker.write.click()
    assert sorted(finished_run.iterdir()) == before


def test_picks_come_back(qtbot: Any, finished_run: Path) -> None:
    picks = ClassPicks(discarded=(2,), merged=((1, 2),), min_posterior=0.35, labels=("used",), other_hand=True)
    assert make_picker(qtbot, finished_run, picks).picks == picks
    of_another_run = ClassPicks(discarded=(7,), merged=((1, 7),))
    assert make_picker(qtbot, finished_run, of_another_run).picks == ClassPicks()
