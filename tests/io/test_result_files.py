"""The tables and maps of a finished run: every particle once, and both hands of everything."""

import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldstart.errors import ParticleFileError
from coldstart.io.mrc import read_map
from coldstart.io.particle_files import read_particles
from coldstart.io.result_files import write_maps, write_tables
from coldstart.io.run_paths import RunPaths
from coldstart.io.star_text import read_blocks
from coldstart.model.particles import CarriedTable, Particles
from coldstart.model.so3 import euler_to_matrix

POSTERIORS = np.array([[0.7, 0.2, 0.1], [0.05, 0.15, 0.8], [0.5, 0.4, 0.1]])


def named_particles(count):
    names = np.array([f"{row + 1:06d}@s.mrcs" for row in range(count)])
    return Particles(count, 8, 1.5, None, CarriedTable({"rlnImageName": names}))


def names_in(path):
    return read_blocks(path)["particles"]["rlnImageName"].tolist() if path.exists() else []


@st.composite
def outcomes(draw):
    """Number of particles and classes, which particles are posed and which drawn, and their posteriors."""
    count, classes = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    posed = np.flatnonzero(draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    used = np.array(draw(st.lists(st.booleans(), min_size=len(posed), max_size=len(posed))), dtype=bool)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return count, posed, used, rng.dirichlet(np.full(classes, 0.3), len(posed))


@settings(max_examples=30)
@given(outcomes())
def test_every_particle_is_in_one_class_or_unused(tmp_path_factory, made_up_result, outcome):
    count, posed, used, posterior = outcome
    classes = posterior.shape[1]
    particles = named_particles(count)
    paths = RunPaths(tmp_path_factory.mktemp("run"))
    write_tables(paths, particles, made_up_result(posterior, particle=posed, used=used))
    by_class = [paths.class_table_path(number) for number in range(1, classes + 1)]
    tables = [paths.particles_path] if classes == 1 else by_class
    assert all(path.exists() for path in tables)
    found = [name for path in [*tables, paths.unused_path] for name in names_in(path)]
    assert sorted(found) == particles.table.columns["rlnImageName"].tolist()
    for flipped in (False, True):
        everything = names_in(paths.table_path(classes, flipped=flipped)) + names_in(paths.unused_path)
        assert sorted(everything) == sorted(found)


def test_tables_of_classes_hold_the_posteriors_of_all(tmp_path, made_up_result):
    paths = RunPaths(tmp_path)
    write_tables(paths, named_particles(3), made_up_result(POSTERIORS))
    assert not paths.particles_path.exists()
    assert not paths.unused_path.exists()
    table = read_blocks(paths.table_path(3))["particles"]
    assert table["rlnClassNumber"].tolist() == ["1", "3", "1"]
    assert table["coldstartClassPosterior"].tolist() == ["0.700000", "0.800000", "0.500000"]
    assert table["coldstartClassMargin"].tolist() == ["0.500000", "0.650000", "0.100000"]
    assert table["coldstartLabel"].tolist() == ["used", "used", "low_confidence"]
    for number in (1, 2, 3):
        np.testing.assert_allclose(table[f"coldstartClassPosterior{number}"].astype(float), POSTERIORS[:, number - 1])
    first = read_blocks(paths.class_table_path(1))["particles"]
    assert first == table.take(np.array([0, 2]))


def test_an_empty_class_has_a_table_that_is_read_as_empty(tmp_path, made_up_result):
    paths = RunPaths(tmp_path)
    write_tables(paths, named_particles(3), made_up_result(POSTERIORS))
    table = read_blocks(paths.class_table_path(2))["particles"]
    assert len(table) == 0
    assert list(table) == list(read_blocks(paths.table_path(3))["particles"])
    with pytest.raises(ParticleFileError, match=r"particles_class_2\.star: data_particles lists no particles"):
        read_particles(paths.class_table_path(2), use_ctf=False)


def test_particles_that_were_posed_but_not_drawn_are_labelled(tmp_path, made_up_result):
    paths = RunPaths(tmp_path)
    result = made_up_result(
        np.ones((4, 1)), used=np.array([True, False, True, False]), log_likelihood=np.array([1.0, 1.0, -1.0, -1.0])
    )
    write_tables(paths, named_particles(4), result)
    table = read_blocks(paths.particles_path)["particles"]
    assert table["coldstartLabel"].tolist() == ["used", "unused", "low_confidence", "low_confidence"]
    assert not paths.unused_path.exists()
    assert "coldstartClassPosterior1" not in table


@pytest.mark.parametrize("symmetry", ["C1", "D3", "I3"])
def test_flipped_maps_and_poses_show_the_same_projections(tmp_path, made_up_result, symmetry):
    """The moments of a map about its centre, seen along the view of each pose, do not depend on the hand."""
    paths = RunPaths(tmp_path)
    result = made_up_result(np.array([[0.9, 0.1], [0.3, 0.7], [0.6, 0.4]]), symmetry=symmetry)
    # The first plane of an even box has no counterpart.
    result.volumes[:, 0], result.volumes[:, :, 0], result.volumes[:, :, :, 0] = 0.0, 0.0, 0.0
    write_maps(paths, result)
    write_tables(paths, named_particles(3), result)
    seen = {flipped: in_image_frames(paths, flipped) for flipped in (False, True)}
    for one, other in zip(seen[False], seen[True], strict=True):
        assert np.abs(one).min() > 1e-3
        np.testing.assert_allclose(one, other, rtol=1e-4)
    assert (paths.volume_path(1, 2).read_bytes()) != paths.volume_path(1, 2, flipped=True).read_bytes()


def in_image_frames(paths, flipped):
    """Of each particle: first moment (x, y) of its class's map, and second moment of x and y, in the image's frame."""
    moments = []
    table = read_blocks(paths.table_path(2, flipped=flipped))["particles"]
    angles = np.stack([table[label].astype(float) for label in ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")], axis=1)
    for number, pose in zip(table["rlnClassNumber"].tolist(), euler_to_matrix(angles), strict=True):
        volume, _ = read_map(paths.volume_path(int(number), 2, flipped=flipped))
        z, y, x = np.indices(volume.shape) - volume.shape[0] // 2
        image_x, image_y, _ = np.tensordot(pose, np.stack([x, y, z]), axes=1)
        moments.append([(volume * what).sum() for what in (image_x, image_y, image_x * image_y)])
    return np.array(moments)


@pytest.mark.skipif(shutil.which("relion_star_handler") is None, reason="RELION is not installed")
def test_relion_reads_the_tables(tmp_path, small_set, made_up_result):
    particles, source = read_particles(small_set)
    paths = RunPaths(tmp_path)
    write_tables(paths, particles, made_up_result(POSTERIORS), source)
    for name in ("particles_all_classes", "particles_all_classes_flipped", "particles_class_1", "particles_class_2"):
        done = subprocess.run(
            ["relion_star_handler", "--i", f"{name}.star", "--o", "again.star"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "ERROR" not in done.stderr
        expected = read_blocks(tmp_path / f"{name}.star")["particles"]
        if len(expected):
            again = read_blocks(tmp_path / "again.star")["particles"]
            for label in ("rlnImageName", "rlnClassNumber", "coldstartLabel", "coldstartClassPosterior3"):
                assert again[label].tolist() == expected[label].tolist()
