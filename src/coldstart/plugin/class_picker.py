"""Choosing what goes on to the next program: classes ticked, merged and discarded, and the kept particles written."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from coldstart.api import kept_particles, pick_particles
from coldstart.errors import ChangedInputError, ColdstartError
from coldstart.io.class_picks import ClassPicks
from coldstart.io.opened_run import OpenedRun
from coldstart.io.particle_table import ParticleTable
from coldstart.io.star_columns import CLASS_POSTERIOR, LABEL, PARTICLE_LABELS
from coldstart.plugin.map_layer import class_color
from coldstart.plugin.notify import tell_error
from coldstart.plugin.run_words import class_cells

_COLUMNS = ("Class", "Particles", "Resolution", "Remarks", "Write as")
_KINDS = "RELION particles (*.star);;cryoSPARC dataset (*.cs)"
_HINT = (
    "Untick a class to discard it. Give classes one number to merge them: their particles are written as one class, "
    "each with its pose on its own map. These maps lie in different frames, so let the next program search all poses "
    "anew."
)
_WRITE_AS = len(_COLUMNS) - 1
_STATES = (Qt.CheckState.Unchecked, Qt.CheckState.Checked)


class ClassPicker(QWidget):
    """A row a class, the other criteria below it, and the button that writes.

    Parameters
    ----------
    run : OpenedRun
    table : ParticleTable
    picks : ClassPicks
        What to begin with.
    """

    changed = Signal()
    """Something else is to be kept."""

    def __init__(self, run: OpenedRun, table: ParticleTable, picks: ClassPicks) -> None:
        super().__init__()
        self._run, self._table = run, table
        self._classes = _class_numbers(run, table)
        self._groups = [group for group in picks.merged if set(group) <= set(self._classes)]
        self.other_hand = picks.other_hand
        self.rows = self._make_rows(picks)
        self.write_as = [self._make_choice(row) for row in range(len(self._classes))]
        self.min_posterior = self._make_least_posterior(picks)
        self.labels = self._make_labels(picks)
        self.accept_changes = QCheckBox("Write though the input has changed")
        self.accept_changes.setToolTip("The particle table or a stack is not what it was when the run began.")
        self.accept_changes.setVisible(False)
        self.count = QLabel()
        self.count.setWordWrap(True)
        self.write = QPushButton("Write kept particles…")
        self.write.setToolTip("Write the kept particles, with their poses and all columns, for RELION or cryoSPARC.")
        self.write.clicked.connect(self._ask_and_write)
        self._lay_out()
        self._show_groups()
        self._count_kept()

    @property
    def picks(self) -> ClassPicks:
        """What is chosen."""
        wanted = tuple(label for label, box in self.labels.items() if box.isChecked())
        return ClassPicks(
            discarded=tuple(number for number in self._classes if number not in self.kept_classes),
            merged=tuple(self._groups),
            min_posterior=round(self.min_posterior.value(), 3),
            labels=() if len(wanted) == len(self.labels) else wanted,
            other_hand=self.other_hand,
        )

    @property
    def kept_classes(self) -> tuple[int, ...]:
        """Numbers of the classes that are ticked."""
        return tuple(number for row, number in enumerate(self._classes) if _is_ticked(self.rows.item(row, 0)))

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Which particles are kept, (N,) bool."""
        picks, nothing = self.picks, np.zeros(self._table.count, dtype=bool)
        if not self.kept_classes or not self._any_label():
            return nothing
        return kept_particles(
            self._table.judgement,
            self._table.path,
            classes=self.kept_classes if picks.discarded else (),
            min_posterior=picks.min_posterior,
            labels=picks.labels,
            merge=picks.merged,
        )

    def merge(self, number: int, into: int) -> None:
        """Write a class as part of another one; as itself where both are the same."""
        rest = [tuple(n for n in group if n != number) for group in self._groups]
        joined = next((group for group in rest if into in group), (into,))
        others = [group for group in rest if into not in group]
        if number != into:
            others.append(tuple(sorted({*joined, number})))
        elif joined != (into,):
            others.append(joined)
        self._groups = sorted(group for group in others if len(group) > 1)
        self._show_groups()
        self._change()

    def write_to(self, path: Path) -> int:
        """Write the kept particles; returns how many there are.

        Raises
        ------
        ColdstartError
            As `pick_particles`.
        """
        picks = self.picks
        picked = pick_particles(
            self._run.folder.path,
            path,
            classes=self.kept_classes if picks.discarded else (),
            min_posterior=picks.min_posterior,
            labels=picks.labels,
            merge=picks.merged,
            other_hand=self.other_hand,
            accept_changes=self.accept_changes.isChecked(),
            overwrite=True,
        )
        return picked.picked

    def _ask_and_write(self) -> None:
        from napari.utils.notifications import show_info

        start = self._run.folder.path / "kept.star"
        name, _ = QFileDialog.getSaveFileName(self, "Write kept particles", str(start), _KINDS)
        if not name:
            return
        path = Path(name) if name.endswith((".star", ".cs")) else Path(f"{name}.star")
        try:
            show_info(f"{self.write_to(path):,} particles written to {path}")
        except ChangedInputError as error:
            self.accept_changes.setVisible(True)
            tell_error(f"{error.what} put back what it read, or tick “{self.accept_changes.text()}”, and write again.")
        except ColdstartError as error:
            tell_error(str(error))

    def _change(self) -> None:
        self._count_kept()
        self.changed.emit()

    def _count_kept(self) -> None:
        kept = int(self.kept.sum())
        self.count.setText(f"<b>{kept:,}</b> of {self._table.count:,} particles are kept.")
        self.write.setEnabled(kept > 0)

    def _any_label(self) -> bool:
        return not self.labels or any(box.isChecked() for box in self.labels.values())

    def _show_groups(self) -> None:
        written = {number: min(group) for group in self._groups for number in group}
        for number, choice in zip(self._classes, self.write_as, strict=True):
            with _quiet(choice):
                choice.setCurrentIndex(self._classes.index(written.get(number, number)))

    def _make_rows(self, picks: ClassPicks) -> QTableWidget:
        rows = QTableWidget(len(self._classes), len(_COLUMNS))
        rows.setHorizontalHeaderLabels(_COLUMNS)
        rows.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        rows.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        for row, number in enumerate(self._classes):
            rows.setItem(row, 0, _tickable(number, ticked=number not in picks.discarded))
            _, count, share, *rest = class_cells(self._run.summary, number, self._table)
            for column, text in enumerate((f"{count}, {share}", *rest), 1):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                rows.setItem(row, column, item)
        _fit_columns(rows)
        rows.setSizeAdjustPolicy(QAbstractItemView.SizeAdjustPolicy.AdjustToContents)
        rows.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        rows.setColumnHidden(_WRITE_AS, len(self._classes) == 1)
        rows.itemChanged.connect(self._change)
        return rows

    def _make_choice(self, row: int) -> QComboBox:
        choice = QComboBox()
        choice.addItems([str(number) for number in self._classes])
        choice.setToolTip("Number that the particles of this class get; classes of one number are merged.")
        choice.currentIndexChanged.connect(self._merger(row))
        self.rows.setCellWidget(row, _WRITE_AS, choice)
        return choice

    def _merger(self, row: int) -> Callable[[int], None]:
        return lambda index: self.merge(self._classes[row], self._classes[index])

    def _make_least_posterior(self, picks: ClassPicks) -> QDoubleSpinBox:
        box = QDoubleSpinBox()
        box.setRange(0.0, 1.0)
        box.setSingleStep(0.05)
        box.setValue(picks.min_posterior)
        box.setToolTip("Keep only particles whose class has at least this posterior probability.")
        box.setEnabled(CLASS_POSTERIOR in self._table.judgement)
        box.valueChanged.connect(self._change)
        return box

    def _make_labels(self, picks: ClassPicks) -> dict[str, QCheckBox]:
        if LABEL not in self._table.judgement:
            return {}
        found = self._table.judgement[LABEL].tolist()
        return {label: self._make_label(label, found.count(label), picks) for label in PARTICLE_LABELS}

    def _make_label(self, label: str, count: int, picks: ClassPicks) -> QCheckBox:
        box = QCheckBox(f"{label.replace('_', ' ')} ({count:,})")
        box.setChecked(not picks.labels or label in picks.labels)
        box.setToolTip("Keep particles with this label.")
        box.setVisible(count > 0)
        box.toggled.connect(self._change)
        return box

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        hint = QLabel(_HINT)
        hint.setWordWrap(True)
        hint.setVisible(len(self._classes) > 1)
        layout.addWidget(hint)
        layout.addWidget(self.rows)
        posterior = QHBoxLayout()
        posterior.addWidget(QLabel("Least class posterior"))
        posterior.addWidget(self.min_posterior)
        posterior.addStretch()
        layout.addLayout(posterior)
        labels = QHBoxLayout()
        for box in self.labels.values():
            labels.addWidget(box)
        labels.addStretch()
        layout.addLayout(labels)
        layout.addWidget(self.accept_changes)
        layout.addWidget(self.count)
        layout.addWidget(self.write)
        layout.addStretch()


