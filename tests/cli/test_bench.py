"""`coldstart bench` on a small simulated set: tables on the terminal, the same figures as JSON."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from coldstart.cli.main import main
from coldstart.compute.device import choose_device
from coldstart.demo.files import DemoSet, write_demo_set
from coldstart.engine import memory
from coldstart.errors import DeviceError
from coldstart.io.mrc import read_map, write_map


def invoke(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, ["bench", *map(str, arguments)])


@pytest.fixture(scope="module")
def demo_set(tmp_path_factory: pytest.TempPathFactory) -> DemoSet:
    return write_demo_set(tmp_path_factory.mktemp("set"), images=40, box_px=32, pixel_size_angstrom=9.0)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "COPY_BYTES", 2**20)
    try:
        choose_device()
    except DeviceError as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("device")
def test_tables_and_json(demo_set: DemoSet, tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    result = invoke(
        demo_set.particles_path, "--images", 20, "--resolution", 25, "--volume", demo_set.truth_map_path,
        "--json", file, "--final-minibatch", 10,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    for words in ("images a second", "of the coefficient products", "grid, level 0", "score_grid", "NumPy"):
        assert words in result.stdout
    assert result.stdout.count("x memory bound") == 2
    record = json.loads(file.read_text())
    assert record["images"] == 20
    assert record["map_origin"] == str(demo_set.truth_map_path)
    assert record["images_per_second"] == pytest.approx(20 / record["wall_seconds"])
    assert 0 < record["pose_share"] < 1
    assert 0 < record["product_share"] < 1
    assert set(record["steps"]) == {"load", "slices", "search", "back-projection", "update"}
    assert [stage["level"] for stage in record["stages"]][:2] == [0, 0]
    assert all(stage["seconds"] > 0 and stage["candidates"] > 0 for stage in record["stages"])
    kernels = {kernel["kernel"]: kernel for kernel in record["kernels"]}
    assert {"score_grid", "image_harmonics", "score_cells", "make_slices", "insert_slices"} <= set(kernels)
    assert kernels["score_grid"]["share_of_peak"] == pytest.approx(
        1e-9 * kernels["score_grid"]["work"] / kernels["score_grid"]["seconds"] / record["peak_gflops"]
    )
    slices = kernels["make_slices"]
    bytes_a_second = 1e9 * record["memory_rates"]["make_slices"]
    assert slices["memory_bound_seconds"] == pytest.approx(slices["bytes"] / bytes_a_second)
    assert slices["times_memory_bound"] == pytest.approx(slices["seconds"] / slices["memory_bound_seconds"])
    assert kernels["insert_slices"]["times_memory_bound"] > 0
    assert kernels["score_grid"]["bytes"] is kernels["score_grid"]["times_memory_bound"] is None
    assert record["grid"]["gflops"] > 0
    assert record["tuning"]["vector_width"] >= 1


@pytest.mark.usefixtures("device")
def test_without_a_map_a_short_run_makes_one(demo_set: DemoSet) -> None:
    result = invoke(demo_set.particles_path, "--images", 10, "--resolution", 40, "--search", "posing")
    assert result.exit_code == 0, result.output
    assert "short run" in result.stdout
    assert "search as in posing" in result.stdout


def test_what_is_refused(demo_set: DemoSet, tmp_path: Path) -> None:
    volume, _ = read_map(demo_set.truth_map_path)
    other, flat = tmp_path / "other.mrc", tmp_path / "flat.mrc"
    write_map(other, volume, 4.0)
    write_map(flat, np.ones((2, 4, 4), np.float32), 9.0)
    given = demo_set.particles_path
    for arguments, words in (
        ((given, "--volume", other), ("other.mrc spans 128.0 Å", "288.0 Å")),
        ((given, "--volume", flat), ("flat.mrc", "cube")),
        ((given, "--volume", tmp_path / "no.mrc"), ("no.mrc",)),
        ((given, "--resolution", -3), ("--resolution", "-3", "above 0")),
        ((tmp_path / "no.star",), ("no.star",)),
    ):
        result = invoke(*arguments)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert all(word in result.stderr for word in words), result.stderr
