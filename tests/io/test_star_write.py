from pathlib import Path

import numpy as np
import pytest
import starfile
from hypothesis import given, settings
from hypothesis import strategies as st

from coldstart.io.particle_files import read_particles
from coldstart.io.star_columns import POSE_LABELS
from coldstart.io.star_text import read_blocks, write_blocks
from coldstart.io.star_write import image_names, moved_image_names, particles_table, write_particles, write_unused
from coldstart.model.particles import CarriedTable, Particles


def test_poses_fill_relions_columns(small_set, tmp_path, make_poses):
    particles, source = read_particles(small_set)
    poses = make_poses(
        [0, 2],
        euler_deg=np.array([[10.0, 20.0, -30.5], [-0.0, 0.0, 179.9999999]]),
        origin_angstrom=np.array([[-4.5, 7.5], [-1e-9, 0.0]]),
        class_posterior=np.array([[0.7, 0.2, 0.1], [0.125, 0.25, 0.625]]),
        log_likelihood=np.array([-1234.5678, np.nan]),
        used=np.array([True, False]),
        ess=np.array([1.25, 3.0]),
        max_posterior=np.array([0.9, 0.125]),
    )
    path = tmp_path / "out.star"
    write_particles(path, particles, poses, source)
    blocks = starfile.read(path, parse_as_string=list(POSE_LABELS))
    table = blocks["particles"]
    assert table["rlnAngleRot"].tolist() == ["10.000000", "0.000000"]
    assert table["rlnAngleTilt"].tolist() == ["20.000000", "0.000000"]
    assert table["rlnAnglePsi"].tolist() == ["-30.500000", "180.000000"]
    assert table["rlnOriginXAngst"].tolist() == ["-4.500000", "0.000000"]
    assert table["rlnOriginYAngst"].tolist() == ["7.500000", "0.000000"]
    assert table["rlnClassNumber"].tolist() == ["1", "3"]
    assert table["rlnLogLikeliContribution"].iloc[0] == "-1234.567800"
    assert table["rlnMaxValueProbDistribution"].tolist() == ["0.900000", "0.125000"]
    assert table["coldstartPoseEss"].tolist() == ["1.250000", "3.000000"]
    assert table["coldstartClassPosterior"].tolist() == ["0.700000", "0.625000"]
    assert table["coldstartClassMargin"].tolist() == ["0.500000", "0.375000"]
    assert table["coldstartLabel"].tolist() == ["low_confidence", "unused"]
    assert table["coldstartClassPosterior2"].astype(float).tolist() == [0.2, 0.25]
    assert table["rlnImageName"].tolist() == ["000001@stack.mrcs", "2@stack.mrcs"]


def test_untouched_columns_are_the_same_strings(tmp_path, small_set, write_star, make_poses):
    carried = {
        "rlnCtfMaxResolution": ["4.50", "nan", "1e1"],
        "rlnAngleRot": ["1", "2", "3"],
        "myRemark": ["å", "x_y", "007"],
        "rlnOriginX": ["1.5", "2.5", "3.5"],
    }
    path = write_star(tmp_path / "in.star", optics={"rlnMtfFileName": ["mtf.star"]}, particles=carried)
    particles, source = read_particles(path)
    write_particles(tmp_path / "out.star", particles, make_poses([0, 1, 2]), source)
    again, _ = read_particles(tmp_path / "out.star")
    touched = {*POSE_LABELS, "rlnOriginX"}
    assert "rlnOriginX" not in again.table.columns
    for label, values in particles.table.columns.items():
        if label not in touched:
            assert again.table.columns[label].tolist() == values.tolist()
    assert {label: values.tolist() for label, values in again.optics.columns.items()} == {
        label: values.tolist() for label, values in particles.optics.columns.items()
    }
    # A column that is replaced keeps its place; new ones come last.
    labels = list(again.table.columns)
    assert labels.index("rlnAngleRot") == list(particles.table.columns).index("rlnAngleRot")


def test_a_second_round_changes_no_byte(tmp_path, small_set, make_poses):
    particles, source = read_particles(small_set)
    poses = make_poses([0, 1, 2])
    write_particles(tmp_path / "one.star", particles, poses, source)
    again, source_again = read_particles(tmp_path / "one.star")
    write_particles(tmp_path / "two.star", again, poses, source_again)
    assert (tmp_path / "one.star").read_bytes() == (tmp_path / "two.star").read_bytes()


