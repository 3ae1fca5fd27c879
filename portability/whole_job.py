"""One whole run on several implementations: how far the maps agree, and to which detail."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from coldstart.io.mrc import read_map
from coldstart.model.alignment import align_maps, place_map
from coldstart.model.fsc import fourier_shell_correlation
from coldstart.model.mask import soft_window
from portability.implementations import IMPLEMENTATIONS, REPOSITORY, WHOLE_JOBS, Implementation
from portability.tables import markdown_table

SETS = REPOSITORY.parent / "shared" / "benchmark" / "sets.py"
LEAST_FSC = 0.99
WINDOW = (0.6, 0.8)
"""Of the box's half, where the particle is."""

SEED = 0


@dataclass(frozen=True)
class Run:
    """A finished run."""

    name: str
    volume: np.ndarray
    pixel_size_angstrom: float
    resolution_angstrom: float
    iterations: int

    @property
    def shells(self) -> int:
        """Shells of the transform up to the finest detail that the run used."""
        return int(len(self.volume) * self.pixel_size_angstrom / self.resolution_angstrom)


def whole_jobs(folder: Path) -> tuple[str, bool]:
    """Run the set `tiny` on each implementation that is here; returns a table, and whether all maps agree.

    They do where their correlation stays above LEAST_FSC up to the finest detail of both. How far two seeds on one
    implementation agree is in the table for comparison.
    """
    if not SETS.is_file():
        raise SystemExit(f"no {SETS}, which simulates the set")
    subprocess.run([sys.executable, SETS, folder / "sets", "tiny"], check=True)
    chosen = [implementation for implementation in IMPLEMENTATIONS if implementation.name in WHOLE_JOBS]
    runs = [_run(implementation, folder, SEED) for implementation in chosen]
    missing = [[i.name, "not here", "", "", "", ""] for i, run in zip(chosen, runs, strict=True) if run is None]
    here = [run for run in runs if run is not None]
    other_seed = [run for run in (_run(chosen[0], folder, SEED + 1),) if run is not None]
    pairs = [*((here[0], run) for run in other_seed), *combinations(here, 2)]
    agreement = ["bytes of the map", "finest detail", "least FSC up to it", f"FSC above {LEAST_FSC} up to"]
    table = markdown_table(["runs", "iterations", *agreement], [compared(*pair) for pair in pairs] + missing)
    return table, all(agree(one, other) for one, other in combinations(here, 2))


def agree(one: Run, other: Run) -> bool:
    """Whether two maps agree up to the finest detail of both."""
    return bool((correlation(one, other) > LEAST_FSC).all())


def correlation(one: Run, other: Run) -> np.ndarray:
    """Fourier shell correlation of two maps, one placed on the other, from shell 1 to the finest detail of both."""
    if np.array_equal(one.volume, other.volume):
        return np.ones(min(one.shells, other.shells))
    placed = place_map(other.volume, align_maps(other.volume, one.volume))
    window = soft_window(len(placed), 3, *WINDOW)
    return fourier_shell_correlation(placed * window, one.volume * window)[1 : min(one.shells, other.shells) + 1]


def compared(one: Run, other: Run) -> list[str]:
    """A row of the table."""
    fsc = correlation(one, other)
    below = np.flatnonzero(fsc <= LEAST_FSC)
    agreeing = int(below[0]) if len(below) else len(fsc)
    box = len(one.volume) * one.pixel_size_angstrom
    runs, iterations = f"{one.name} and {other.name}", f"{one.iterations} and {other.iterations}"
    detail, agreed = f"{box / len(fsc):.1f} Å", f"{box / max(agreeing, 1):.1f} Å"
    same = "same" if np.array_equal(one.volume, other.volume) else "differ"
    return [runs, iterations, same, detail, f"{fsc.min():.3f}", agreed]


def _run(implementation: Implementation, folder: Path, seed: int) -> Run | None:
    environment = implementation.process_environment(folder)
    device = implementation.device(environment)
    if device is None:
        return None
    name = implementation.name if seed == SEED else f"the same with seed {seed}"
    out = folder / "runs" / name
    subprocess.run(
        [
            sys.executable, "-m", "coldstart", "run", folder / "sets" / "tiny" / "particles.star", "-o", out,
            "--seed", str(seed), "--device", str(device["index"]),
        ],
        env=environment, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    volume, pixel_size = read_map(out / "volume.mrc")
    return Run(name, volume, pixel_size, summary["resolution_angstrom"], summary["iterations"])
