import numpy as np
import pytest
import yaml
from cryosparc.dataset import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from coldstart.io.cryosparc_files import fields_of, read_dataset, write_dataset
from coldstart.io.cryosparc_write import write_part_of_dataset, write_posed_dataset, write_unposed_dataset
from coldstart.io.particle_files import read_particles
from coldstart.io.star_poses import read_poses
from coldstart.io.star_write import write_particles, write_unused

# method: the fields that cryoSPARC's own jobs write, and the width of each.
POSE_FIELDS = {
    "split": "<u4", "shift": "<f4", "pose": "<f4", "psize_A": "<f4", "error": "<f4", "error_min": "<f4",
    "resid_pow": "<f4", "slice_pow": "<f4", "image_pow": "<f4", "cross_cor": "<f4", "alpha": "<f4", "alpha_min": "<f4",
    "weight": "<f4", "pose_ess": "<f4", "shift_ess": "<f4", "class_posterior": "<f4", "class": "<u4",
    "class_ess": "<f4",
}  # fmt: skip


@pytest.fixture
def dataset(tmp_path, make_records, write_stack):
    """Particles of a dataset in a folder of its own, and their source."""
    (tmp_path / "in").mkdir()
    write_stack(tmp_path / "in" / "stack.mrc", 4, 8)
    write_dataset(tmp_path / "in" / "particles.cs", make_records(4, path=b">stack.mrc"))
    return read_particles(tmp_path / "in" / "particles.cs")


def test_every_untouched_field_is_the_same_and_the_poses_are_new(tmp_path, dataset, make_poses):
    particles, source = dataset
    poses = make_poses([1, 3], euler_deg=np.array([[10.0, 20.0, 30.0], [0.0, 180.0, -50.0]]))
    write_posed_dataset(tmp_path / "out.cs", particles, poses, source, "title")
    found = read_dataset(tmp_path / "out.cs")
    for field in particles.records.dtype.names:
        if not field.startswith("alignments3D") and field != "blob/path":
            assert found[field].tobytes() == particles.records[field][[1, 3]].tobytes()
    assert found["blob/path"].tolist() == [b">in/stack.mrc"] * 2
    expected = Rotation.from_euler("ZYZ", poses.euler_deg, degrees=True)
    difference = Rotation.from_rotvec(found["alignments3D/pose"]) * expected.inv()
    assert difference.magnitude().max() < 1e-6
    np.testing.assert_allclose(found["alignments3D/shift"] * 1.5, poses.origin_angstrom, atol=1e-6)
    assert set(found["alignments3D/psize_A"]) == {1.5}
    assert found["alignments3D/split"].tolist() == [1, 1]  # as it was
    np.testing.assert_allclose(found["alignments3D/pose_ess"], poses.ess, rtol=1e-6)


def test_cryosparc_tools_agree_on_every_field(tmp_path, dataset, make_poses):
    particles, source = dataset
    posterior = np.array([[0.7, 0.3], [0.1, 0.9], [0.5, 0.5]])
    write_posed_dataset(tmp_path / "out.cs", particles, make_poses([0, 1, 2], class_posterior=posterior), source, "t")
    mine, theirs = read_dataset(tmp_path / "out.cs"), Dataset.load(tmp_path / "out.cs")
    assert set(theirs.fields()) == set(mine.dtype.names)
    for field in mine.dtype.names:
        values = mine[field].astype(str) if mine[field].dtype.kind == "S" else mine[field]
        np.testing.assert_array_equal(np.asarray(theirs[field]), values)
    assert {name: mine[f"alignments3D/{name}"].dtype.str for name in POSE_FIELDS} == POSE_FIELDS
    assert len(fields_of(mine, "alignments3D")) == len(POSE_FIELDS)
    assert mine["alignments3D/class"].tolist() == [0, 1, 0]
    np.testing.assert_allclose(mine["alignments3D/class_posterior"], [0.7, 0.9, 0.5], rtol=1e-6)
    np.testing.assert_allclose(mine["alignments3D/class_ess"], [1 / 0.58, 1 / 0.82, 2], rtol=1e-6)
    assert mine["alignments3D_multi/class_posterior"].shape == (3, 2)
    assert mine["alignments3D_multi/pose"].shape == (3, 2, 3)
    assert mine["alignments3D_multi/shift"].shape == (3, 2, 2)
    group = yaml.safe_load((tmp_path / "out.csg").read_text())
    assert set(group["results"]) == {"alignments3D", "alignments3D_multi", "blob", "ctf", "location"}


def test_the_group_is_read_back(tmp_path, dataset, make_poses):
    particles, source = dataset
    write_posed_dataset(tmp_path / "out.cs", particles, make_poses([0, 2]), source, "t")
    again, again_source = read_particles(tmp_path / "out.csg")
    assert again.records["uid"].tolist() == particles.records["uid"][[0, 2]].tolist()
    np.testing.assert_array_equal(again_source.read(np.arange(2)), source.read(np.array([0, 2])))


def test_unused_particles_are_as_they_were(tmp_path, dataset):
    particles, source = dataset
    write_unposed_dataset(tmp_path / "in" / "unused.cs", particles, np.array([2]), source, "unused")
    assert read_dataset(tmp_path / "in" / "unused.cs").tobytes() == particles.records[[2]].tobytes()


