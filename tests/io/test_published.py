"""Every published table is read, or refused with the reason; whether its stacks are there is another matter."""

from pathlib import Path

import numpy as np
import pytest

from coldstart.errors import ParticleFileError
from coldstart.io.cryosparc_files import read_group
from coldstart.io.cryosparc_read import read_cryosparc_table
from coldstart.io.particle_files import read_particles
from coldstart.io.star_table import read_star_table

READ = {
    "relion1_ap_s_c2d.star": 8915,
    "relion31.6opticsgroups.star": 139,
    "relion31.star": 5,
    "relion5.star": 17,
    "cryosparc_J2_particles_exported.cs": 22,
    "cryosparc_P12_J24_001_particles.cs": 2019,
    "cryosparc_P9_J209_000_particles.cs": 11764,
    "starfile-edge/optics_group_inter1965.star": 1,
}
"""Tables of particles, and their rows."""

NO_CTF = {
    "FinalRefinement-OriginalParticles-PfCRT.star": "no column rlnAmplitudeContrast",
}
"""Tables that lack what the CTF needs, read with --no-ctf."""

REFUSED = {
    "P9_J209_particles.csg": r"P9_J209_passthrough_particles\.cs does not exist",
    "starfile-edge/basic_double_quote.star": "no block of particles, only data_",
    "starfile-edge/basic_single_quote.star": "no block of particles, only data_",
    "starfile-edge/default_pipeline.star": "no block of particles, only data_pipeline_general",
    "starfile-edge/empty_loop.star": "no block of particles, only data_",
    "starfile-edge/loop_double_quote.star": "no block of particles, only data_",
    "starfile-edge/loop_single_quote.star": "no block of particles, only data_",
    "starfile-edge/multi_line_c_engine.star": "several blocks data_block_3",
    "starfile-edge/one_loop.star": "no column rlnDefocusU",
    "starfile-edge/postprocess.star": "no block of particles, only data_general, data_fsc",
    "starfile-edge/rln3.1_data_style.star": "gives no pixel size",
    "starfile-edge/single_line_c_engine.star": "several blocks data_block_3",
    "starfile-edge/single_line_end_of_multiblock.star": "gives no pixel size",
    "starfile-edge/single_line_middle_of_multiblock.star": "gives no pixel size",
    "starfile-edge/two_basic_blocks.star": "no block of particles, only data_block_0, data_block_1",
    "starfile-edge/two_single_line_loop_blocks.star": "no block of particles, only data_block_0, data_block_1",
}
"""What is no table of particles in stacks, and why."""


def rows_of(path: Path, *, use_ctf: bool = True) -> int:
    if path.suffix == ".star":
        table = read_star_table(path, use_ctf=use_ctf)
        assert len(table.particles) == len(table.places.stack)
        return len(table.particles)
    return len(read_cryosparc_table(path, use_ctf=use_ctf).records)


def test_every_published_table_is_spoken_for(metadata_folder: Path) -> None:
    found = {path.relative_to(metadata_folder).as_posix() for path in metadata_folder.rglob("*") if path.is_file()}
    assert found == READ.keys() | NO_CTF.keys() | REFUSED.keys()


@pytest.mark.parametrize("name", sorted(READ))
def test_tables_are_read(metadata_folder: Path, name: str) -> None:
    assert rows_of(metadata_folder / name) == READ[name]


@pytest.mark.parametrize("name", sorted(READ))
def test_their_stacks_are_missed_by_name(metadata_folder: Path, name: str) -> None:
    with pytest.raises(ParticleFileError, match=r"the stack .* missing; looked for it in .*--data-root"):
        read_particles(metadata_folder / name)


@pytest.mark.parametrize("name", sorted(NO_CTF))
def test_tables_without_what_the_ctf_needs(metadata_folder: Path, name: str) -> None:
    with pytest.raises(ParticleFileError, match=f"{NO_CTF[name]}.*--no-ctf"):
        read_particles(metadata_folder / name)
    assert rows_of(metadata_folder / name, use_ctf=False) > 0


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_refused_and_why(metadata_folder: Path, name: str) -> None:
    with pytest.raises(ParticleFileError, match=REFUSED[name]):
        read_particles(metadata_folder / name)


def test_units_of_an_old_table(metadata_folder: Path) -> None:
    """RELION 1: pixel size from magnification, 14 um / 39548, and origins in px."""
    table = read_star_table(metadata_folder / "relion1_ap_s_c2d.star")
    np.testing.assert_allclose(table.pixel_size_angstrom, 10000 * 14 / 39548, rtol=1e-6)
    assert "rlnOriginX" not in table.particles
    assert "rlnOriginXAngst" in table.particles


def test_six_optics_groups(metadata_folder: Path) -> None:
    table = read_star_table(metadata_folder / "relion31.6opticsgroups.star")
    assert len(table.optics) == 6
    assert set(table.pixel_size_angstrom) == {1.25, 1.24}


def test_a_published_group_names_its_datasets(metadata_folder: Path) -> None:
    files = read_group(metadata_folder / "P9_J209_particles.csg")
    assert files["blob"] == metadata_folder / "P9_J209_passthrough_particles.cs"
    assert files["ctf"] == metadata_folder / "cryosparc_P9_J209_005_particles.cs"
