import numpy as np
import pytest

from coldstart.errors import ParticleFileError
from coldstart.io.particle_files import read_particles
from coldstart.io.star_columns import CTF_COLUMNS
from coldstart.io.star_write import write_unused
from coldstart.model.ctf import flip_phases, take_rows

NO_CTF_COLUMNS = {"rlnDefocusU": None, "rlnDefocusV": None, "rlnDefocusAngle": None}


def test_columns_reach_their_fields(small_set):
    particles, _ = read_particles(small_set)
    assert (particles.count, particles.box_px, particles.pixel_size_angstrom) == (3, 8, 1.5)
    assert particles.box_angstrom == 12.0
    ctf = particles.ctf
    np.testing.assert_array_equal(ctf.defocus_u_angstrom, [10000.5, 12000, 13000])
    np.testing.assert_array_equal(ctf.defocus_v_angstrom, [9000, 11000, 12500])
    np.testing.assert_array_equal(ctf.defocus_angle_deg, [10, 20, -30])
    np.testing.assert_array_equal(ctf.voltage_kv, [300] * 3)
    np.testing.assert_array_equal(ctf.cs_mm, [2.7] * 3)
    np.testing.assert_array_equal(ctf.amplitude_contrast, [0.1] * 3)
    np.testing.assert_array_equal(ctf.phase_shift_deg, [0] * 3)
    np.testing.assert_array_equal(ctf.b_factor_angstrom2, [0] * 3)
    np.testing.assert_array_equal(ctf.scale, [1] * 3)


def test_optional_ctf_columns_are_read(tmp_path, small_set, write_star):
    extra = {"rlnPhaseShift": ["90", "80", "70"], "rlnCtfBfactor": ["1", "2", "3"], "rlnCtfScalefactor": ["0.5"] * 3}
    particles, _ = read_particles(write_star(tmp_path / "b.star", particles=extra))
    np.testing.assert_array_equal(particles.ctf.phase_shift_deg, [90, 80, 70])
    np.testing.assert_array_equal(particles.ctf.b_factor_angstrom2, [1, 2, 3])
    np.testing.assert_array_equal(particles.ctf.scale, [0.5] * 3)


def test_images_are_those_that_are_named(tmp_path, write_stack, small_set):
    images = write_stack(tmp_path / "stack.mrcs", 4, 8, seed=5)
    _, source = read_particles(small_set)
    np.testing.assert_array_equal(source.read(np.arange(3)), images[[0, 2, 1]])


def test_every_column_is_carried_as_text(small_set):
    particles, _ = read_particles(small_set)
    assert particles.table.columns["rlnDefocusU"].tolist() == ["10000.5", "12000", "1.3e4"]
    assert particles.table.columns["rlnImageName"].tolist()[2] == "2@stack.mrcs"
    assert particles.optics.columns["rlnVoltage"].tolist() == ["300.000000"]


def test_optics_groups_are_joined_by_number_not_by_place(tmp_path, small_set, write_star):
    optics = {
        "rlnOpticsGroup": ["7", "2", "9"],
        "rlnOpticsGroupName": ["a", "b", "c"],
        "rlnVoltage": ["100", "200", "300"],
        "rlnSphericalAberration": ["1", "2", "3"],
        "rlnAmplitudeContrast": ["0.07"] * 3,
        # Group 9 has no particles, so its box and pixel size do not count.
        "rlnImagePixelSize": ["1.5", "1.5", "2.0"],
        "rlnImageSize": ["8", "8", "10"],
        "rlnImageDimensionality": ["2"] * 3,
    }
    path = write_star(tmp_path / "b.star", optics=optics, particles={"rlnOpticsGroup": ["2", "7", "2"]})
    particles, _ = read_particles(path)
    np.testing.assert_array_equal(particles.ctf.voltage_kv, [200, 100, 200])
    np.testing.assert_array_equal(particles.ctf.cs_mm, [2, 1, 2])


def test_optics_may_come_last(tmp_path, small_set):
    head, _, particles = small_set.read_text().partition("\n# version 30001\n\ndata_particles")
    swapped = tmp_path / "swapped.star"
    swapped.write_text("data_particles" + particles + head)
    assert read_particles(swapped)[0].ctf.voltage_kv[0] == 300


