"""Reconstruct a run's particles with RELION, and compare RELION's map with the run's own.

    python benchmarks/relion_reconstruct.py RUN [--truth SET] [--image-root FOLDER] [--json FILE]

RELION inserts each particle once, under the pose of particles.star, and knows nothing else of the run: its map agrees
with ours only if angles, origins, CTFs and image names mean to RELION what they mean to coldstart. Needs
`relion_reconstruct` (Debian: apt-get install relion), and with --truth what ../shared/benchmark/evaluate.py needs.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldstart.errors import ColdstartError
from coldstart.io.mrc import read_map
from coldstart.io.results import RunFolder
from coldstart.model.fsc import fourier_shell_correlation, resolution_at
from coldstart.model.mask import soft_window
from coldstart.params import AbInitioParams

SHARED = Path(__file__).resolve().parents[2] / "shared"


def main() -> None:
    options = _options()
    run: Path = options.run.resolve()
    limit = options.max_resolution or _resolution_of(run)
    with tempfile.TemporaryDirectory() as scratch:
        relion_map = Path(scratch) / "relion.mrc"
        reconstruct(run / "particles.star", options.image_root or run, relion_map, limit)
        report = compare(run / "volume.mrc", relion_map)
        if options.truth:
            evaluate = options.shared / "benchmark" / "evaluate.py"
            ours, theirs = (score(evaluate, options.truth, path) for path in (run / "volume.mrc", relion_map))
            report |= {"coldstart_truth_angstrom": ours, "relion_truth_angstrom": theirs, "ratio": theirs / ours}
    print("\n".join(f"{name:26} {value:.4g}" for name, value in report.items()))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def reconstruct(star: Path, image_root: Path, output: Path, max_resolution_angstrom: float) -> None:
    """Run relion_reconstruct in the folder from which the image names lead to their stacks."""
    if shutil.which("relion_reconstruct") is None:
        sys.exit("relion_reconstruct is not on the PATH: on Debian, run: apt-get install relion")
    command: list[str | Path] = ["relion_reconstruct", "--i", star, "--o", output, "--ctf", "--sym", "C1"]
    command += ["--maxres", f"{max_resolution_angstrom:.4f}"]
    done = subprocess.run(command, cwd=image_root, capture_output=True, text=True, check=False)
    if done.returncode or not output.exists():
        sys.exit(f"relion_reconstruct failed on {star}:\n{done.stdout}{done.stderr}")


def compare(ours: Path, theirs: Path) -> dict[str, float]:
    """FSC of the two maps inside a soft sphere, and the grey scale of ours over RELION's."""
    (a, pixel_size), (b, _) = (_windowed(path) for path in (ours, theirs))
    box_angstrom = len(a) * pixel_size
    curve = fourier_shell_correlation(a, b)
    return {
        "between_0.5_angstrom": resolution_at(curve, 0.5, box_angstrom),
        "between_0.9_angstrom": resolution_at(curve, 0.9, box_angstrom),
        "grey_scale": float(np.vdot(a, b) / np.vdot(b, b)),
    }


def score(evaluate: Path, truth: Path, volume: Path) -> float:
    """FSC=0.5 of a map against the truth, in Å, after alignment and in the better hand."""
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.json"
        files: list[str | Path] = [truth, "--map", volume, "--json", report]
        subprocess.run([sys.executable, evaluate, *files], check=True, stdout=subprocess.DEVNULL)
        return float(json.loads(report.read_text(encoding="utf-8"))["maps"][0]["resolution_05"])


def _windowed(path: Path) -> tuple[NDArray[np.float64], float]:
    volume, pixel_size = read_map(path)
    window = soft_window(len(volume), 3, 0.85, 0.99)  # the run's own map has that window already
    return (volume - volume.mean()).astype(np.float64) * window, pixel_size


def _resolution_of(run: Path) -> float:
    """The finest detail in the run's map: RELION's is held to the same band."""
    try:
        found = RunFolder(run).load_summary().classes
    except ColdstartError:  # a folder with the map and the table alone
        found = ()
    return (found[0].resolution_angstrom if found else None) or AbInitioParams().max_resolution_angstrom


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder with volume.mrc and particles.star")
    parser.add_argument("--truth", type=Path, help="folder of the simulated set, with truth_class1.mrc")
    parser.add_argument("--image-root", type=Path, help="folder that image names are relative to (the run's own)")
    parser.add_argument("--max-resolution", type=float, help="band of RELION's map in Å (that of the run's map)")
    parser.add_argument("--shared", type=Path, default=SHARED, help=f"folder with benchmark/evaluate.py ({SHARED})")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
