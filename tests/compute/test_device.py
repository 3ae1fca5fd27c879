import dataclasses
import shutil

import numpy as np
import pytest

from coldstart.compute import device
from coldstart.compute.device import POCL, DeviceInfo, choose_device, choose_devices, list_devices
from coldstart.compute.session import open_sessions
from coldstart.errors import DeviceError

CPU = DeviceInfo(
    index=0,
    platform_index=0,
    device_index=0,
    name="pthread-Some CPU",
    platform=POCL,
    version="OpenCL 3.0 PoCL 3.0",
    driver="3.0",
    kind="CPU",
    compute_units=64,
    clock_mhz=3000,
    global_bytes=2**34,
    max_alloc_bytes=2**32,
    shares_host_memory=True,
    vector_width=16,
    usable=True,
    reason="",
)


def gpu(**changes):
    values = {
        "name": "Big GPU",
        "platform": "GPU Maker",
        "version": "OpenCL 3.0",
        "kind": "GPU",
        "compute_units": 80,
        "clock_mhz": 1500,
        "shares_host_memory": False,
        "vector_width": 1,
    }
    return dataclasses.replace(CPU, **(values | changes))


@pytest.fixture
def found(monkeypatch):
    """Pretend that these devices, numbered in this order on one platform each, are all there are."""

    def pretend(*infos):
        numbered = [dataclasses.replace(info, index=i, platform_index=i) for i, info in enumerate(infos)]
        monkeypatch.setattr(device, "_enumerate", lambda: [(info, None) for info in numbered])

    return pretend


def test_all_devices_are_listed_in_order(found):
    found(CPU, gpu(usable=False, reason="its driver says it is not available"))
    assert [info.name for info in list_devices()] == ["pthread-Some CPU", "Big GPU"]


def test_the_best_device_is_a_discrete_gpu_then_an_integrated_one_then_the_cpu(found):
    discrete, integrated = gpu(compute_units=10, clock_mhz=900), gpu(name="Built-in", shares_host_memory=True)
    found(CPU, integrated, discrete)
    assert choose_device().name == "Big GPU"
    found(CPU, integrated)
    assert choose_device().name == "Built-in"
    found(CPU)
    assert choose_device().name == "pthread-Some CPU"


def test_the_larger_of_two_gpus_is_taken(found):
    found(gpu(), gpu(name="Bigger GPU", compute_units=120), gpu(name="Slower GPU", clock_mhz=900))
    assert choose_device().name == "Bigger GPU"


def test_unusable_devices_and_emulators_are_passed_over(found):
    broken = gpu(usable=False, reason="it speaks OpenCL 1.1, and 1.2 is needed")
    found(broken, gpu(name="Oclgrind Simulator", platform="Oclgrind"), gpu(name="llvmpipe (LLVM 15)"), CPU)
    assert choose_device().name == "pthread-Some CPU"


def test_an_emulator_is_taken_by_name(found):
    found(CPU, gpu(name="Oclgrind Simulator", platform="Oclgrind", kind="CPU"))
    assert choose_device("oclgrind").name == "Oclgrind Simulator"


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        ("1", "Big GPU"),
        (" 2 ", "Other GPU"),
        ("2:0", "Other GPU"),
        ("other", "Other GPU"),
        ("OTHER gpu", "Other GPU"),
        ("portable", "pthread-Some CPU"),
        ("gpu maker", "Big GPU"),
        ("gpu", "Big GPU"),
    ],
)
def test_a_request_is_a_number_a_pair_of_numbers_or_part_of_a_name(found, request_, name):
    found(CPU, gpu(), gpu(name="Other GPU", compute_units=40))
    assert choose_device(request_).name == name


@pytest.mark.parametrize("request_", ["7", "0:1", "radeon"])
def test_a_request_that_fits_nothing_is_answered_with_what_there_is(found, request_):
    found(CPU, gpu())
    with pytest.raises(DeviceError) as caught:
        choose_device(request_)
    assert repr(request_) in str(caught.value)
    assert "0: pthread-Some CPU" in str(caught.value)
    assert "1: Big GPU (GPU Maker)" in str(caught.value)