def test_data_root_comes_before_the_tables_folder(tmp_path, small_set, write_stack):
    (tmp_path / "root").mkdir()
    images = write_stack(tmp_path / "root" / "stack.mrcs", 4, 8, seed=9)
    _, source = read_particles(small_set, data_root=tmp_path / "root")
    np.testing.assert_array_equal(source.read(np.array([0])), images[:1])
    (tmp_path / "root" / "stack.mrcs").unlink()
    _, source = read_particles(small_set, data_root=tmp_path / "root")
    assert source.paths == (tmp_path / "stack.mrcs",)


def test_absolute_names_and_the_other_extension(tmp_path, small_set, write_star):
    (tmp_path / "stack.mrcs").rename(tmp_path / "stack.mrc")
    path = write_star(tmp_path / "b.star", particles={"rlnImageName": [f"1@{tmp_path}/stack.mrcs"] * 3})
    _, source = read_particles(path)
    assert source.paths == (tmp_path / "stack.mrc",)


def test_given_pixel_size_takes_precedence(tmp_path, small_set, write_star):
    assert read_particles(small_set, pixel_size_angstrom=2.25)[0].pixel_size_angstrom == 2.25
    path = write_star(tmp_path / "b.star", optics={"rlnImagePixelSize": None})
    assert read_particles(path, pixel_size_angstrom=2.25)[0].pixel_size_angstrom == 2.25


def test_without_ctf_no_ctf_column_is_needed(tmp_path, small_set, write_star):
    optics = {"rlnVoltage": None, "rlnSphericalAberration": None, "rlnAmplitudeContrast": None}
    path = write_star(tmp_path / "b.star", optics=optics, particles=NO_CTF_COLUMNS)
    assert read_particles(path, use_ctf=False)[0].ctf is None


def test_plain_stack(tmp_path, write_stack):
    path = tmp_path / "averages.mrcs"
    images = write_stack(path, 5, 8, pixel_size=4.25)
    particles, source = read_particles(path, use_ctf=False)
    assert (particles.count, particles.box_px, particles.pixel_size_angstrom) == (5, 8, 4.25)
    assert particles.ctf is None
    assert particles.table.columns["rlnImageName"].tolist()[4] == "000005@averages.mrcs"
    np.testing.assert_array_equal(source.read(np.array([4, 1])), images[[4, 1]])
    assert read_particles(path, use_ctf=False, pixel_size_angstrom=3.0)[0].pixel_size_angstrom == 3.0


def test_plain_stack_needs_no_ctf_and_a_pixel_size(tmp_path, write_stack):
    write_stack(tmp_path / "a.mrcs", 2, 8)
    with pytest.raises(ParticleFileError, match=r"plain stack, which holds no CTF.*--no-ctf"):
        read_particles(tmp_path / "a.mrcs", pixel_size_angstrom=2.0)
    with pytest.raises(ParticleFileError, match=r"no pixel size.*--pixel-size"):
        read_particles(tmp_path / "a.mrcs", use_ctf=False)
    with pytest.raises(ParticleFileError, match=r"none\.mrcs is missing"):
        read_particles(tmp_path / "none.mrcs", use_ctf=False)


