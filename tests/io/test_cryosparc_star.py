import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from coldstart.io.cryosparc_files import read_dataset, write_dataset
from coldstart.io.cryosparc_star import star_tables
from coldstart.io.particle_files import read_particles
from coldstart.io.star_write import write_particles, write_unused


def test_fields_become_relions_columns(make_records):
    records = make_records(3, path=b">J1/a.mrc")
    optics, table = star_tables(records)
    assert table["rlnImageName"].tolist() == [f"{n:06d}@J1/a.mrc" for n in (1, 2, 3)]
    assert table["rlnMicrographName"].tolist() == ["J1/imported/mic.mrc"] * 3
    for label, expected in (
        ("rlnDefocusU", records["ctf/df1_A"]),
        ("rlnDefocusV", records["ctf/df2_A"]),
        ("rlnDefocusAngle", np.rad2deg(records["ctf/df_angle_rad"])),
        ("rlnPhaseShift", np.rad2deg(records["ctf/phase_shift_rad"])),
        ("rlnCoordinateX", 4000 * records["location/center_x_frac"]),
        ("rlnCoordinateY", 3000 * (1 - records["location/center_y_frac"])),
        ("rlnOriginXAngst", 3.0 * records["alignments3D/shift"][:, 0]),
        ("rlnOriginYAngst", 3.0 * records["alignments3D/shift"][:, 1]),
    ):
        np.testing.assert_allclose(table[label].astype(float), expected, rtol=1e-4, atol=1e-3)
    euler = np.stack([table[label].astype(float) for label in ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")], axis=1)
    found = Rotation.from_euler("ZYZ", euler, degrees=True)
    assert (found * Rotation.from_rotvec(records["alignments3D/pose"]).inv()).magnitude().max() < 1e-6
    assert table["rlnRandomSubset"].tolist() == ["1", "2", "1"]
    assert {label: optics[label].tolist() for label in optics} == {
        "rlnOpticsGroup": ["1"],
        "rlnOpticsGroupName": ["opticsGroup3"],
        "rlnVoltage": ["300.000000"],
        "rlnSphericalAberration": ["2.700000"],
        "rlnAmplitudeContrast": ["0.100000"],
        "rlnImagePixelSize": ["1.500000"],
        "rlnImageSize": ["8"],
        "rlnImageDimensionality": ["2"],
    }


def test_exposure_groups_become_optics_groups(make_records):
    tilt = np.zeros((4, 2), np.float32)
    tilt[2:, 0] = 2.7e7 * np.sin(0.5e-3)
    records = make_records(4, ctf__exp_group_id=np.array([9, 4, 9, 4], np.uint32), ctf__tilt_A=tilt)
    optics, table = star_tables(records)
    assert table["rlnOpticsGroup"].tolist() == ["1", "2", "3", "4"]
    assert optics["rlnOpticsGroupName"].tolist() == ["opticsGroup9", "opticsGroup4", "opticsGroup9", "opticsGroup4"]
    np.testing.assert_allclose(optics["rlnBeamTiltX"].astype(float), [0, 0, 0.5, 0.5], atol=1e-6)


def test_half_sets_of_which_one_is_empty_are_left_out(make_records):
    assert "rlnRandomSubset" not in star_tables(make_records(1))[1]


def test_without_location_the_stacks_stand_for_micrographs(make_records):
    nothing = dict.fromkeys(
        ["location__micrograph_path", "location__micrograph_shape", "location__center_x_frac", "alignments3D__pose"]
    )
    _, table = star_tables(make_records(2, path=b"J1/a.mrc", **nothing))
    assert table["rlnMicrographName"].tolist() == ["J1/a.mrc"] * 2
    assert "rlnCoordinateX" not in table
    assert "rlnAngleRot" not in table


@pytest.mark.parametrize("posed", [True, False])
def test_a_run_on_a_dataset_gives_a_star_file(tmp_path, make_records, make_poses, write_stack, posed):
    (tmp_path / "J1").mkdir()
    images = write_stack(tmp_path / "J1" / "a.mrc", 4, 8)
    write_dataset(tmp_path / "particles.cs", make_records(4, path=b"J1/a.mrc"))
    particles, source = read_particles(tmp_path / "particles.cs")
    (tmp_path / "run").mkdir()
    out = tmp_path / "run" / "out.star"
    if posed:
        write_particles(out, particles, make_poses([0, 3]), source)
    else:
        write_unused(out, particles, np.array([0, 3]), source)
    again, again_source = read_particles(out)
    # RELION takes a file that ends in .mrc for a stack where its name is marked so.
    assert again.table["rlnImageName"].tolist() == ["000001@../J1/a.mrc:mrcs", "000004@../J1/a.mrc:mrcs"]
    np.testing.assert_array_equal(again_source.read(np.arange(2)), images[[0, 3]])
    np.testing.assert_allclose(again.ctf.defocus_u_angstrom, particles.ctf.defocus_u_angstrom[[0, 3]], atol=1e-5)
    np.testing.assert_allclose(again.ctf.defocus_angle_deg, particles.ctf.defocus_angle_deg[[0, 3]], atol=1e-5)


def test_published_datasets_become_tables(metadata_folder):
    for name, count in (("cryosparc_P9_J209_000_particles.cs", 11764), ("cryosparc_P12_J24_001_particles.cs", 2019)):
        records = read_dataset(metadata_folder / name)
        optics, table = star_tables(records)
        assert len(table) == count
        assert table["rlnImageName"].tolist()[0].startswith("000001@J")
        assert float(optics["rlnImagePixelSize"][0]) == pytest.approx(float(records["blob/psize_A"][0]), abs=1e-6)
