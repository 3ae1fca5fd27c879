"""Subsets of made-up runs: whole rows, the right images, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from coldstart.api import PickedClass, copy_particles, pick_particles
from coldstart.demo.files import DemoSet, write_demo_set
from coldstart.errors import ColdstartError, OutputError, ParameterError, ParticleFileError
from coldstart.io.class_records import ClassSummary
from coldstart.io.inputs import Inputs, write_inputs
from coldstart.io.particle_files import read_particles
from coldstart.io.results import RunFolder
from coldstart.io.run_records import Summary
from coldstart.io.star_text import read_blocks
from coldstart.model.state import RunResult
from coldstart.params import AbInitioParams

MakeResult = Callable[..., RunResult]
POSTERIORS = np.array([[0.9, 0.05, 0.05], [0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0.0, 0.3, 0.7], [0.85, 0.1, 0.05]])


@pytest.fixture(scope="module")
def demo_set(tmp_path_factory: pytest.TempPathFactory) -> DemoSet:
    return write_demo_set(tmp_path_factory.mktemp("set"), images=6, box_px=16, pixel_size_angstrom=14.0)


def write_run(path: Path, demo_set: DemoSet, result: RunResult, status: str = "completed") -> RunFolder:
    return write_run_on(demo_set.particles_path, path, result, status)


def write_run_on(source: Path, path: Path, result: RunResult, status: str = "completed") -> RunFolder:
    particles, images = read_particles(source)
    folder = RunFolder.create(path)
    folder.write_params(AbInitioParams())
    folder.write_result(particles, result, images)
    classes = tuple(ClassSummary(number, 20.0, 0.5) for number in range(1, len(result.volumes) + 1))
    folder.write_summary(Summary(status=status, seed=0, classes=classes))  # type: ignore[arg-type]
    return folder


@pytest.fixture
def run(tmp_path: Path, demo_set: DemoSet, made_up_result: MakeResult) -> RunFolder:
    """Three classes; five of six particles have a pose, classes 1, 1, 3, 3 and 1, and one of them was not drawn."""
    result = made_up_result(POSTERIORS, used=np.array([True, True, True, False, True]))
    return write_run(tmp_path / "run", demo_set, result)


def image_numbers(path: Path) -> list[int]:
    return [int(name.split("@")[0]) for name in read_blocks(path)["particles"]["rlnImageName"]]


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"classes": (1, 3)}, [1, 2, 3, 4, 5]),
        ({"classes": [3]}, [3, 4]),
        ({"min_posterior": 0.8}, [1, 3, 5]),
        ({"min_margin": 0.7}, [1, 3, 5]),
        ({"classes": [1], "min_margin": 0.2}, [1, 2, 5]),
        ({"classes": [1], "min_posterior": 0.86}, [1]),
        ({"labels": ["used"]}, [1, 3, 5]),
        ({"labels": ["unused", "low_confidence"]}, [2, 4]),
    ],
)
def test_criteria(run: RunFolder, tmp_path: Path, criteria: dict[str, object], expected: list[int]) -> None:
    picked = pick_particles(run.path, tmp_path / "clean.star", **criteria)  # type: ignore[arg-type]
    assert image_numbers(picked.path) == expected
    assert (picked.picked, picked.particles) == (len(expected), 5)


def test_counts_are_by_class(run: RunFolder, tmp_path: Path) -> None:
    picked = pick_particles(run.path, tmp_path / "clean.star", min_posterior=0.8)
    assert picked.classes == (PickedClass(1, 2, 3), PickedClass(2, 0, 0), PickedClass(3, 1, 2))


def test_rows_are_whole_and_images_the_same(run: RunFolder, demo_set: DemoSet, tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    output = tmp_path / "deep" / "er" / "clean.star"
    pick_particles(run.path, output, classes=[3])
    before, after = read_blocks(run.table_path(3)), read_blocks(output)
    assert after["optics"] == before["optics"]
    rest = before["particles"].take(np.array([2, 3])).without("rlnImageName")
    assert after["particles"].without("rlnImageName") == rest
    images = read_particles(output)[1].read(np.arange(2))
    np.testing.assert_array_equal(images, read_particles(demo_set.particles_path)[1].read(np.array([2, 3])))


def test_a_run_of_one_class(demo_set: DemoSet, tmp_path: Path, made_up_result: MakeResult) -> None:
    likelihood = np.array([1.0, -1.0, 1.0])
    run = write_run(tmp_path / "run", demo_set, made_up_result(np.ones((3, 1)), log_likelihood=likelihood))
    pick_particles(run.path, tmp_path / "clean.star", classes=[1], labels=["used"])
    assert image_numbers(tmp_path / "clean.star") == [1, 3]
    with pytest.raises(ParameterError, match=r"class 2 is not in .*run, which has class 1 alone"):
        pick_particles(run.path, tmp_path / "other.star", classes=[2])
    with pytest.raises(ParameterError, match=r"Those that have no pose are in .*particles_unused\.star"):
        pick_particles(run.path, tmp_path / "other.star", labels=["unused"])


def test_what_was_picked_is_input_of_the_next_run(run: RunFolder, tmp_path: Path) -> None:
    pick_particles(run.path, tmp_path / "clean.star", classes=[1])
    particles, images = read_particles(tmp_path / "clean.star")
    assert particles.count == 3
    assert images.read(np.arange(3)).shape == (3, 16, 16)


@pytest.mark.parametrize(
    ("criteria", "kind", "message"),
    [
        ({"classes": [4]}, ParameterError, "class 4 is not in .*run, which has classes 1 to 3"),
        ({"labels": ["good"]}, ParameterError, "no label 'good': labels are used, unused, low_confidence"),
        ({"min_posterior": 0.95}, ParameterError, r"of the 5 in .*\.star, 0 have a class posterior of at least 0.95"),
        (
            {"classes": [3], "min_posterior": 0.85},
            ParameterError,
            "2 are in class 3, 2 have a class posterior of at least 0.85, none all of these",
        ),
    ],
)
def test_what_leaves_nothing(
    run: RunFolder, tmp_path: Path, criteria: dict[str, object], kind: type[ColdstartError], message: str
) -> None:
    with pytest.raises(kind, match=message):
        pick_particles(run.path, tmp_path / "clean.star", **criteria)  # type: ignore[arg-type]
    assert not (tmp_path / "clean.star").exists()


COLUMNS = ["rlnClassNumber", "coldstartClassPosterior", "coldstartClassMargin", "coldstartLabel"]


def test_merged_classes_are_one(run: RunFolder, tmp_path: Path) -> None:
    """Particle 2 is shared by classes 1 and 2; particles 3 and 4 are of class 3 and stay as they are."""
    pick_particles(run.path, tmp_path / "clean.star", merge=[(2, 1)])
    table = read_blocks(tmp_path / "clean.star")["particles"]
    assert list(zip(*(table[label].tolist() for label in COLUMNS), strict=True)) == [
        ("1", "0.950000", "0.900000", "used"),
        ("1", "0.800000", "0.600000", "used"),
        ("3", "0.800000", "0.700000", "used"),
        ("3", "0.700000", "0.400000", "unused"),
        ("1", "0.950000", "0.900000", "used"),
    ]
    before = read_blocks(run.table_path(3))["particles"]
    assert table.without(*COLUMNS, "rlnImageName") == before.without(*COLUMNS, "rlnImageName")


def test_criteria_are_of_the_merged_classes(run: RunFolder, tmp_path: Path) -> None:
    pick_particles(run.path, tmp_path / "a.star", merge=[(1, 3)], min_posterior=0.9)
    assert image_numbers(tmp_path / "a.star") == [1, 3, 5]
    pick_particles(run.path, tmp_path / "b.star", merge=[(1, 3)], classes=[3])
    assert read_blocks(tmp_path / "b.star")["particles"]["rlnClassNumber"].tolist() == ["1", "1"]


@pytest.mark.parametrize(
    ("merge", "message"),
    [
        ([(1,)], "two classes or more"),
        ([(1, 2), (2, 3)], "once"),
        ([(1, 4)], "class 4 cannot be merged"),
    ],
)
def test_merges_that_make_no_sense(run: RunFolder, tmp_path: Path, merge: list[tuple[int, ...]], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        pick_particles(run.path, tmp_path / "clean.star", merge=merge)


def test_the_other_hand_has_its_own_poses(run: RunFolder, tmp_path: Path) -> None:
    pick_particles(run.path, tmp_path / "clean.star", classes=[3], other_hand=True)
    flipped = read_blocks(run.table_path(3, flipped=True))["particles"].take(np.array([2, 3]))
    assert read_blocks(tmp_path / "clean.star")["particles"].without("rlnImageName") == flipped.without("rlnImageName")


def test_a_table_may_be_replaced_but_none_of_the_run(run: RunFolder, tmp_path: Path) -> None:
    pick_particles(run.path, tmp_path / "clean.star")
    pick_particles(run.path, tmp_path / "clean.star", classes=[3], overwrite=True)
    assert image_numbers(tmp_path / "clean.star") == [3, 4]
    with pytest.raises(OutputError, match="is the table that the particles come from"):
        pick_particles(run.path, run.class_table_path(1), overwrite=True)


def test_rows_are_copied_from_any_table(demo_set: DemoSet, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    output = tmp_path / "deep" / "some.star"
    copy_particles(demo_set.truth_table_path, output, np.array([4, 1]))
    before, after = read_blocks(demo_set.truth_table_path), read_blocks(output)
    assert after["optics"] == before["optics"]
    expected = before["particles"].take(np.array([1, 4]))
    assert after["particles"].without("rlnImageName") == expected.without("rlnImageName")
    images = read_particles(output)[1].read(np.arange(2))
    np.testing.assert_array_equal(images, read_particles(demo_set.particles_path)[1].read(np.array([1, 4])))
    with pytest.raises(ParameterError, match="no particle is left"):
        copy_particles(demo_set.truth_table_path, tmp_path / "none.star", np.array([], dtype=int))
    with pytest.raises(OutputError, match="is the table that the particles come from"):
        copy_particles(output, output, np.array([0]), overwrite=True)


def test_merged_classes_are_one_in_a_dataset_too(run: RunFolder, tmp_path: Path, made_up_result: MakeResult) -> None:
    """Of a run on a STAR file, and of one on a dataset."""
    pick_particles(run.path, tmp_path / "in.cs")
    again = write_run_on(tmp_path / "in.cs", tmp_path / "again", made_up_result(POSTERIORS[:3]))
    for number, folder in enumerate((run, again)):
        pick_particles(folder.path, tmp_path / f"{number}.star", merge=[(3, 1)])
        pick_particles(folder.path, tmp_path / f"{number}.cs", merge=[(3, 1)])
        table = read_blocks(tmp_path / f"{number}.star")["particles"]
        records = read_particles(tmp_path / f"{number}.csg")[0].records
        assert records is not None
        assert (records["alignments3D/class"] + 1).tolist() == table.utf8("rlnClassNumber").astype(int).tolist()
        posterior = table.utf8("coldstartClassPosterior").astype(float)
        np.testing.assert_allclose(records["alignments3D/class_posterior"], posterior, atol=1e-4)
        assert 3 not in records["alignments3D/class"] + 1


def test_a_dataset_is_copied_as_a_dataset(run: RunFolder, tmp_path: Path) -> None:
    pick_particles(run.path, tmp_path / "in.cs")
    (tmp_path / "deep").mkdir()
    copy_particles(tmp_path / "in.cs", tmp_path / "deep" / "some.cs", np.array([3, 0]))
    before, after = read_particles(tmp_path / "in.csg"), read_particles(tmp_path / "deep" / "some.csg")
    assert before[0].records is not None
    assert after[0].records is not None
    assert after[0].records["uid"].tolist() == before[0].records["uid"][[0, 3]].tolist()
    np.testing.assert_array_equal(after[1].read(np.arange(2)), before[1].read(np.array([0, 3])))
    with pytest.raises(OutputError, match=r"end it in \.cs for cryoSPARC"):
        copy_particles(tmp_path / "in.cs", tmp_path / "some.star", np.array([0]))


def test_a_dataset_for_cryosparc(run: RunFolder, demo_set: DemoSet, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    picked = pick_particles(run.path, tmp_path / "deep" / "clean.cs", classes=[3])
    assert picked.picked == 2
    particles, images = read_particles(tmp_path / "deep" / "clean.csg")
    source, source_images = read_particles(demo_set.particles_path)
    assert particles.ctf is not None
    assert source.ctf is not None
    np.testing.assert_allclose(particles.ctf.defocus_u_angstrom, source.ctf.defocus_u_angstrom[[2, 3]], rtol=1e-6)
    np.testing.assert_array_equal(images.read(np.arange(2)), source_images.read(np.array([2, 3])))
    assert particles.records is not None
    np.testing.assert_allclose(particles.records["alignments3D_multi/class_posterior"], POSTERIORS[[2, 3]], rtol=1e-5)
    assert particles.records["alignments3D/class"].tolist() == [2, 2]
    (tmp_path / "deep" / "clean.cs").unlink()
    with pytest.raises(OutputError, match=r"clean\.csg is there already"):
        pick_particles(run.path, tmp_path / "deep" / "clean.cs")


def test_a_run_on_a_dataset_has_datasets_and_they_keep_their_fields(
    run: RunFolder, tmp_path: Path, made_up_result: MakeResult
) -> None:
    pick_particles(run.path, tmp_path / "in.cs")
    posteriors = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    again = write_run_on(tmp_path / "in.cs", tmp_path / "again", made_up_result(posteriors))
    before, _ = read_particles(tmp_path / "in.cs")
    assert before.records is not None
    names = {path.name for path in again.path.glob("*.cs")}
    assert names == {path.with_suffix(".cs").name for path in again.path.glob("*.star")}
    assert names == {path.with_suffix(".cs").name for path in again.path.glob("*.csg")}
    expected = {"particles_class_1": [0], "particles_class_2": [1, 2], "particles_unused": [3, 4]}
    for name, rows in expected.items():
        found, _ = read_particles(again.path / f"{name}.csg")
        assert found.records is not None
        assert found.records["uid"].tolist() == before.records["uid"][rows].tolist()
    pick_particles(again.path, tmp_path / "clean.cs", classes=[2])
    picked, images = read_particles(tmp_path / "clean.csg")
    assert picked.records is not None
    for field in before.records.dtype.names:
        if not field.startswith("alignments3D") and field != "blob/path":
            np.testing.assert_array_equal(picked.records[field], before.records[field][[1, 2]])
    assert images.read(np.arange(2)).shape == (2, 16, 16)
    assert image_numbers(again.table_path(2)) == [1, 2, 3]


def test_outputs_that_are_refused(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is there already"):
        pick_particles(run.path, run.table_path(3))
    with pytest.raises(OutputError, match=r"end it in \.star"):
        pick_particles(run.path, tmp_path / "clean")
    with pytest.raises(OutputError, match="cannot be written"):
        pick_particles(run.path, tmp_path / "nowhere" / "clean.star")


def test_a_stack_that_has_changed_is_refused_and_named(run: RunFolder, demo_set: DemoSet, tmp_path: Path) -> None:
    stack = tmp_path / "particles.mrcs"
    stack.write_bytes(demo_set.particles_path.with_name("particles.mrcs").read_bytes())
    write_inputs(run.inputs_path, Inputs.of(demo_set.particles_path, None, [stack]))
    pick_particles(run.path, tmp_path / "before.star", classes=[1])
    stack.write_bytes(stack.read_bytes()[:-4])
    with pytest.raises(
        ParticleFileError, match=r"the stack .*particles\.mrcs had .* bytes, and now has .*--accept-changes"
    ):
        pick_particles(run.path, tmp_path / "after.star", classes=[1])
    assert not (tmp_path / "after.star").exists()
    pick_particles(run.path, tmp_path / "after.star", classes=[1], accept_changes=True)
    assert (tmp_path / "after.star").read_bytes() == (tmp_path / "before.star").read_bytes()


def test_folders_that_are_refused(demo_set: DemoSet, tmp_path: Path, made_up_result: MakeResult) -> None:
    with pytest.raises(OutputError, match="Give the folder of a coldstart run"):
        pick_particles(tmp_path, tmp_path / "clean.star")
    run = write_run(tmp_path / "run", demo_set, made_up_result(np.ones((3, 1))), status="failed")
    with pytest.raises(OutputError, match=r"has no particle tables: its summary\.json says 'failed'"):
        pick_particles(run.path, tmp_path / "clean.star")


def test_a_run_of_an_earlier_version_lacks_what_it_did_not_write(run: RunFolder, tmp_path: Path) -> None:
    summary = json.loads((run.path / "summary.json").read_text())
    (run.path / "summary.json").write_text(json.dumps({**summary, "classes": summary["classes"][:1]}))
    text = run.table_path(3).read_text()
    run.particles_path.write_text(text.replace("_coldstartLabel", "_other").replace("_coldstartClassMargin", "_more"))
    assert pick_particles(run.path, tmp_path / "clean.star", classes=[1]).picked == 3
    with pytest.raises(ParticleFileError, match="no column coldstartLabel, as it is of an earlier version"):
        pick_particles(run.path, tmp_path / "other.star", labels=["used"])