def with_view(picks: ClassPicks, *, other_hand: bool, coloring: str) -> ClassPicks:
    """The picks with how the run is looked at."""
    return replace(picks, other_hand=other_hand, coloring=coloring)


def _class_numbers(run: OpenedRun, table: ParticleTable) -> tuple[int, ...]:
    """The classes that the summary, the maps or the table know."""
    named = {entry.number for entry in run.summary.classes} if run.summary is not None else set()
    found = named | {entry.class_number for entry in run.maps} | set(np.unique(table.class_number).tolist())
    return tuple(sorted(found))


def _tickable(number: int, *, ticked: bool) -> QTableWidgetItem:
    pixmap = QPixmap(12, 12)
    pixmap.fill(QColor(class_color(number)))
    item = QTableWidgetItem(QIcon(pixmap), str(number))
    item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
    item.setCheckState(_STATES[ticked])
    item.setToolTip("Ticked: the particles of this class are kept.")
    return item


def _fit_columns(rows: QTableWidget) -> None:
    """Columns as wide as what is in them, and the remarks as wide as is left."""
    across, down = rows.horizontalHeader(), rows.verticalHeader()
    if across is not None and down is not None:
        across.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        across.setSectionResizeMode(_WRITE_AS - 1, QHeaderView.ResizeMode.Stretch)
        down.setVisible(False)


def _is_ticked(item: QTableWidgetItem | None) -> bool:
    return item is not None and item.checkState() == Qt.CheckState.Checked


@contextmanager
def _quiet(widget: QWidget) -> Iterator[None]:
    was = widget.blockSignals(True)
    try:
        yield
    finally:
        widget.blockSignals(was)
