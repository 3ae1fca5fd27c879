import dataclasses
import json
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coldstart.compute import tuning_cache
from coldstart.compute.device import POCL, DeviceInfo
from coldstart.compute.tuning_cache import cache_folder, read_measured, tuning_file, write_measured
from coldstart.errors import OutputError

CPU = DeviceInfo(0, 0, 0, "cpu", POCL, "OpenCL 3.0", "3.0", "CPU", 8, 3000, 2**34, 2**32, True, 16, True, "")
VALUES = {"vector_width": 8, "score_rows": 4, "chunk": 32}


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """A cache folder that is yet to be made."""
    monkeypatch.setenv("COLDSTART_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_what_is_written_is_read(cache):
    assert read_measured(CPU) is None
    assert write_measured(CPU, VALUES) == cache / "tuning.json"
    assert read_measured(CPU) == VALUES
    assert [path.name for path in cache.iterdir()] == ["tuning.json"]


@pytest.mark.parametrize("change", [{"platform": "other"}, {"name": "other"}, {"driver": "other"}])
def test_another_device_or_driver_has_no_entry(change):
    write_measured(CPU, VALUES)
    assert read_measured(dataclasses.replace(CPU, **change)) is None


def test_other_kernels_end_the_use_of_an_entry(monkeypatch):
    write_measured(CPU, VALUES)
    monkeypatch.setattr(tuning_cache, "kernel_source", lambda file: "other")
    assert read_measured(CPU) is None


def test_a_device_has_one_entry():
    for driver in ("3.0", "3.1"):
        write_measured(dataclasses.replace(CPU, driver=driver), VALUES)
    (entry,) = json.loads(tuning_file().read_text())["tunings"]
    assert entry["driver"] == "3.1"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.one_of(st.binary(max_size=40), st.text(max_size=40).map(str.encode), st.sampled_from([
    b"", b"[]", b"3", b'{"tunings": 3}', b'{"tunings": [3]}', b'{"tunings": [{"platform": "x"}]}',
])))  # fmt: skip
def test_a_damaged_file_is_ignored_with_a_warning_and_can_be_written_over(content):
    tuning_file().parent.mkdir(exist_ok=True)
    tuning_file().write_bytes(content)
    with pytest.warns(UserWarning, match=r"tuning\.json is damaged"):
        assert read_measured(CPU) is None
    with pytest.warns(UserWarning, match="damaged"):
        write_measured(CPU, VALUES)
    assert read_measured(CPU) == VALUES


def test_a_folder_that_cannot_be_made_is_told(cache):
    cache.write_text("a file")
    with pytest.raises(OutputError, match="COLDSTART_CACHE"):
        write_measured(CPU, VALUES)


@pytest.mark.skipif(sys.platform != "linux", reason="each system has its own place")
def test_the_folder_is_that_of_the_user(monkeypatch, tmp_path):
    monkeypatch.delenv("COLDSTART_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "coldstart"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == Path(tmp_path, ".cache", "coldstart")
