import dataclasses
import json

import pytest

from coldstart.compute.device import POCL, DeviceInfo
from coldstart.compute.tuning import (
    PRESETS,
    fits_kernels,
    is_tuned,
    keep_tuning,
    preset_for,
    preset_tuning,
    tuning_for,
)
from coldstart.compute.tuning_cache import tuning_file

CPU = DeviceInfo(0, 0, 0, "cpu", POCL, "OpenCL 3.0", "3.0", "CPU", 8, 3000, 2**34, 2**32, True, 16, True, "")
GPU = dataclasses.replace(CPU, platform="maker", kind="GPU", shares_host_memory=False, vector_width=1)


def gpu(platform: str, name: str) -> DeviceInfo:
    return dataclasses.replace(GPU, platform=platform, name=name)


DEVICES = {
    "CPU with AVX2 or AVX-512": [
        CPU,
        dataclasses.replace(CPU, vector_width=8),
        dataclasses.replace(CPU, platform="Intel(R) OpenCL", name="Intel(R) Xeon(R)"),
    ],
    "CPU with SSE or NEON": [dataclasses.replace(CPU, vector_width=width) for width in (1, 4)],
    "NVIDIA GPU": [gpu("NVIDIA CUDA", "NVIDIA H200"), gpu(POCL, "GeForce GTX 1080")],
    "AMD GPU": [gpu("AMD Accelerated Parallel Processing", "gfx90a:sramecc+"), gpu("rusticl", "Radeon RX 6800")],
    "Intel GPU": [gpu("Intel(R) OpenCL Graphics", "Intel(R) Arc(TM) A770")],
    "Apple GPU": [gpu("Apple", "Apple M1")],
    "other GPU": [GPU, dataclasses.replace(GPU, kind="accelerator")],
}
ALL_DEVICES = [info for group in DEVICES.values() for info in group]


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """An empty cache folder."""
    monkeypatch.setenv("COLDSTART_CACHE", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(("name", "info"), [(name, info) for name, group in DEVICES.items() for info in group])
def test_every_device_has_the_preset_of_its_type(name, info):
    assert preset_for(info).name == name


def test_every_preset_is_of_use():
    assert {preset_for(info).name for info in ALL_DEVICES} == {preset.name for preset in PRESETS}


@pytest.mark.parametrize("info", ALL_DEVICES)
def test_presets_fit_the_kernels(info):
    tuning = tuning_for(info)
    assert tuning == preset_tuning(info)
    assert not is_tuned(info)
    assert fits_kernels(tuning)
    assert tuning.copies >= 1
    assert tuning.atomic == (info.kind != "CPU")


def test_gpus_leave_vectors_to_their_compiler_and_cpus_do_not():
    assert all(preset_tuning(info).vector_width == 1 for info in ALL_DEVICES if info.kind != "CPU")
    assert all(preset_tuning(info).vector_width > 1 for info in ALL_DEVICES if info.kind == "CPU")


def test_a_kept_tuning_is_that_of_the_device_and_of_no_other():
    other = gpu("NVIDIA CUDA", "NVIDIA H200")
    tuned = dataclasses.replace(preset_tuning(CPU), score_rows=8, chunk=64)
    assert keep_tuning(CPU, tuned) == str(tuning_file())
    assert tuning_for(CPU) == tuned
    assert is_tuned(CPU)
    assert not is_tuned(other)
    keep_tuning(other, dataclasses.replace(preset_tuning(other), chunk=8))
    assert tuning_for(CPU) == tuned
    assert tuning_for(other).chunk == 8


def test_a_kept_tuning_keeps_what_is_not_measured_from_the_preset():
    keep_tuning(CPU, preset_tuning(CPU))
    fewer = dataclasses.replace(CPU, compute_units=3)
    assert tuning_for(fewer).copies == 3


@pytest.mark.parametrize(
    "values", [{"vector_width": 16}, {"chunk": 7}, {"score_rows": 0}, {"chunk": 8, "score_rows": 3}]
)
def test_values_that_no_kernel_takes_are_ignored_with_a_warning(values):
    keep_tuning(CPU, preset_tuning(CPU))
    content = json.loads(tuning_file().read_text())
    content["tunings"][0] |= values
    tuning_file().write_text(json.dumps(content))
    with pytest.warns(UserWarning, match="no kernel can be built with"):
        assert tuning_for(CPU) == preset_tuning(CPU)
