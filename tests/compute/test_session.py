import dataclasses
import os

import numpy as np
import pytest

from coldstart.compute.device import list_devices, set_cpu_threads
from coldstart.compute.session import UNDER_WAY_BYTES, open_session
from coldstart.errors import DeviceError, DeviceMemoryError


@pytest.mark.parametrize(
    "values",
    [
        np.arange(12, dtype=np.float32).reshape(3, 4),
        np.array([[1 + 2j]], np.complex64),
        np.arange(7, dtype=np.int64)[::2],
        np.zeros((0, 3), np.int32),
    ],
)
def test_arrays_go_to_the_device_and_back(session, values):
    on_device = session.upload("values", values)
    assert on_device.shape == values.shape
    assert on_device.dtype == values.dtype
    np.testing.assert_array_equal(session.download(on_device), values)


@pytest.mark.parametrize("count", [10, UNDER_WAY_BYTES // 4 + 1])
def test_an_array_may_be_changed_once_it_was_uploaded(session, count):
    values = np.arange(count, dtype=np.float32)
    on_device = session.upload("values", values)
    values[:] = -1.0
    np.testing.assert_array_equal(session.download(on_device), np.arange(count, dtype=np.float32))


def test_uploads_to_one_buffer_keep_their_order(session):
    for number in range(100):
        on_device = session.upload("values", np.full(1000, number))
    assert (session.download(on_device) == 99).all()


def test_a_named_buffer_is_used_again_until_it_must_grow(session):
    first = session.array("named", (100,), np.float32)
    smaller = session.array("named", (5, 5), np.float64)
    assert smaller.buffer is first.buffer
    assert smaller.shape == (5, 5)
    assert smaller.nbytes == 200
    assert session.array("named", (101,), np.float32).buffer is not first.buffer
    assert session.array("other", (100,), np.float32).buffer is not first.buffer


def test_zero(session):
    array = session.upload("ones", np.ones((3, 5), np.int64))
    assert not session.download(session.zero(array)).any()


def test_bytes_are_counted(session):
    assert session.bytes_held == session.peak_bytes == 0
    session.array("a", (1000,), np.float32)
    session.array("b", (1000,), np.float64)
    assert session.bytes_held == session.peak_bytes == 12_000
    session.array("a", (2000,), np.float32)  # grows, with room to spare
    assert 16_000 <= session.bytes_held <= 20_000
    session.close()
    assert session.bytes_held == 0
    assert session.peak_bytes >= 16_000


def test_memory_is_refused_before_it_is_asked_for(session):
    room = session.info.max_alloc_bytes
    with pytest.raises(DeviceMemoryError) as caught:
        session.array("huge", (room + 1,), np.uint8)
    assert "'huge'" in str(caught.value)
    assert session.info.label in str(caught.value)
    assert f"{(room + 1) / 2**20:.0f} MiB" in str(caught.value)
    assert "smaller minibatch" in str(caught.value)
    assert session.bytes_held == 0


def test_all_buffers_together_must_fit(session):
    session.info = dataclasses.replace(session.info, global_bytes=10_000, max_alloc_bytes=8_000)
    session.array("a", (1500,), np.float32)
    with pytest.raises(DeviceMemoryError, match="'b'"):
        session.array("b", (1500,), np.float32)
    session.array("b", (900,), np.float32)


def test_room_to_spare_is_no_reason_to_refuse_a_buffer(session):
    """One that grows gets a quarter more, but no more than the device grants in one buffer or has left."""
    session.info = dataclasses.replace(session.info, global_bytes=10_000, max_alloc_bytes=8_000)
    session.array("grows", (4_000,), np.uint8)
    assert session.array("grows", (7_000,), np.uint8).buffer.size == 8_000
    session.array("other", (1_000,), np.uint8)
    assert session.array("other", (1_900,), np.uint8).buffer.size == 2_000
    with pytest.raises(DeviceMemoryError, match=r"'other'.*at most in one buffer"):
        session.array("other", (8_001,), np.uint8)


def test_a_refused_buffer_leaves_the_session_in_order(session):
    """Closing it, and going on with less, both work."""
    session.array("grows", (1000,), np.uint8)
    with pytest.raises(DeviceMemoryError):
        session.array("grows", (session.info.max_alloc_bytes + 1,), np.uint8)
    session.close()
    assert session.bytes_held == 0
    np.testing.assert_array_equal(session.download(session.upload("grows", np.arange(9))), np.arange(9))


def test_a_device_that_is_not_there():
    if not list_devices():
        pytest.skip("there is no OpenCL device")
    with pytest.raises(DeviceError, match="no such device"):
        open_session("no such device")


def test_threads_are_pocls_limit(monkeypatch):
    monkeypatch.setenv("POCL_MAX_PTHREAD_COUNT", "7")
    set_cpu_threads(None)
    assert os.environ["POCL_MAX_PTHREAD_COUNT"] == "7"
    set_cpu_threads(3)
    assert os.environ["POCL_MAX_PTHREAD_COUNT"] == "3"