@pytest.mark.parametrize(
    ("optics", "particles", "message"),
    [
        ({}, {"rlnImageName": None}, "data_particles has no column rlnImageName"),
        ({}, {"rlnImageName": ["1@stack.mrcs", "stack.mrcs", "2@stack.mrcs"]}, r"row 2, rlnImageName = 'stack\.mrcs'"),
        ({}, {"rlnImageName": ["1@stack.mrcs", "2@stack.mrcs", "0@stack.mrcs"]}, "row 3, .*count from 1"),
        ({}, {"rlnImageName": ["1@stack.mrcs", "5@stack.mrcs", "1@stack.mrcs"]}, "row 2 asks for image 5.* 4 images"),
        (
            {},
            {"rlnImageName": ["1@x/no.mrcs"] * 3},
            r"row 1: the stack x/no\.mrcs is missing; .*--data-root",
        ),
        ({}, {"rlnOpticsGroup": ["1", "1", "4"]}, r"row 3, rlnOpticsGroup = '4' is not defined.*\[1\]"),
        ({}, {"rlnOpticsGroup": None}, "data_particles has no column rlnOpticsGroup"),
        ({}, {"rlnDefocusU": ["1", "x", "3"]}, "row 2, rlnDefocusU = 'x' is not a number"),
        ({}, {"rlnDefocusU": ["1", "2", "nan"]}, "row 3, rlnDefocusU = 'nan' is not a number"),
        ({}, {"rlnDefocusV": None}, "no column rlnDefocusV, which the CTF needs.*--no-ctf"),
        ({"rlnVoltage": None}, {}, "no column rlnVoltage, which the CTF needs.*--no-ctf"),
        ({"rlnVoltage": ["0"]}, {}, "row 1: rlnVoltage is 0, but must be from 1 to 5000 kV"),
        ({"rlnAmplitudeContrast": ["7"]}, {}, "rlnAmplitudeContrast is 7, but must be from 0 to 1"),
        ({"rlnImagePixelSize": None}, {}, "no pixel size.*--pixel-size"),
        ({"rlnImagePixelSize": ["0.0"]}, {}, "rlnImagePixelSize = '0.0' is no pixel size.*--pixel-size"),
        ({"rlnImageSize": ["10"]}, {}, "rlnImageSize is 10 px, but the images of .* are 8 px"),
        ({"rlnImageDimensionality": ["3"]}, {}, "rlnImageDimensionality is not 2"),
        ({"rlnCtfDataAreCtfPremultiplied": ["2"]}, {}, "rlnCtfDataAreCtfPremultiplied is 2, but must be from 0 to 1"),
        ({"rlnOpticsGroup": None}, {}, "data_optics has no column rlnOpticsGroup"),
        ({"rlnOpticsGroup": ["1.5"]}, {}, "rlnOpticsGroup = '1.5' is not a whole number"),
    ],
)
def test_errors_name_place_value_and_remedy(tmp_path, small_set, write_star, optics, particles, message):
    path = write_star(tmp_path / "bad.star", optics=optics, particles=particles)
    with pytest.raises(ParticleFileError, match=message) as caught:
        read_particles(path)
    assert "bad.star" in str(caught.value) or "stack.mrcs" in str(caught.value)


TWO_GROUPS = {
    "rlnOpticsGroup": ["1", "2"],
    "rlnOpticsGroupName": ["early", "late"],
    "rlnVoltage": ["300"] * 2,
    "rlnSphericalAberration": ["2.7"] * 2,
    "rlnAmplitudeContrast": ["0.1"] * 2,
    "rlnImagePixelSize": ["1.5"] * 2,
    "rlnImageSize": ["16"] * 2,
    "rlnImageDimensionality": ["2"] * 2,
}


def test_groups_of_different_pixel_sizes_and_boxes_come_to_one(tmp_path, write_stack, write_star):
    early = write_stack(tmp_path / "early.mrcs", 2, 16, seed=1)
    write_stack(tmp_path / "late.mrcs", 2, 24, seed=2)
    optics = TWO_GROUPS | {"rlnImagePixelSize": ["2.0", "1.5"], "rlnImageSize": ["16", "24"]}
    names = ["1@early.mrcs", "2@late.mrcs", "2@early.mrcs"]
    path = write_star(
        tmp_path / "b.star", optics=optics, particles={"rlnImageName": names, "rlnOpticsGroup": ["1", "2", "1"]}
    )
    particles, source = read_particles(path)
    assert (particles.box_px, particles.pixel_size_angstrom) == (16, 2.0)
    images = source.read(np.array([1, 2, 0]))
    np.testing.assert_array_equal(images[1:], early[[1, 0]])
    assert images.shape == (3, 16, 16)
    assert len(particles.notes) == 1
    assert "early: 16 px of 2 Å; late: 24 px of 1.5 Å" in particles.notes[0]
    assert "brought to 16 px of 2 Å" in particles.notes[0]
    # The table keeps what it says of each group.
    assert particles.optics["rlnImagePixelSize"].tolist() == ["2.0", "1.5"]


def test_boxes_that_do_not_fit_their_group_are_named(tmp_path, small_set, write_star, write_stack):
    optics = TWO_GROUPS | {"rlnImageSize": ["8", "10"]}
    path = write_star(tmp_path / "b.star", optics=optics, particles={"rlnOpticsGroup": ["1", "2", "1"]})
    with pytest.raises(ParticleFileError, match=r"rlnImageSize is 10 px, but the images of .*stack\.mrcs are 8 px"):
        read_particles(path)
    write_stack(tmp_path / "other.mrcs", 2, 10)
    names = ["1@stack.mrcs", "1@other.mrcs", "2@stack.mrcs"]
    path = write_star(tmp_path / "b.star", optics={"rlnImageSize": None}, particles={"rlnImageName": names})
    with pytest.raises(ParticleFileError, match=r"row 2: .*other\.mrcs has a box of 10 px, other stacks of the same"):
        read_particles(path)


