from pathlib import Path

import mrcfile
import numpy as np
import pytest


@pytest.fixture
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