def test_a_request_for_an_unusable_device_says_why(found):
    found(CPU, gpu(usable=False, reason="it speaks OpenCL 1.1, and 1.2 is needed"))
    with pytest.raises(DeviceError, match=r"device 1, Big GPU \(GPU Maker\), cannot be used: .*1\.2 is needed"):
        choose_device("1")


def test_no_device_at_all(found):
    found()
    with pytest.raises(DeviceError, match=r"no OpenCL device was found: install .*pocl-opencl-icd"):
        choose_device()


def test_no_usable_device_names_each_and_its_reason(found):
    found(dataclasses.replace(CPU, usable=False, reason="it is broken"), gpu(name="Oclgrind Simulator"))
    with pytest.raises(DeviceError) as caught:
        choose_device()
    assert "pthread-Some CPU (Portable Computing Language): it is broken" in str(caught.value)
    assert "taken only by name" in str(caught.value)
    assert "install an OpenCL driver" in str(caught.value)


@pytest.mark.skipif(not any(info.is_pocl for info in list_devices()), reason="there is no PoCL device")
@pytest.mark.parametrize("request_", ["portable", None])
def test_pocl_without_a_linker_is_refused_before_it_aborts(monkeypatch, request_):
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name, *rest: None if name == "ld" else which(name, *rest))
    everything = device._enumerate()
    monkeypatch.setattr(device, "_enumerate", lambda: [pair for pair in everything if pair[0].is_pocl])
    with pytest.raises(DeviceError, match=r"`ld`.*install binutils"):
        choose_device(request_)


@pytest.mark.skipif(not any(info.is_pocl for info in list_devices()), reason="there is no PoCL device")
def test_pocl_that_cannot_build_for_the_processor_is_refused(monkeypatch):
    monkeypatch.setattr(device, "name_processor", lambda _: False)
    everything = device._enumerate()
    monkeypatch.setattr(device, "_enumerate", lambda: [pair for pair in everything if pair[0].is_pocl])
    with pytest.raises(DeviceError, match=r"does not know the processor: install a newer PoCL"):
        choose_device("portable")


def test_what_is_there_is_described():
    for number, info in enumerate(list_devices()):
        assert info.index == number
        assert info.kind in ("GPU", "CPU", "accelerator")
        assert info.name
        assert info.platform
        assert info.global_bytes >= info.max_alloc_bytes > 0
        assert info.vector_width >= 1
        assert info.usable == (info.reason == "")


def numbers(request):
    return [info.index for info in choose_devices(request)]


def test_several_devices_share_the_work(found):
    found(CPU, gpu(), gpu(), gpu(name="Small GPU", compute_units=8))
    assert numbers(None) == [1]
    assert numbers("3, 0") == [3, 0]
    assert numbers("small,cpu") == [3, 0]
    assert numbers("all") == numbers("ALL") == [1, 2]  # those like the best one


def test_a_device_is_asked_for_once(found):
    found(CPU, gpu())
    for request in ("1,1", "big,1", "all,1", "0,0/2"):
        with pytest.raises(DeviceError, match="more than once"):
            choose_devices(request)
    with pytest.raises(DeviceError, match="no OpenCL device fits --device '7'"):
        choose_devices("0,7")


def test_parts_that_a_device_cannot_be_split_into(found):
    found(dataclasses.replace(CPU, compute_units=2))
    for parts in (0, 3):
        with pytest.raises(DeviceError, match=f"cannot be split into {parts} parts: it has 2 compute units"):
            choose_devices(f"0/{parts}")


def test_a_cpu_is_split_into_equal_parts():
    whole = [info for info in list_devices() if info.is_pocl and info.compute_units > 1]
    if not whole:
        pytest.skip("there is no CPU of several compute units under PoCL")
    parts = choose_devices(f"{whole[0].index}/2")
    assert [part.compute_units for part in parts] == 2 * [whole[0].compute_units // 2]
    with open_sessions(f"{whole[0].index}/2")[1] as session:
        assert np.array_equal(session.download(session.upload("numbers", np.arange(5))), np.arange(5))