finite = st.floats(-1e6, 1e6)


@given(st.lists(st.tuples(finite, finite, finite, finite, finite), min_size=1, max_size=5))
def test_numbers_come_back_to_six_decimals(tmp_path_factory, make_poses, rows):
    values = np.array(rows)
    names = np.array([f"{row + 1:06d}@s.mrcs" for row in range(len(rows))])
    particles = Particles(len(rows), 8, 1.5, None, CarriedTable({"rlnImageName": names}))
    poses = make_poses(range(len(rows)), euler_deg=values[:, :3], origin_angstrom=values[:, 3:])
    path = tmp_path_factory.mktemp("star") / "a.star"
    write_particles(path, particles, poses)
    table = starfile.read(path)["particles"]
    np.testing.assert_allclose(
        table[["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi", "rlnOriginXAngst", "rlnOriginYAngst"]], values, atol=6e-7
    )


def test_unused_particles_keep_every_column_and_are_labelled(tmp_path, small_set, write_star):
    path = write_star(tmp_path / "in.star", particles={"rlnAngleRot": ["1", "2", "3"]})
    particles, source = read_particles(path)
    write_unused(tmp_path / "unused.star", particles, np.array([1]), source)
    again, _ = read_particles(tmp_path / "unused.star")
    carried = {label: values[[1]].tolist() for label, values in particles.table.columns.items()}
    assert {label: values.tolist() for label, values in again.table.columns.items()} == {
        **carried,
        "coldstartLabel": ["unused"],
    }


def test_what_an_earlier_run_said_of_a_particle_is_left_out(tmp_path, small_set, write_star, make_poses):
    earlier = {"coldstartLabel": ["used"] * 3, "coldstartPoseEss": ["9"] * 3, "coldstartClassPosterior3": ["0.5"] * 3}
    particles, source = read_particles(write_star(tmp_path / "in.star", particles=earlier))
    write_particles(tmp_path / "out.star", particles, make_poses([0, 2], used=np.zeros(2, dtype=bool)), source)
    write_unused(tmp_path / "unused.star", particles, np.array([1]), source)
    posed, unused = (read_particles(tmp_path / name)[0].table.columns for name in ("out.star", "unused.star"))
    carried = set(particles.table.columns) - set(earlier)
    assert set(posed) == {*carried, *POSE_LABELS}
    assert "9" not in posed["coldstartPoseEss"]
    assert set(unused) == {*carried, "coldstartLabel"}
    assert unused["coldstartLabel"].tolist() == ["unused"]


def test_moved_names_lead_to_the_same_stacks(tmp_path):
    names = ["1@../data/a.mrcs", "02@b.mrc", f"3@{tmp_path}/c.mrcs", "4@../data/a.mrcs", "5@b.mrc:mrcs"]
    utf8 = np.array([name.encode() for name in names])
    moved = moved_image_names(utf8, tmp_path / "run", tmp_path / "picked" / "deep")
    assert moved.astype(str).tolist() == [
        "1@../../data/a.mrcs",
        "02@../../run/b.mrc:mrcs",
        f"3@{tmp_path}/c.mrcs",
        "4@../../data/a.mrcs",
        "5@../../run/b.mrc:mrcs",
    ]
    again = moved_image_names(utf8, tmp_path / "run", tmp_path / "run")
    assert again.astype(str).tolist() == [*names[:1], "02@b.mrc:mrcs", *names[2:]]


def test_relative_stacks_are_found_from_another_folder(tmp_path, small_set, write_stack, make_poses):
    images = write_stack(tmp_path / "stack.mrcs", 4, 8, seed=3)
    particles, source = read_particles(small_set)
    out = tmp_path / "runs" / "one"
    out.mkdir(parents=True)
    write_particles(out / "particles.star", particles, make_poses([0, 1, 2]), source)
    again, source_again = read_particles(out / "particles.star")
    expected = ["000001@../../stack.mrcs", "000003@../../stack.mrcs", "2@../../stack.mrcs"]
    assert again.table.columns["rlnImageName"].tolist() == expected
    np.testing.assert_array_equal(source_again.read(np.arange(3)), images[[0, 2, 1]])


def test_stacks_under_a_data_root_are_found_without_it_afterwards(tmp_path, small_set, make_poses):
    (tmp_path / "root").mkdir()
    (tmp_path / "stack.mrcs").rename(tmp_path / "root" / "stack.mrcs")
    particles, source = read_particles(small_set, data_root=tmp_path / "root")
    write_particles(tmp_path / "out.star", particles, make_poses([0, 1, 2]), source)
    assert read_particles(tmp_path / "out.star")[1].paths[0].samefile(tmp_path / "root" / "stack.mrcs")