def test_what_the_optics_lack_is_filled_in(tmp_path, write_stack, write_star):
    write_stack(tmp_path / "early.mrcs", 2, 16)
    write_stack(tmp_path / "late.mrcs", 2, 24)
    optics = TWO_GROUPS | {"rlnImageSize": None, "rlnImageDimensionality": None}
    names = ["1@early.mrcs", "2@late.mrcs", "2@early.mrcs"]
    changes = {"rlnImageName": names, "rlnOpticsGroup": ["1", "2", "1"]}
    particles, _ = read_particles(write_star(tmp_path / "b.star", optics=optics, particles=changes))
    assert particles.box_px == 16
    assert particles.optics["rlnImageSize"].tolist() == ["16", "24"]
    assert particles.optics["rlnImageDimensionality"].tolist() == ["2", "2"]


def test_anisotropic_magnification_is_undone_and_said(tmp_path, small_set, write_star):
    matrix = {"rlnMagMat00": ["1.02"], "rlnMagMat01": ["0.0"], "rlnMagMat10": ["0.0"], "rlnMagMat11": ["0.98"]}
    particles, source = read_particles(write_star(tmp_path / "b.star", optics=matrix))
    assert "anisotropic magnification was undone" in particles.notes[0]
    plain = read_particles(small_set)[1].read(np.arange(3))
    assert source.read(np.arange(3)).shape == plain.shape
    assert np.abs(source.read(np.arange(3)) - plain).max() > 0.1
    identity = {label: ["1.0" if label in ("rlnMagMat00", "rlnMagMat11") else "0.0"] for label in matrix}
    particles, source = read_particles(write_star(tmp_path / "c.star", optics=identity))
    assert particles.notes == ()
    np.testing.assert_array_equal(source.read(np.arange(3)), plain)
    with pytest.raises(ParticleFileError, match="is no magnification near 1"):
        read_particles(write_star(tmp_path / "d.star", optics=matrix | {"rlnMagMat11": ["0.0"]}))


def test_images_multiplied_by_their_ctf_are_known_as_such(tmp_path, small_set, write_star):
    particles, _ = read_particles(write_star(tmp_path / "b.star", optics={"rlnCtfDataAreCtfPremultiplied": ["1"]}))
    np.testing.assert_array_equal(particles.ctf.premultiplied, [1, 1, 1])
    assert "multiplied by their CTF" in particles.notes[0]
    assert not read_particles(small_set)[0].ctf.premultiplied.any()


def test_phase_flipped_images_are_flipped_back_and_said(tmp_path, small_set, write_star):
    rows = np.array([2, 0, 1])
    particles, raw = read_particles(small_set)
    expected = flip_phases(raw.read(rows), take_rows(particles.ctf, rows), particles.box_angstrom)
    assert np.abs(expected - raw.read(rows)).max() > 0.1
    stated = write_star(tmp_path / "b.star", optics={"rlnCtfDataArePhaseFlipped": ["1"]})
    for path, said_by_the_user in ((stated, False), (small_set, True), (stated, True)):
        particles, source = read_particles(path, phase_flipped=said_by_the_user)
        np.testing.assert_array_equal(source.read(rows), expected)
        np.testing.assert_array_equal(source.take(rows).read(np.arange(3)), expected)
        assert "flipped back" in particles.notes[0]
    assert particles.optics["rlnCtfDataArePhaseFlipped"].tolist() == ["1"]
    np.testing.assert_array_equal(read_particles(stated, use_ctf=False)[1].read(rows), raw.read(rows))


def test_stacks_are_found_from_the_folders_above(tmp_path, small_set):
    """RELION's names lead from the project's folder, and the table lies in a job's folder."""
    job = tmp_path / "Select" / "job012"
    job.mkdir(parents=True)
    small_set.rename(job / "particles.star")
    _, source = read_particles(job / "particles.star")
    assert source.paths[0].samefile(tmp_path / "stack.mrcs")


def test_names_marked_as_stacks(tmp_path, small_set, write_star):
    (tmp_path / "stack.mrcs").rename(tmp_path / "stack.mrc")
    names = [f"{number}@stack.mrc:mrcs" for number in (1, 3, 2)]
    _, source = read_particles(write_star(tmp_path / "b.star", particles={"rlnImageName": names}))
    assert source.paths == (tmp_path / "stack.mrc",)


