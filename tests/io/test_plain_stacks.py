import gzip

import numpy as np
import pytest

from coldstart.errors import ParticleFileError
from coldstart.io.particle_files import read_particles


def test_a_folder_of_stacks(tmp_path, write_stack):
    second = write_stack(tmp_path / "b.mrcs", 2, 8, pixel_size=3.0, seed=1)
    first = write_stack(tmp_path / "a.mrc", 3, 8, pixel_size=3.0, seed=2)
    (tmp_path / "notes.txt").write_text("no stack")
    particles, source = read_particles(tmp_path, use_ctf=False)
    assert (particles.count, particles.pixel_size_angstrom) == (5, 3.0)
    assert particles.table["rlnImageName"].tolist() == [
        "000001@a.mrc",
        "000002@a.mrc",
        "000003@a.mrc",
        "000001@b.mrcs",
        "000002@b.mrcs",
    ]
    np.testing.assert_array_equal(source.read(np.arange(5)), [*first, *second])


def test_folders_that_hold_no_particles(tmp_path, write_stack):
    with pytest.raises(ParticleFileError, match="a folder without stacks"):
        read_particles(tmp_path, use_ctf=False)
    write_stack(tmp_path / "a.mrcs", 2, 8, pixel_size=3.0)
    with pytest.raises(ParticleFileError, match=r"a folder of stacks, which holds no CTF.*--no-ctf"):
        read_particles(tmp_path)
    write_stack(tmp_path / "b.mrcs", 2, 8, pixel_size=4.0)
    with pytest.raises(ParticleFileError, match=r"different pixel sizes, \[3\.0, 4\.0\] Å. Say it with --pixel-size"):
        read_particles(tmp_path, use_ctf=False)
    assert read_particles(tmp_path, use_ctf=False, pixel_size_angstrom=3.5)[0].pixel_size_angstrom == 3.5
    write_stack(tmp_path / "c.mrcs", 2, 10, pixel_size=3.0)
    with pytest.raises(ParticleFileError, match=r"c\.mrcs has a box of 10 px, .*a\.mrcs one of 8 px"):
        read_particles(tmp_path, use_ctf=False, pixel_size_angstrom=3.5)


def test_a_packed_stack_is_read_and_said(tmp_path, write_stack):
    images = write_stack(tmp_path / "a.mrcs", 3, 8, pixel_size=3.0)
    with gzip.open(tmp_path / "b.mrcs.gz", "wb") as stream:
        stream.write((tmp_path / "a.mrcs").read_bytes())
    particles, source = read_particles(tmp_path / "b.mrcs.gz", use_ctf=False)
    np.testing.assert_array_equal(source.read(np.arange(3)), images)
    assert "1 stacks are compressed (gzip)" in particles.notes[0]