def test_absolute_names_stay(tmp_path, small_set, write_star):
    names = [f"{number}@{tmp_path}/stack.mrcs" for number in (1, 2, 3)]
    particles, source = read_particles(write_star(tmp_path / "in.star", particles={"rlnImageName": names}))
    utf8 = particles.table.utf8("rlnImageName")
    assert image_names(utf8, np.arange(3), source, tmp_path / "elsewhere").astype(str).tolist() == names


def test_names_lead_out_of_a_folder_that_is_a_link(tmp_path, small_set, make_poses):
    real = tmp_path / "disk" / "deep" / "run"
    real.mkdir(parents=True)
    link = tmp_path / "run"
    try:
        link.symlink_to(real, target_is_directory=True)
    except OSError:
        pytest.skip("this system makes no symbolic links")
    particles, source = read_particles(small_set)
    write_particles(link / "out.star", particles, make_poses([0]), source)
    assert read_particles(link / "out.star")[0].count == 1


def test_relative_input_path(tmp_path, small_set, monkeypatch, make_poses):
    monkeypatch.chdir(tmp_path)
    particles, source = read_particles(Path("particles.star"))
    Path("out").mkdir()
    write_particles(Path("out/particles.star"), particles, make_poses([0]), source)
    assert read_particles(Path("out/particles.star"))[0].count == 1


def test_optics_state_the_pixel_size_of_the_run_and_the_box(tmp_path, small_set, write_star, make_poses):
    optics = {"rlnImagePixelSize": ["1.0"], "rlnImageSize": None, "rlnImageDimensionality": None}
    particles, _ = read_particles(write_star(tmp_path / "in.star", optics=optics), pixel_size_angstrom=2.5)
    table = particles_table(particles, make_poses([0]))["optics"]
    assert table["rlnImagePixelSize"].tolist() == ["2.500000"]
    assert table["rlnImageSize"].tolist() == ["8"]
    assert table["rlnImageDimensionality"].tolist() == ["2"]


def test_plain_stack_gets_an_optics_group(tmp_path, write_stack, make_poses):
    write_stack(tmp_path / "a.mrcs", 3, 8)
    particles, source = read_particles(tmp_path / "a.mrcs", use_ctf=False, pixel_size_angstrom=4.25)
    write_particles(tmp_path / "out.star", particles, make_poses([0, 2]), source)
    again, _ = read_particles(tmp_path / "out.star", use_ctf=False)
    assert again.pixel_size_angstrom == 4.25
    assert again.table.columns["rlnImageName"].tolist() == ["000001@a.mrcs", "000003@a.mrcs"]
    assert again.optics.columns["rlnOpticsGroup"].tolist() == ["1"]


def test_real_table_round_trip(real_images_folder, tmp_path, make_poses):
    particles, source = read_particles(real_images_folder / "relion31.star")
    write_particles(tmp_path / "out.star", particles, make_poses(range(5)), source)
    again, source_again = read_particles(tmp_path / "out.star")
    rewritten = {*POSE_LABELS, "rlnImageName"}
    for label in set(particles.table.columns) - rewritten:
        assert again.table.columns[label].tolist() == particles.table.columns[label].tolist()
    np.testing.assert_array_equal(source_again.read(np.arange(5)), source.read(np.arange(5)))


@st.composite
def star_tables(draw):
    """A table of particles in a stack of four images, with columns of any text that the program does not know."""
    count = draw(st.integers(1, 6))
    text = st.text(st.characters(codec="utf-8", exclude_categories=("C",), exclude_characters="'"), max_size=8)
    labels = draw(st.lists(st.from_regex(r"(rlnX|my)[a-z]{1,5}", fullmatch=True), max_size=4, unique=True))
    carried = {label: draw(st.lists(text, min_size=count, max_size=count)) for label in labels}
    number = st.floats(0, 50000).map(lambda value: draw(st.sampled_from(["%.6f", "%g", "%.3e"])) % value)
    known = {label: draw(st.lists(number, min_size=count, max_size=count)) for label in ("rlnDefocusU", "rlnDefocusV")}
    images = draw(st.lists(st.integers(1, 4), min_size=count, max_size=count))
    groups = draw(st.lists(st.sampled_from(["1", "2"]), min_size=count, max_size=count))
    fixed = {"rlnImageName": [f"{n:0{draw(st.integers(1, 6))}d}@s.mrcs" for n in images], "rlnOpticsGroup": groups}
    return carried | known | fixed | {"rlnDefocusAngle": ["0.5"] * count}


