"""The sign of shifts from the pixels of a stack to the tables for RELION and cryoSPARC."""

from pathlib import Path

import mrcfile
import numpy as np
import pytest

from coldstart import AbInitioParams
from coldstart.api import search_poses
from coldstart.compute.device import list_devices
from coldstart.demo.molecule import make_molecule, molecule_map
from coldstart.demo.simulate import clean_images
from coldstart.io.cryosparc_files import read_dataset
from coldstart.io.cryosparc_write import write_posed_dataset
from coldstart.io.mrc import MrcStackSource
from coldstart.io.star_columns import numbers
from coldstart.io.star_text import read_blocks
from coldstart.io.star_write import write_particles
from coldstart.model.carried import CarriedTable
from coldstart.model.particles import Particles
from coldstart.model.so3 import random_rotations

IMAGES, BOX, PIXEL = 8, 32, 6.0

pytestmark = pytest.mark.skipif(not any(i.usable for i in list_devices()), reason="there is no usable OpenCL device")


def test_a_particle_off_centre_by_3_and_minus_5_px_has_the_origin_minus_3_and_5_px(tmp_path: Path) -> None:
    """The projection of a molecule is moved by rolling pixels: +3 along x, the last axis, and -5 along y."""
    rng = np.random.default_rng(1)
    molecule = make_molecule(2)
    centred = clean_images(molecule, random_rotations(rng, IMAGES), np.zeros((IMAGES, 2)), None, BOX, PIXEL)
    moved = np.roll(centred, (3, -5), axis=(2, 1)) / centred.std()
    noisy = moved + 0.3 * rng.standard_normal(moved.shape)
    mrcfile.write(tmp_path / "s.mrcs", noisy.astype(np.float32), voxel_size=PIXEL)
    source = MrcStackSource([tmp_path / "s.mrcs"], np.zeros(IMAGES, np.int64), np.arange(IMAGES))
    names = CarriedTable({"rlnImageName": [f"{n:06d}@s.mrcs" for n in range(1, IMAGES + 1)]})
    particles = Particles(IMAGES, BOX, PIXEL, None, names)
    volume = molecule_map(molecule, BOX, PIXEL) / centred.std() / np.float32(0.3)
    params = AbInitioParams(shift_extent=0.25)
    poses = search_poses(particles, source, volume, params, resolution_angstrom=18.0).poses
    write_particles(tmp_path / "s.star", particles, poses, source)
    table = read_blocks(tmp_path / "s.star")["particles"]
    x, y = (numbers(table, label, "s.star") / PIXEL for label in ("rlnOriginXAngst", "rlnOriginYAngst"))
    assert np.median(x) == pytest.approx(-3, abs=0.3)
    assert np.median(y) == pytest.approx(5, abs=0.3)
    write_posed_dataset(tmp_path / "s.cs", particles, poses, source, "title")
    shift = np.median(read_dataset(tmp_path / "s.cs")["alignments3D/shift"], axis=0)
    np.testing.assert_allclose(shift, [-3, 5], atol=0.3)
