"""RELION itself on the tables that are written: only it can say what angles, origins, names and matrices mean to it."""

import shutil
import subprocess
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from coldstart.demo.files import DemoSet, write_demo_set
from coldstart.io.mrc import read_map
from coldstart.io.particle_files import read_particles
from coldstart.io.star_poses import read_poses
from coldstart.io.star_text import read_blocks, write_blocks
from coldstart.io.star_write import write_particles
from coldstart.model.fsc import fourier_shell_correlation
from coldstart.model.resample import ImageGrid, resample

pytestmark = pytest.mark.skipif(shutil.which("relion_reconstruct") is None, reason="RELION is not installed")

IMAGES, BOX, PIXEL = 250, 32, 7.0


@pytest.fixture(scope="module")
def demo_set(tmp_path_factory: pytest.TempPathFactory) -> DemoSet:
    folder = tmp_path_factory.mktemp("set")
    return write_demo_set(folder, images=IMAGES, box_px=BOX, pixel_size_angstrom=PIXEL, snr=2.0)


def reconstruction(table: Path) -> np.ndarray:
    """RELION's map of a table, run in the folder from which the image names lead."""
    command = ["relion_reconstruct", "--i", table.name, "--o", "relion.mrc", "--ctf", "--maxres", "20"]
    done = subprocess.run(command, cwd=table.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return read_map(table.parent / "relion.mrc")[0]


def least_correlation(demo_set: DemoSet, volume: np.ndarray) -> float:
    """Of the shells up to 25 Å, with the truth."""
    truth, _ = read_map(demo_set.truth_map_path)
    return float(fourier_shell_correlation(truth, volume)[2 : int(BOX * PIXEL / 25)].min())


def test_poses_and_names_mean_to_relion_what_they_mean_here(demo_set: DemoSet, tmp_path: Path) -> None:
    """The true poses, written for a stack that ends in .mrc, from a run folder beside it."""
    shutil.copy(demo_set.particles_path.parent / "particles.mrcs", tmp_path / "particles.mrc")
    shutil.copy(demo_set.truth_table_path, tmp_path / "truth.star")
    (tmp_path / "run").mkdir()
    particles, source = read_particles(tmp_path / "truth.star")
    table = particles.table.having({"rlnClassNumber": ["1"] * IMAGES})
    write_particles(tmp_path / "run" / "particles.star", particles, read_poses(table, "truth", 1), source)
    names = read_blocks(tmp_path / "run" / "particles.star")["particles"]["rlnImageName"]
    assert names[0] == "000001@../particles.mrc:mrcs"
    assert least_correlation(demo_set, reconstruction(tmp_path / "run" / "particles.star")) > 0.9


def test_the_matrix_of_magnification_is_relions(demo_set: DemoSet, tmp_path: Path) -> None:
    """Images stretched by the inverse: RELION undoes it while reconstructing, coldstart while reading."""
    matrix = np.array([[1.08, 0.05], [0.0, 0.94]])
    _, source = read_particles(demo_set.truth_table_path)
    images = source.read(np.arange(IMAGES))
    inverse = ImageGrid(BOX, PIXEL, tuple(np.linalg.inv(matrix).ravel()))
    stretched = resample(images, inverse, ImageGrid(BOX, PIXEL))
    mrcfile.write(tmp_path / "particles.mrcs", stretched, voxel_size=PIXEL)
    blocks = read_blocks(demo_set.truth_table_path)
    entries = dict(zip(("00", "01", "10", "11"), matrix.ravel(), strict=True))
    optics = blocks["optics"].having({f"rlnMagMat{place}": [f"{entry:.6f}"] for place, entry in entries.items()})
    labels = ("rlnOriginXAngst", "rlnOriginYAngst")
    origins = np.stack([blocks["particles"][label].astype(float) for label in labels], axis=1) @ matrix
    moved = {label: np.char.mod("%.6f", origins[:, axis]) for axis, label in enumerate(labels)}
    particles = blocks["particles"].having(moved)
    write_blocks(tmp_path / "with.star", {"optics": optics, "particles": particles})
    write_blocks(tmp_path / "without.star", {"optics": blocks["optics"], "particles": particles})
    known, unknown = (
        least_correlation(demo_set, reconstruction(tmp_path / f"{name}.star")) for name in ("with", "without")
    )
    assert known > 0.985 > unknown
    undone = read_particles(tmp_path / "with.star")[1].read(np.arange(IMAGES))
    inside = np.hypot(*(np.indices((BOX, BOX)) - BOX // 2)) < 0.35 * BOX
    error_before, error_after = (np.std((found - images)[:, inside]) for found in (stretched, undone))
    assert error_after < 0.3 * error_before  # what was stretched beyond the Nyquist frequency is lost
