import numpy as np
import pytest

from coldstart.errors import ParticleFileError
from coldstart.io.particle_files import read_particles
from coldstart.io.star_relion30 import split_single_table
from coldstart.model.carried import CarriedTable

ROWS = CarriedTable(
    {
        "rlnImageName": ["1@s.mrcs", "2@s.mrcs", "3@s.mrcs"],
        "rlnVoltage": ["300.0", "200.0", "300"],
        "rlnSphericalAberration": ["2.7", "2.7", "2.70"],
        "rlnAmplitudeContrast": ["0.1", "0.1", "0.1"],
        "rlnDetectorPixelSize": ["14.0"] * 3,
        "rlnMagnification": ["70000"] * 3,
        "rlnDefocusU": ["10000", "11000", "12000"],
        "rlnDefocusV": ["10000", "11000", "12000"],
        "rlnDefocusAngle": ["0", "0", "0"],
        "rlnOriginX": ["1.5", "-2", "0"],
        "rlnOriginY": ["0", "3", "0.25"],
        "rlnRandomSubset": ["1", "2", "1"],
    }
)


def test_rows_are_grouped_by_their_optics_in_order_of_appearance():
    optics, particles = split_single_table(ROWS, "a.star")
    assert optics["rlnOpticsGroup"].tolist() == ["1", "2"]
    assert optics["rlnOpticsGroupName"].tolist() == ["opticsGroup1", "opticsGroup2"]
    assert optics["rlnVoltage"].tolist() == ["300.0", "200.0"]
    assert particles["rlnOpticsGroup"].tolist() == ["1", "2", "1"]
    assert "rlnVoltage" not in particles
    assert particles["rlnRandomSubset"].tolist() == ["1", "2", "1"]


def test_pixel_size_is_detector_pixel_over_magnification_and_shifts_become_angstrom():
    optics, particles = split_single_table(ROWS, "a.star")
    assert optics["rlnImagePixelSize"].tolist() == ["2.000000", "2.000000"]
    assert particles["rlnOriginXAngst"].tolist() == ["3.000000", "-4.000000", "0.000000"]
    assert particles["rlnOriginYAngst"].tolist() == ["0.000000", "6.000000", "0.500000"]
    assert "rlnOriginX" not in particles


def write_single_table(path, table):
    lines = ["data_", "", "loop_", *(f"_{label}" for label in table)]
    lines += [" ".join(row) for row in zip(*(table[label].tolist() for label in table), strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_single_table_is_read_like_any_other(tmp_path, write_stack):
    write_stack(tmp_path / "s.mrcs", 3, 8)
    particles, _ = read_particles(write_single_table(tmp_path / "a.star", ROWS))
    assert particles.pixel_size_angstrom == 2.0
    np.testing.assert_array_equal(particles.ctf.voltage_kv, [300, 200, 300])
    np.testing.assert_array_equal(particles.ctf.defocus_u_angstrom, [10000, 11000, 12000])


def test_image_names_alone_are_enough_without_ctf(tmp_path, write_stack):
    write_stack(tmp_path / "s.mrcs", 3, 8)
    path = write_single_table(tmp_path / "a.star", CarriedTable({"rlnImageName": ROWS["rlnImageName"]}))
    particles, _ = read_particles(path, use_ctf=False, pixel_size_angstrom=3.0)
    assert (particles.count, particles.pixel_size_angstrom) == (3, 3.0)
    assert particles.table.columns["rlnOpticsGroup"].tolist() == ["1", "1", "1"]
    with pytest.raises(ParticleFileError, match="no pixel size"):
        read_particles(path, use_ctf=False)


def test_bad_numbers_are_named(tmp_path):
    table = ROWS.having({"rlnMagnification": ["70000", "zero", "70000"]})
    with pytest.raises(ParticleFileError, match="row 2, rlnMagnification = 'zero' is not a number"):
        read_particles(write_single_table(tmp_path / "a.star", table))
    table = ROWS.having({"rlnMagnification": ["0"] * 3})
    with pytest.raises(ParticleFileError, match=r"is no pixel size.*--pixel-size"):
        read_particles(write_single_table(tmp_path / "a.star", table))
