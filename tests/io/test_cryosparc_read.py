import numpy as np
import pytest

from coldstart.errors import ParticleFileError
from coldstart.io.cryosparc_files import with_fields, without_slots, write_dataset
from coldstart.io.cryosparc_read import read_cryosparc_table
from coldstart.io.particle_files import read_particles


@pytest.fixture
def dataset(tmp_path, make_records, write_stack):
    """Path of a dataset of four particles, beside their stack."""
    write_stack(tmp_path / "stack.mrc", 4, 8)
    write_dataset(tmp_path / "particles.cs", make_records(4))
    return tmp_path / "particles.cs"


def test_fields_reach_their_columns(dataset, make_records):
    particles, source = read_particles(dataset)
    records = make_records(4)
    assert (particles.count, particles.box_px, particles.pixel_size_angstrom) == (4, 8, 1.5)
    np.testing.assert_array_equal(particles.ctf.defocus_u_angstrom, records["ctf/df1_A"])
    np.testing.assert_array_equal(particles.ctf.defocus_v_angstrom, records["ctf/df2_A"])
    np.testing.assert_allclose(particles.ctf.defocus_angle_deg, np.rad2deg(records["ctf/df_angle_rad"]), rtol=1e-6)
    np.testing.assert_allclose(particles.ctf.phase_shift_deg, np.rad2deg(records["ctf/phase_shift_rad"]), rtol=1e-6)
    assert set(particles.ctf.voltage_kv) == {300}
    assert set(particles.ctf.scale) == {1}
    assert not particles.ctf.premultiplied.any()
    assert source.read(np.array([3, 0])).shape == (2, 8, 8)
    assert particles.notes == ()
    assert particles.first(2).records["uid"].tolist() == records["uid"][:2].tolist()


def test_dark_particles_are_turned(tmp_path, dataset, make_records, write_stack):
    images = write_stack(tmp_path / "stack.mrc", 4, 8)
    write_dataset(dataset, make_records(4, blob__sign=np.array([-1, 1, -1, 1], np.float32)))
    particles, source = read_particles(dataset)
    np.testing.assert_array_equal(source.read(np.arange(4)), images * np.array([-1, 1, -1, 1])[:, None, None])
    assert "blob/sign -1" in particles.notes[0]


@pytest.mark.parametrize(
    "named", ["cryosparc_P1_J2_passthrough_particles.cs", "P1_J2_passthrough_particles_class_0.cs"]
)
def test_a_passthrough_file_is_joined(tmp_path, dataset, make_records, named):
    records = make_records(4)
    write_dataset(dataset, without_slots(records, ["blob", "location"]))
    write_dataset(tmp_path / "A_passthrough_other.cs", make_records(4, seed=5))
    write_dataset(tmp_path / named, without_slots(records, ["ctf", "alignments3D"])[::-1])
    particles, _ = read_particles(dataset)
    for field in records.dtype.names:
        np.testing.assert_array_equal(particles.records[field], records[field])
    assert named in particles.notes[0]
    (tmp_path / named).unlink()
    with pytest.raises(ParticleFileError, match=r"no field blob/path, and no passthrough file.*\.csg"):
        read_particles(dataset)


GROUP = """
created: 2021-06-10 00:55:14.794530
group: {description: words, name: particles, title: All particles, type: particle}
results:
  alignments2D: {metafile: '>missing.cs', num_items: 4, type: particle.alignments2D}
  alignments3D: {metafile: '>a.cs', num_items: 4, type: particle.alignments3D}
  blob: {metafile: '>b.cs', num_items: 4, type: particle.blob}
  ctf: {metafile: '>a.cs', num_items: 4, type: particle.ctf}
version: v2.15.0
"""


def test_a_group_says_which_dataset_has_what(tmp_path, dataset, make_records):
    records = make_records(4)
    write_dataset(tmp_path / "a.cs", records[::-1])
    # The group says that ctf is of a.cs: what b.cs has of it is not meant.
    write_dataset(tmp_path / "b.cs", with_fields(records, {"ctf/df1_A": np.zeros(4, np.float32)}))
    (tmp_path / "group.csg").write_text(GROUP)
    particles, _ = read_particles(tmp_path / "group.csg")
    for field in records.dtype.names:
        if not field.startswith("location/"):
            np.testing.assert_array_equal(particles.records[field], records[field])
    write_dataset(tmp_path / "a.cs", records[:3])
    with pytest.raises(ParticleFileError, match=r"a\.cs lacks particles of .*b\.cs"):
        read_particles(tmp_path / "group.csg")
    (tmp_path / "a.cs").unlink()
    with pytest.raises(ParticleFileError, match=r"a\.cs does not exist"):
        read_particles(tmp_path / "group.csg")


