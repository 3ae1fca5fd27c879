"""What a run will need, against what runs needed."""

from pathlib import Path

import pytest

from coldstart.api import run_job
from coldstart.compute.device import choose_device
from coldstart.demo.files import write_demo_set
from coldstart.engine.forecast import forecast_memory
from coldstart.errors import DeviceError
from coldstart.io.particle_files import read_particles
from coldstart.params import AbInitioParams


def info():
    try:
        return choose_device()
    except DeviceError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(("box_px", "symmetry", "classes"), [(24, "C1", 2), (24, "D2", 1)])
def test_device_memory_is_foreseen(tmp_path: Path, box_px: int, symmetry: str, classes: int) -> None:
    device = info()
    path = write_demo_set(tmp_path, images=80, box_px=box_px, pixel_size_angstrom=220.0 / box_px).particles_path
    params = AbInitioParams(
        initial_iterations=2, final_iterations=2, fourier_radius_step=2.0, final_minibatch=60, classes=classes,
        class_similarity=0.0, symmetry=symmetry,
    )  # fmt: skip
    particles, _ = read_particles(path)
    foreseen = forecast_memory(particles, params, device)
    summary = run_job(path, tmp_path / "out", params)
    assert foreseen.device_bytes == pytest.approx(summary.peak_device_bytes, rel=0.25)
    assert foreseen.largest_bytes <= foreseen.device_bytes


def test_needs_grow_with_resolution_and_classes(small_set: Path) -> None:
    device = info()
    particles, _ = read_particles(small_set)
    base, fine, two = (
        forecast_memory(particles, AbInitioParams(**given), device)
        for given in ({"max_resolution_angstrom": 34.0}, {}, {"classes": 2})
    )
    assert base.device_bytes < fine.device_bytes < two.device_bytes