def test_a_group_defined_twice(tmp_path, small_set):
    text = small_set.read_text()
    row = next(line for line in text.splitlines() if line.startswith("1 opticsGroup1"))
    path = tmp_path / "b.star"
    path.write_text(text.replace(row, f"{row}\n{row}"))
    with pytest.raises(ParticleFileError, match="defines a group twice"):
        read_particles(path)


def test_tables_without_particles(tmp_path, small_set, write_star):
    text = small_set.read_text()
    path = tmp_path / "b.star"
    path.write_text(text[: text.index("000001@")])
    with pytest.raises(ParticleFileError, match="lists no particles"):
        read_particles(path)
    path.write_text("data_model\n\nloop_\n_rlnReferenceImage\nmap.mrc\n")
    with pytest.raises(ParticleFileError, match="no block of particles, only data_model"):
        read_particles(path)
    write_star(path)
    path.write_text(path.read_text().partition("data_particles")[1] + path.read_text().partition("data_particles")[2])
    with pytest.raises(ParticleFileError, match="no block data_optics"):
        read_particles(path)


def test_every_ctf_field_has_one_label():
    assert len({column.field for column in CTF_COLUMNS}) == len(CTF_COLUMNS) == 10


EXPECTED_REAL = {
    "relion31.star": (5, 256, 2.806),
    "sample_particles_relion31.star": (17, 200, 1.4),
    "sample_particles_relion30.star": (17, 200, 1.338),
    "empiar_10076_7.star": (7, 320, 1.31),
}


@pytest.mark.parametrize("name", sorted(EXPECTED_REAL))
def test_real_particles_are_read(real_images_folder, name):
    particles, source = read_particles(real_images_folder / name)
    count, box, pixel_size = EXPECTED_REAL[name]
    assert (particles.count, particles.box_px) == (count, box)
    assert particles.pixel_size_angstrom == pytest.approx(pixel_size, abs=1e-3)
    assert 5000 < particles.ctf.defocus_u_angstrom.min() <= particles.ctf.defocus_u_angstrom.max() < 50000
    images = source.read(np.arange(count))
    # Extracted particles are normalised: background of mean 0 and standard deviation 1.
    assert 0.5 < images.std() < 2


def test_two_optics_groups_of_a_real_table(real_images_folder):
    particles, _ = read_particles(real_images_folder / "sample_particles_relion31.star")
    assert set(particles.ctf.voltage_kv) <= {200.0, 300.0}


@pytest.mark.parametrize("name", ["relion31.star", "relion5.star"])
def test_published_tables_are_read_beside_stacks(metadata_folder, tmp_path, write_stack, name):
    box = {"relion31.star": 256, "relion5.star": 448}[name]
    for stack in ("relion31.mrcs", "toy_images_a.mrcs", "toy_images_b.mrcs"):
        write_stack(tmp_path / stack, 20, box, dtype=np.int8)
    particles, _ = read_particles(metadata_folder / name, data_root=tmp_path)
    assert particles.count == 5 if name == "relion31.star" else particles.count > 5
    assert particles.box_px == box


def test_files_of_one_image_need_no_number(tmp_path, small_set, write_stack, write_star):
    for name in ("a.mrc", "b.mrcs"):
        write_stack(tmp_path / name, 1, 8, seed=len(name))
    names = ["2@stack.mrcs", "a.mrc", "b.mrcs"]
    path = write_star(tmp_path / "b.star", particles={"rlnImageName": names})
    particles, source = read_particles(path)
    images = source.read(np.arange(3))
    np.testing.assert_array_equal(images[1:], [source.headers[number].open()[0] for number in (1, 2)])
    for folder, expected in ((tmp_path, names), (tmp_path / "out", ["2@../stack.mrcs", "../a.mrc", "../b.mrcs"])):
        folder.mkdir(exist_ok=True)
        write_unused(folder / "again.star", particles, np.arange(3), source)
        found, again = read_particles(folder / "again.star")
        assert found.table["rlnImageName"].tolist() == expected
        np.testing.assert_array_equal(again.read(np.arange(3)), images)
    with pytest.raises(ParticleFileError, match=r"row 3, rlnImageName = 'stack.mrcs' does not say which of the 4 "):
        read_particles(write_star(tmp_path / "c.star", particles={"rlnImageName": [*names[:2], "stack.mrcs"]}))