def test_paths_of_exports_and_of_projects(tmp_path, make_records, write_stack):
    """cryoSPARC's paths lead from the project's folder; those with the mark from the table's own."""
    job = tmp_path / "project" / "J7"
    (job / "imported").mkdir(parents=True)
    write_stack(job / "imported" / "a.mrc", 4, 8)
    for path in (b">imported/a.mrc", b"J7/imported/a.mrc", b"J7/imported/a.mrcs"):
        write_dataset(job / "particles.cs", make_records(4, path=path))
        assert read_particles(job / "particles.cs")[1].paths[0].samefile(job / "imported" / "a.mrc")
    write_dataset(tmp_path / "particles.cs", make_records(4, path=b"J7/imported/a.mrc"))
    with pytest.raises(ParticleFileError, match=r"the stack J7/imported/a\.mrc is missing"):
        read_particles(tmp_path / "particles.cs")
    assert read_particles(tmp_path / "particles.cs", data_root=tmp_path / "project")[0].count == 4


def test_aberrations_are_said_aloud(dataset, make_records):
    tilt = np.full((4, 2), (2.7e7 * 1e-3, 0), np.float32)  # 1 mrad
    write_dataset(dataset, make_records(4, ctf__tilt_A=tilt, ctf__trefoil_A=np.ones((4, 2), np.float32)))
    particles, _ = read_particles(dataset)
    # 2 pi Cs lambda^2 tilt / d^3
    expected = np.rad2deg(2 * np.pi * 2.7e7 * 0.019687**2 * 1e-3 / 12**3)
    assert f"At 12 Å the phase error is {expected:.1f} degrees" in particles.notes[0]
    assert "beam tilt and trefoil" in particles.notes[0]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ctf__df1_A": np.array([1, 2, np.nan, 4], np.float32)}, r"row 3: ctf/df1_A is nan"),
        ({"ctf__amp_contrast": np.full(4, 7, np.float32)}, "row 1: ctf/amp_contrast is 7, but must be a number from 0"),
        ({"blob__psize_A": np.zeros(4, np.float32)}, "row 1: images of .* pixels of 0 Å"),
        ({"blob__shape": np.full((4, 2), (8, 10), np.uint32)}, r"row 1: images of \[8, 10\] px"),
        ({"blob__shape": np.full((4, 2), 10, np.uint32)}, r"blob/shape is 10 px, but the images of .* are 8 px"),
        ({"blob__idx": np.array([0, 1, 2, 9], np.uint32)}, "row 4 asks for image 10"),
        ({"ctf__cs_mm": None}, "has no field ctf/cs_mm"),
        ({"blob__path": np.full(4, "stack.mrc")}, r"the field blob/path is of type <U9"),
        ({"blob__shape": np.full(4, 8, np.uint32)}, r"the field blob/shape is of type uint32"),
        ({"ctf__df1_A": np.full((4, 2), 8, np.float32)}, r"the field ctf/df1_A is of type"),
    ],
)
def test_errors_name_row_field_and_value(dataset, make_records, fields, message):
    write_dataset(dataset, make_records(4, **fields))
    with pytest.raises(ParticleFileError, match=message):
        read_particles(dataset)


def test_no_particles_and_no_ctf(dataset, make_records):
    write_dataset(dataset, make_records(4)[:0])
    with pytest.raises(ParticleFileError, match="lists no particles"):
        read_particles(dataset)
    write_dataset(dataset, without_slots(make_records(4), ["ctf"]))
    particles, _ = read_particles(dataset, use_ctf=False, pixel_size_angstrom=2.0)
    assert (particles.ctf, particles.pixel_size_angstrom) == (None, 2.0)


def test_a_real_dataset_beside_its_stack(real_images_folder):
    particles, source = read_particles(real_images_folder / "empiar_10076_7.cs")
    star, star_source = read_particles(real_images_folder / "empiar_10076_7.star")
    assert (particles.count, particles.box_px) == (7, 320)
    assert particles.pixel_size_angstrom == pytest.approx(star.pixel_size_angstrom, rel=1e-4)
    for name in ("defocus_u_angstrom", "defocus_angle_deg", "voltage_kv", "amplitude_contrast"):
        np.testing.assert_allclose(getattr(particles.ctf, name), getattr(star.ctf, name), rtol=1e-5)
    # The dataset says that its particles are dark, the STAR file cannot.
    np.testing.assert_array_equal(source.read(np.arange(7)), -star_source.read(np.arange(7)))
    images = source.read(np.arange(7))
    assert images[:, 110:210, 110:210].mean() > images[:, :40].mean()


def test_published_datasets(metadata_folder):
    table = read_cryosparc_table(metadata_folder / "cryosparc_P9_J209_000_particles.cs")
    assert len(table.records) == 11764
    assert table.places.stacks[0].startswith("J204/extract/2397979986758697250_14sep05c")
    assert table.kinds[0].sign == -1
    assert table.ctf.defocus_u_angstrom[0] == pytest.approx(12920.996)
