"""Give a run's particle table, as it was written, to RELION's programs, and see whether they agree with the run.

    python benchmarks/relion_accepts.py RUN [--iterations 2] [--threads 2] [--image-root FOLDER] [--json FILE]

    relion_star_handler   reads the table and writes it again: every column is the same text afterwards
    relion_project        projects the run's map along the poses: correlation of the images with their projections
    relion_reconstruct    reconstructs the particles under the poses: Fourier correlation with the run's map
    relion_refine         3D classification of one class, from the run's map and around the run's angles (a prior of
                          5 degrees in each direction, cells of 3.75 degrees): how far its poses are from the run's.
                          its first poses stray, perhaps because its first noise spectra hold the signal too;
                          they come back as it learns the noise

Needs RELION (Debian: apt-get install relion, which is 3.1.3), and a run of one class.
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
from relion_reconstruct import compare, reconstruct

from coldstart.io.mrc import MrcStackSource
from coldstart.io.particle_files import read_particles
from coldstart.io.results import RunFolder
from coldstart.io.star_columns import ANGLE_LABELS, ORIGIN_LABELS, numbers
from coldstart.io.star_text import read_blocks
from coldstart.model.carried import CarriedTable
from coldstart.model.mask import radius_px
from coldstart.model.so3 import euler_to_matrix, geodesic_distance_deg

PROGRAMS = ("relion_star_handler", "relion_project", "relion_reconstruct", "relion_refine")


def main() -> None:
    options = _options()
    run: Path = options.run.resolve()
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        sys.exit(f"{missing[0]} is not on the PATH: on Debian, run: apt-get install relion")
    folder = RunFolder(run)
    root = (options.image_root or run).resolve()
    with tempfile.TemporaryDirectory() as scratch:
        report = handled(folder, root, Path(scratch))
        report |= projected(folder, root, Path(scratch))
        report |= reconstructed(folder, root, Path(scratch))
        report |= refined(folder, root, Path(scratch), options)
    print("\n".join(f"{name:38} {value:.4g}" for name, value in report.items()))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def handled(folder: RunFolder, root: Path, scratch: Path) -> dict[str, float]:
    """Rows that relion_star_handler wrote, and how many columns of them are not the same text."""
    output = scratch / "handled.star"
    relion(root, "relion_star_handler", "--i", folder.particles_path, "--o", output)
    ours, theirs = (read_blocks(path)["particles"] for path in (folder.particles_path, output))
    changed = [label for label in ours if label not in theirs or not same_values(ours, theirs, label)]
    return {"star_handler_rows": float(len(theirs)), "star_handler_columns_changed": float(len(changed))}


def same_values(ours: CarriedTable, theirs: CarriedTable, label: str) -> bool:
    """Whether a column is the same, in RELION's own spelling of numbers."""
    if np.array_equal(ours.utf8(label), theirs.utf8(label)):
        return True
    try:
        # RELION writes five decimals of a number with three digits before the point.
        return np.allclose(ours[label].astype(float), theirs[label].astype(float), rtol=1e-6, atol=1e-5)
    except ValueError:
        return False


def projected(folder: RunFolder, root: Path, scratch: Path) -> dict[str, float]:
    """Correlation of images with RELION's projections of the run's map, and with those of other images."""
    name, volume = scratch / "projections", folder.volume_path(1, 1)
    relion(root, "relion_project", "--i", volume, "--ang", folder.particles_path, "--o", name, "--ctf")
    particles, source = read_particles(folder.particles_path, data_root=root)
    rows = np.arange(min(particles.count, 1000))
    stack = MrcStackSource([name.with_suffix(".mrcs")], np.zeros(particles.count, np.int64), np.arange(particles.count))
    inside = radius_px(particles.box_px, 2) < 0.4 * particles.box_px
    images, projections = (_standardised(found.read(rows)[:, inside]) for found in (source, stack))
    own = (images * projections).mean()
    others = (images * np.roll(projections, len(rows) // 2, axis=0)).mean()
    return {"project_correlation": float(own), "project_correlation_of_others": float(others)}


def _standardised(pixels: NDArray[np.float32]) -> NDArray[np.float64]:
    values = pixels.astype(np.float64)
    return (values - values.mean(axis=1, keepdims=True)) / values.std(axis=1, keepdims=True)


def reconstructed(folder: RunFolder, root: Path, scratch: Path) -> dict[str, float]:
    """Agreement of RELION's reconstruction with the run's map."""
    output = scratch / "relion.mrc"
    resolution = folder.load_summary().classes[0].resolution_angstrom or folder.load_params().max_resolution_angstrom
    reconstruct(folder.particles_path, root, output, resolution)
    found = compare(folder.volume_path(1, 1), output)
    return {f"reconstruct_{name}": value for name, value in found.items()}


def refined(folder: RunFolder, root: Path, scratch: Path, options: argparse.Namespace) -> dict[str, float]:
    """Distance of RELION's poses from the run's after each iteration of a search around them."""
    particles, _ = read_particles(folder.particles_path, data_root=root)
    volume, diameter = folder.volume_path(1, 1), 0.85 * particles.box_angstrom
    relion(
        root, "relion_refine", "--i", folder.particles_path, "--ref", volume, "--o", scratch / "refine",
        "--iter", options.iterations, "--K", 1, "--tau2_fudge", 4, "--ini_high", 15, "--sym", "C1", "--pad", 2,
        "--particle_diameter", f"{diameter:.1f}", "--ctf", "--flatten_solvent", "--zero_mask", "--norm", "--scale",
        "--oversampling", 1, "--healpix_order", 3, "--sigma_ang", 5, "--offset_range", 3, "--offset_step", 1,
        "--j", options.threads, "--dont_combine_weights_via_disc", "--random_seed", 1,
    )  # fmt: skip
    ours, report = read_blocks(folder.particles_path)["particles"], {}
    for iteration in range(1, options.iterations + 1):
        theirs = read_blocks(scratch / f"refine_it{iteration:03d}_data.star")["particles"]
        order = {name: row for row, name in enumerate(theirs["rlnImageName"].tolist())}
        theirs = theirs.take(np.array([order[name] for name in ours["rlnImageName"].tolist()]))
        angle = geodesic_distance_deg(*(euler_to_matrix(_columns(table, ANGLE_LABELS)) for table in (ours, theirs)))
        shift = np.linalg.norm(_columns(ours, ORIGIN_LABELS) - _columns(theirs, ORIGIN_LABELS), axis=1)
        report |= {
            f"refine_{iteration}_median_angle_deg": float(np.median(angle)),
            f"refine_{iteration}_median_shift_px": float(np.median(shift)) / particles.pixel_size_angstrom,
        }
    return {"refine_particles": float(len(ours))} | report


def _columns(table: CarriedTable, labels: tuple[str, ...]) -> NDArray[np.float64]:
    return np.stack([numbers(table, label, "particles") for label in labels], axis=1)


def relion(root: Path, *command: object) -> None:
    """Run one of RELION's programs in the folder from which the image names lead to their stacks."""
    done = subprocess.run([str(word) for word in command], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode or "ERROR" in done.stderr:
        sys.exit(f"{command[0]} failed:\n{done.stdout[-3000:]}{done.stderr}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run of one class")
    parser.add_argument("--iterations", type=int, default=2, help="iterations of relion_refine (2)")
    parser.add_argument("--threads", type=int, default=2, help="threads of relion_refine (2)")
    parser.add_argument("--image-root", type=Path, help="folder that image names are relative to (the run's own)")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
