"""Names of the files in a run folder. Classes are numbered from 1; a run of one class has names without a number."""

import shlex
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RunPaths:
    """Where each file of the run folder at `path` is, whether or not it is there yet."""

    path: Path

    @property
    def report_path(self) -> Path:
        """The run as a page."""
        return self.path / "report.html"

    @property
    def summary_path(self) -> Path:
        """The run in figures."""
        return self.path / "summary.json"

    @property
    def checkpoint_path(self) -> Path:
        """What the run goes on from; there only while there is something left to do."""
        return self.path / "checkpoint.npz"

    @property
    def halves_path(self) -> Path:
        """What became of two halves that were separate from the start."""
        return self.path / "halves.json"

    @property
    def inputs_path(self) -> Path:
        """Where the input came from."""
        return self.path / "inputs.json"

    @property
    def particles_path(self) -> Path:
        """Table of the particles that have a pose, in a run of one class."""
        return self.table_path(1)

    @property
    def unused_path(self) -> Path:
        """Table of the particles that have no pose; there only if there are any."""
        return self.path / "particles_unused.star"

    @property
    def archive_path(self) -> Path:
        """All snapshots in one file."""
        return self.path / "all_volumes.zip"

    def volume_path(self, class_number: int, classes: int, *, flipped: bool = False) -> Path:
        """Map of a class in a run with this many classes, or that of the other hand."""
        number = "" if classes == 1 else f"_class_{class_number}"
        return self.path / f"volume{number}{_hand(flipped)}.mrc"

    def half_path(self, class_number: int, classes: int, half: int) -> Path:
        """Map of a class from one half of its particles, 1 or 2: programs find the other by its name."""
        number = "" if classes == 1 else f"_class_{class_number}"
        return self.path / f"volume{number}_half{half}.mrc"

    def table_path(self, classes: int, *, flipped: bool = False) -> Path:
        """Table of every particle that has a pose, in a run with this many classes, or with the other hand's poses."""
        name = "particles" if classes == 1 else "particles_all_classes"
        return self.path / f"{name}{_hand(flipped)}.star"

    def class_table_path(self, class_number: int) -> Path:
        """Table of the particles of one class, where there are several."""
        return self.path / f"particles_class_{class_number}.star"

    def snapshot_path(self, iteration: int, class_number: int) -> Path:
        """Map of a class after an iteration."""
        return self.path / "snapshots" / f"iteration_{iteration:05d}_class_{class_number}.mrc"


def resume_command(folder: Path) -> str:
    """The command that takes up the run in a folder, as a shell reads it."""
    return f"coldstart resume {shlex.quote(str(folder))}"


def _hand(flipped: bool) -> str:
    return "_flipped" if flipped else ""