@settings(max_examples=60)
@given(star_tables(), st.data())
def test_star_to_star_keeps_every_untouched_column(tmp_path_factory, write_stack, make_poses, columns, data):
    folder = tmp_path_factory.mktemp("star")
    write_stack(folder / "s.mrcs", 4, 8)
    optics = {
        "rlnOpticsGroup": ["2", "1"],
        "rlnOpticsGroupName": ["a b", "c"],
        "rlnVoltage": ["300", "200.0"],
        "rlnSphericalAberration": ["2.7", "2.70"],
        "rlnAmplitudeContrast": ["0.1", "0.07"],
        "rlnImagePixelSize": ["1.50", "1.5"],
        "rlnOddZernike": ["[0,0,0.1]", "[0]"],
    }
    write_blocks(folder / "in.star", {"particles": CarriedTable(columns), "optics": CarriedTable(optics)})
    particles, source = read_particles(folder / "in.star")
    posed = np.array(sorted(data.draw(st.sets(st.integers(0, particles.count - 1)))), dtype=np.int64)
    write_particles(folder / "out.star", particles, make_poses(posed), source)
    write_unused(folder / "unused.star", particles, np.setdiff1d(np.arange(particles.count), posed), source)
    for name, rows in (("out.star", posed), ("unused.star", np.setdiff1d(np.arange(particles.count), posed))):
        blocks = read_blocks(folder / name)
        for label, values in columns.items():
            assert blocks["particles"][label].tolist() == [values[row] for row in rows]
        for label, values in optics.items():
            assert blocks["optics"][label].tolist() == values


def test_a_half_set_that_the_run_left_empty_is_not_written(tmp_path, small_set, write_star, make_poses):
    halves = {"rlnRandomSubset": ["1", "2", "1"]}
    particles, source = read_particles(write_star(tmp_path / "in.star", particles=halves))
    write_particles(tmp_path / "both.star", particles, make_poses([0, 1]), source)
    write_particles(tmp_path / "one.star", particles, make_poses([0, 2]), source)
    assert read_blocks(tmp_path / "both.star")["particles"]["rlnRandomSubset"].tolist() == ["1", "2"]
    assert "rlnRandomSubset" not in read_blocks(tmp_path / "one.star")["particles"]


def test_each_optics_group_keeps_its_own_sampling(tmp_path, write_stack, write_star, make_poses):
    write_stack(tmp_path / "a.mrcs", 2, 16)
    write_stack(tmp_path / "b.mrcs", 2, 24)
    optics = {
        "rlnOpticsGroup": ["1", "2"],
        "rlnOpticsGroupName": ["a", "b"],
        "rlnVoltage": ["300"] * 2,
        "rlnSphericalAberration": ["2.7"] * 2,
        "rlnAmplitudeContrast": ["0.1"] * 2,
        "rlnImagePixelSize": ["2.0", "1.5"],
        "rlnImageSize": ["16", "24"],
        "rlnImageDimensionality": ["2"] * 2,
    }
    changes = {"rlnImageName": ["1@a.mrcs", "2@b.mrcs", "2@a.mrcs"], "rlnOpticsGroup": ["1", "2", "1"]}
    particles, source = read_particles(write_star(tmp_path / "in.star", optics=optics, particles=changes))
    write_particles(tmp_path / "out.star", particles, make_poses([0, 1, 2]), source)
    found = read_blocks(tmp_path / "out.star")["optics"]
    assert {label: found[label].tolist() for label in found} == optics


def test_stacks_that_end_in_mrc_are_marked_for_relion(tmp_path, small_set, make_poses):
    (tmp_path / "stack.mrcs").rename(tmp_path / "stack.mrc")
    particles, source = read_particles(small_set)
    write_particles(tmp_path / "out.star", particles, make_poses([0, 1, 2]), source)
    table = read_blocks(tmp_path / "out.star")["particles"]
    assert table["rlnImageName"].tolist() == ["000001@stack.mrc:mrcs", "000003@stack.mrc:mrcs", "2@stack.mrc:mrcs"]
    assert read_particles(tmp_path / "out.star")[1].paths == source.paths