def test_the_same_particles_give_the_same_bytes(tmp_path, dataset, make_poses):
    particles, source = dataset
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_posed_dataset(tmp_path / name / "out.cs", particles, make_poses([0, 2]), source, "t")
    for name in ("out.cs", "out.csg"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_part_moved_to_another_folder(tmp_path, dataset, make_poses):
    particles, source = dataset
    write_posed_dataset(tmp_path / "out.cs", particles, make_poses([0, 1, 2]), source, "t")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    records = read_dataset(tmp_path / "out.cs")
    write_part_of_dataset(tmp_path / "deep" / "er" / "part.cs", records[[0, 2]], tmp_path, "part")
    again, again_source = read_particles(tmp_path / "deep" / "er" / "part.csg")
    assert again.records["uid"].tolist() == records["uid"][[0, 2]].tolist()
    np.testing.assert_array_equal(again_source.read(np.arange(2)), source.read(np.array([0, 2])))


def test_a_star_file_becomes_a_dataset(tmp_path, small_set, make_poses):
    particles, source = read_particles(small_set)
    poses = make_poses([0, 2])
    write_posed_dataset(tmp_path / "out.cs", particles, poses, source, "t")
    found = read_dataset(tmp_path / "out.cs")
    assert found["blob/path"].tolist() == [b">stack.mrcs"] * 2
    assert found["blob/idx"].tolist() == [0, 1]
    assert found["blob/shape"].tolist() == [[8, 8]] * 2
    assert found["blob/sign"].tolist() == [1, 1]
    again, again_source = read_particles(tmp_path / "out.csg")
    for name in ("defocus_u_angstrom", "defocus_angle_deg", "voltage_kv", "cs_mm", "amplitude_contrast"):
        np.testing.assert_allclose(getattr(again.ctf, name), getattr(particles.ctf, name)[[0, 2]], rtol=1e-6)
    np.testing.assert_array_equal(again_source.read(np.arange(2)), source.read(np.array([0, 2])))
    write_posed_dataset(tmp_path / "dark.cs", particles, poses, source, "t", invert=True)
    assert read_dataset(tmp_path / "dark.cs")["blob/sign"].tolist() == [-1, -1]


def test_uids_follow_from_the_images_and_differ(tmp_path, small_set, write_star, make_poses):
    names = ["000001@stack.mrcs", "000003@stack.mrcs", "1@stack.mrcs"]  # one image twice
    particles, source = read_particles(write_star(tmp_path / "b.star", particles={"rlnImageName": names}))
    write_posed_dataset(tmp_path / "all.cs", particles, make_poses([0, 1, 2]), source, "t")
    write_unposed_dataset(tmp_path / "last.cs", particles, np.array([2]), source, "t")
    uid = read_dataset(tmp_path / "all.cs")["uid"]
    assert len(set(uid.tolist())) == 3
    assert read_dataset(tmp_path / "last.cs")["uid"].tolist() == [uid[2]]


rotvec = st.tuples(*[st.floats(-1.75, 1.75, width=32)] * 3)


@settings(max_examples=50)
@given(st.lists(st.tuples(rotvec, st.floats(-20, 20, width=32), st.floats(-20, 20, width=32)), min_size=1, max_size=5))
def test_poses_survive_cryosparc_to_star_and_back(tmp_path_factory, make_records, write_stack, rows):
    folder, count = tmp_path_factory.mktemp("cs"), len(rows)
    write_stack(folder / "stack.mrc", count, 8)
    pose = np.array([row[0] for row in rows], np.float32)
    shift = np.array([row[1:] for row in rows], np.float32)
    records = make_records(count, alignments3D__pose=pose, alignments3D__shift=shift)
    write_dataset(folder / "a.cs", records)
    particles, source = read_particles(folder / "a.cs")
    back = through_star(folder, particles, source)
    turned = Rotation.from_rotvec(back["alignments3D/pose"]) * Rotation.from_rotvec(pose).inv()
    assert turned.magnitude().max() < 1e-6
    # The stack's pixels are half those of the alignment.
    np.testing.assert_allclose(back["alignments3D/shift"], 2 * shift, atol=1e-4)
    assert back["uid"].tolist() == records["uid"].tolist()


@pytest.mark.parametrize("tilt", [0.0, 180.0])
def test_poses_at_the_poles_survive(tmp_path, dataset, make_poses, tilt):
    particles, source = dataset
    euler = np.array([[0.0, tilt, psi] for psi in (-170.0, -0.001, 0.0, 123.456789)])
    write_posed_dataset(tmp_path / "in" / "a.cs", particles, make_poses(range(4), euler_deg=euler), source, "t")
    again, again_source = read_particles(tmp_path / "in" / "a.cs")
    back = through_star(tmp_path / "in", again, again_source)
    turned = Rotation.from_rotvec(back["alignments3D/pose"]) * Rotation.from_euler("ZYZ", euler, degrees=True).inv()
    assert turned.magnitude().max() < 1e-6


def through_star(folder, particles, source):
    """Poses of a dataset written into a STAR file, read from there, and written as a dataset again."""
    everything = np.arange(particles.count)
    write_unused(folder / "a.star", particles, everything, source)
    star, star_source = read_particles(folder / "a.star")
    table = star.table.having({"rlnClassNumber": ["1"] * len(everything)})
    poses = read_poses(table, "a.star", 1)
    write_particles(folder / "b.star", star, poses, star_source)
    posed = read_particles(folder / "b.star")[0].table
    write_posed_dataset(folder / "b.cs", particles, read_poses(posed, "b.star", 1), source, "t")
    return read_dataset(folder / "b.cs")
