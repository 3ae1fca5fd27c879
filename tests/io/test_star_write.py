from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import starfile
from hypothesis import given
from hypothesis import strategies as st

from coldstart.io.star import read_particles
from coldstart.io.star_columns import POSE_LABELS
from coldstart.io.star_write import image_names, moved_image_names, particles_table, write_particles, write_unused
from coldstart.model.particles import CarriedTable, Particles
from coldstart.model.state import PoseTable


def make_poses(rows, **changes):
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


def test_poses_fill_relions_columns(small_set, tmp_path):
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


def test_untouched_columns_are_the_same_strings(tmp_path, small_set, write_star):
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


def test_a_second_round_changes_no_byte(tmp_path, small_set):
    particles, source = read_particles(small_set)
    poses = make_poses([0, 1, 2])
    write_particles(tmp_path / "one.star", particles, poses, source)
    again, source_again = read_particles(tmp_path / "one.star")
    write_particles(tmp_path / "two.star", again, poses, source_again)
    assert (tmp_path / "one.star").read_bytes() == (tmp_path / "two.star").read_bytes()


finite = st.floats(-1e6, 1e6)


@given(st.lists(st.tuples(finite, finite, finite, finite, finite), min_size=1, max_size=5))
def test_numbers_come_back_to_six_decimals(tmp_path_factory, rows):
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


def test_what_an_earlier_run_said_of_a_particle_is_left_out(tmp_path, small_set, write_star):
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
    names = ["1@../data/a.mrcs", "02@b.mrcs", f"3@{tmp_path}/c.mrcs", "4@../data/a.mrcs"]
    moved = moved_image_names(names, tmp_path / "run", tmp_path / "picked" / "deep")
    assert moved == ["1@../../data/a.mrcs", "02@../../run/b.mrcs", f"3@{tmp_path}/c.mrcs", "4@../../data/a.mrcs"]
    assert moved_image_names(names, tmp_path / "run", tmp_path / "run") == names


def test_relative_stacks_are_found_from_another_folder(tmp_path, small_set, write_stack):
    images = write_stack(tmp_path / "stack.mrcs", 4, 8, seed=3)
    particles, source = read_particles(small_set)
    out = tmp_path / "runs" / "one"
    out.mkdir(parents=True)
    write_particles(out / "particles.star", particles, make_poses([0, 1, 2]), source)
    again, source_again = read_particles(out / "particles.star")
    expected = ["000001@../../stack.mrcs", "000003@../../stack.mrcs", "2@../../stack.mrcs"]
    assert again.table.columns["rlnImageName"].tolist() == expected
    np.testing.assert_array_equal(source_again.read(np.arange(3)), images[[0, 2, 1]])


def test_stacks_under_a_data_root_are_found_without_it_afterwards(tmp_path, small_set):
    (tmp_path / "root").mkdir()
    (tmp_path / "stack.mrcs").rename(tmp_path / "root" / "stack.mrcs")
    particles, source = read_particles(small_set, data_root=tmp_path / "root")
    write_particles(tmp_path / "out.star", particles, make_poses([0, 1, 2]), source)
    assert read_particles(tmp_path / "out.star")[1].paths[0].samefile(tmp_path / "root" / "stack.mrcs")


def test_absolute_names_stay(tmp_path, small_set, write_star):
    names = [f"{number}@{tmp_path}/stack.mrcs" for number in (1, 2, 3)]
    particles, source = read_particles(write_star(tmp_path / "in.star", particles={"rlnImageName": names}))
    rows = np.arange(3)
    assert image_names(particles, rows, source, tmp_path / "elsewhere").tolist() == names


def test_names_lead_out_of_a_folder_that_is_a_link(tmp_path, small_set):
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


def test_relative_input_path(tmp_path, small_set, monkeypatch):
    monkeypatch.chdir(tmp_path)
    particles, source = read_particles(Path("particles.star"))
    Path("out").mkdir()
    write_particles(Path("out/particles.star"), particles, make_poses([0]), source)
    assert read_particles(Path("out/particles.star"))[0].count == 1


def test_optics_state_the_pixel_size_of_the_run_and_the_box(tmp_path, small_set, write_star):
    optics = {"rlnImagePixelSize": ["1.0"], "rlnImageSize": None, "rlnImageDimensionality": None}
    particles, _ = read_particles(write_star(tmp_path / "in.star", optics=optics), pixel_size_angstrom=2.5)
    table = particles_table(particles, make_poses([0]))["optics"]
    assert table["rlnImagePixelSize"].tolist() == ["2.500000"]
    assert table["rlnImageSize"].tolist() == ["8"]
    assert table["rlnImageDimensionality"].tolist() == ["2"]


def test_plain_stack_gets_an_optics_group(tmp_path, write_stack):
    write_stack(tmp_path / "a.mrcs", 3, 8)
    particles, source = read_particles(tmp_path / "a.mrcs", use_ctf=False, pixel_size_angstrom=4.25)
    write_particles(tmp_path / "out.star", particles, make_poses([0, 2]), source)
    again, _ = read_particles(tmp_path / "out.star", use_ctf=False)
    assert again.pixel_size_angstrom == 4.25
    assert again.table.columns["rlnImageName"].tolist() == ["000001@a.mrcs", "000003@a.mrcs"]
    assert again.optics.columns["rlnOpticsGroup"].tolist() == ["1"]


def test_tables_are_frames_of_text(small_set):
    particles, _ = read_particles(small_set)
    blocks = particles_table(particles, make_poses([1]))
    assert list(blocks) == ["optics", "particles"]
    for table in blocks.values():
        assert isinstance(table, pd.DataFrame)
        assert all(isinstance(value, str) for value in table.to_numpy().ravel())


def test_real_table_round_trip(real_images_folder, tmp_path):
    particles, source = read_particles(real_images_folder / "relion31.star")
    write_particles(tmp_path / "out.star", particles, make_poses(range(5)), source)
    again, source_again = read_particles(tmp_path / "out.star")
    rewritten = {*POSE_LABELS, "rlnImageName"}
    for label in set(particles.table.columns) - rewritten:
        assert again.table.columns[label].tolist() == particles.table.columns[label].tolist()
    np.testing.assert_array_equal(source_again.read(np.arange(5)), source.read(np.arange(5)))
