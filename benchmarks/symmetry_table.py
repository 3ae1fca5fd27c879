"""What symmetry the maps of runs in C1 show, and how often a map without any is given one: RUN_FOLDER ...

One line a run: the group that is named, its correlation, the best candidate that is not a group of the map, and the
processor time. Where none is named, the maps on the way to this one are looked at as well, at the detail where the
halves of the finished map agree: how many of them are fine enough to be judged, and how many are given a group.
"""

import sys
import time
from pathlib import Path

from coldstart.api import map_symmetry
from coldstart.io.results import RunFolder


def main() -> None:
    print(f"{'run':<20}{'group':<6}{'correlation':<13}{'best of the others':<20}{'CPU s':<7}snapshots judged, named")
    for folder in map(Path, sys.argv[1:]):
        began = time.process_time()
        found = map_symmetry(folder)
        seconds = time.process_time() - began
        first = found.report.candidates[0]
        other = next(candidate for candidate in found.report.candidates if not candidate.holds)
        correlation = f"{first.correlation:.2f}" if first.holds else "-"
        print(
            f"{folder.name:<20}{found.report.group:<6}{correlation:<13}"
            f"{f'{other.group} {other.correlation:.2f}':<20}{seconds:<7.1f}"
            f"{'' if first.holds else snapshots(folder, found.resolution_angstrom)}",
            flush=True,
        )


def snapshots(folder: Path, resolution_angstrom: float) -> str:
    """How many of a run's snapshots are judged, and how many of these are given a group."""
    paths = [snapshot.path for snapshot in RunFolder(folder).load_snapshots()]
    reports = [map_symmetry(path, resolution_angstrom=resolution_angstrom).report for path in paths]
    return f"{sum(report.is_conclusive for report in reports)}, {sum(report.group != 'C1' for report in reports)}"


if __name__ == "__main__":
    main()
