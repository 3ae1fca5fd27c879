from pathlib import Path

import mrcfile
import numpy as np
import pytest

from coldstart.model.state import PoseTable


@pytest.fixture(scope="session")
def write_stack():
    """Write a stack of random images: (path, count, box, dtype=, seed=, pixel_size=) -> the images."""

    def write(path: Path, count: int, box: int, dtype=np.float32, seed: int = 0, pixel_size: float = 0.0):
        values = 20 * np.random.default_rng(seed).normal(size=(count, box, box)) + (100 if dtype == np.uint16 else 0)
        images = values.astype(dtype)
        with mrcfile.new(path, overwrite=True) as mrc:
            mrc.set_data(images)
            mrc.set_image_stack()
            mrc.voxel_size = pixel_size
        return images

    return write


OPTICS = {
    "rlnOpticsGroup": ["1"],
    "rlnOpticsGroupName": ["opticsGroup1"],
    "rlnVoltage": ["300.000000"],
    "rlnSphericalAberration": ["2.700000"],
    "rlnAmplitudeContrast": ["0.100000"],
    "rlnImagePixelSize": ["1.500000"],
    "rlnImageSize": ["8"],
    "rlnImageDimensionality": ["2"],
}

PARTICLES = {
    "rlnImageName": ["000001@stack.mrcs", "000003@stack.mrcs", "2@stack.mrcs"],
    "rlnMicrographName": ["a.mrc", "b.mrc", "b.mrc"],
    "rlnOpticsGroup": ["1", "1", "1"],
    "rlnDefocusU": ["10000.5", "12000", "1.3e4"],
    "rlnDefocusV": ["9000.0", "11000", "12500.0"],
    "rlnDefocusAngle": ["10.0", "20.0", "-30.0"],
}


def star_text(**blocks):
    lines = []
    for name, columns in blocks.items():
        lines += ["", "# version 30001", "", f"data_{name}", "", "loop_"]
        lines += [f"_{label} #{number}" for number, label in enumerate(columns, 1)]
        lines += [" ".join(values) for values in zip(*columns.values(), strict=True)]
        lines.append("")
    return "\n".join(lines) + "\n"


@pytest.fixture
def write_star():
    """Write a particle table: (path, optics=, particles=) where a column of None is left out."""

    def write(path: Path, optics=None, particles=None, **other_blocks):
        merged = {"optics": OPTICS | (optics or {}), "particles": PARTICLES | (particles or {})}
        blocks = {
            name: {label: values for label, values in columns.items() if values is not None}
            for name, columns in (merged | other_blocks).items()
            if columns is not None
        }
        path.write_text(star_text(**blocks))
        return path

    return write


@pytest.fixture
def small_set(tmp_path, write_stack, write_star):
    """Path of a table of three particles, beside their stack of four."""
    write_stack(tmp_path / "stack.mrcs", 4, 8)
    return write_star(tmp_path / "particles.star")


@pytest.fixture(scope="session")
def make_records():
    """Rows of a cryoSPARC dataset: (count, path=b"stack.mrc", box=8, **fields) -> structured array of random values."""

    def make(count: int, path: bytes = b"stack.mrc", box: int = 8, seed: int = 0, **fields):
        rng = np.random.default_rng(seed)
        values = {
            "uid": rng.integers(2**63, 2**64, count, dtype=np.uint64),
            "blob/path": np.full(count, path),
            "blob/idx": np.arange(count, dtype=np.uint32),
            "blob/shape": np.full((count, 2), box, np.uint32),
            "blob/psize_A": np.full(count, 1.5, np.float32),
            "blob/sign": np.ones(count, np.float32),
            "ctf/type": np.full(count, b"spline"),
            "ctf/exp_group_id": np.full(count, 3, np.uint32),
            "ctf/accel_kv": np.full(count, 300, np.float32),
            "ctf/cs_mm": np.full(count, 2.7, np.float32),
            "ctf/amp_contrast": np.full(count, 0.1, np.float32),
            "ctf/df1_A": rng.uniform(1e4, 2e4, count).astype(np.float32),
            "ctf/df2_A": rng.uniform(1e4, 2e4, count).astype(np.float32),
            "ctf/df_angle_rad": rng.uniform(-3, 3, count).astype(np.float32),
            "ctf/phase_shift_rad": rng.uniform(0, 2, count).astype(np.float32),
            "ctf/bfactor": np.zeros(count, np.float32),
            "ctf/tilt_A": np.zeros((count, 2), np.float32),
            "location/micrograph_path": np.full(count, b"J1/imported/mic.mrc"),
            "location/micrograph_shape": np.full((count, 2), (3000, 4000), np.uint32),
            "location/center_x_frac": rng.uniform(0, 1, count).astype(np.float32),
            "location/center_y_frac": rng.uniform(0, 1, count).astype(np.float32),
            "alignments3D/split": (np.arange(count) % 2).astype(np.uint32),
            "alignments3D/shift": rng.normal(0, 3, (count, 2)).astype(np.float32),
            "alignments3D/pose": rng.uniform(-1.8, 1.8, (count, 3)).astype(np.float32),
            "alignments3D/psize_A": np.full(count, 3.0, np.float32),
        } | {name.replace("__", "/", 1): value for name, value in fields.items()}
        values = {name: np.asarray(value) for name, value in values.items() if value is not None}
        out = np.empty(count, dtype=[(name, value.dtype, value.shape[1:]) for name, value in values.items()])
        for name, value in values.items():
            out[name] = value
        return out

    return make


@pytest.fixture(scope="session")
def make_poses():
    """Poses of some rows: (rows, **changes) -> PoseTable of random values."""

    def make(rows, **changes):
        count = len(rows)
        rng = np.random.default_rng(0)
        values = {
            "particle": np.asarray(rows, dtype=np.int64),
            "euler_deg": rng.uniform(0, 180, (count, 3)),
            "origin_angstrom": rng.normal(size=(count, 2)),
            "class_posterior": np.ones((count, 1)),
            "log_likelihood": rng.normal(size=count),
            "ess": 1 + rng.uniform(size=count),
            "max_posterior": rng.uniform(size=count),
            "used": np.ones(count, dtype=bool),
        }
        return PoseTable(**(values | changes))

    return make
