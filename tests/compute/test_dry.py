"""A dry session counts the buffers that a session would hold."""

import numpy as np
import pytest

from coldstart.compute.device import choose_device
from coldstart.compute.dry import DrySession
from coldstart.compute.session import Session, open_session
from coldstart.errors import DeviceError


@pytest.fixture
def dry() -> DrySession:
    try:
        return DrySession(choose_device(), lambda session, name, shape: None)
    except DeviceError as error:
        pytest.skip(str(error))


def ask(session: Session) -> None:
    session.array("maps", (3, 100), np.float32)
    session.upload("images", np.ones((50, 7), np.complex64))
    session.array("maps", (2, 100), np.float32)
    session.array("maps", (4, 100), np.float32)
    session.zero(session.array("sums", (0,), np.int64))


def test_counts_as_a_session_does(dry: DrySession) -> None:
    ask(dry)
    with open_session() as session:
        ask(session)
        assert (dry.bytes_held, dry.peak_bytes) == (session.bytes_held, session.peak_bytes)
    assert (dry.largest_name, dry.largest_bytes) == ("images", 50 * 7 * 8)
    dry.close()
    assert dry.bytes_held == 0


def test_more_than_any_device_holds_is_counted_too(dry: DrySession) -> None:
    dry.array("huge", (2**50,), np.float32)
    assert dry.peak_bytes == 4 * 2**50


def test_downloads_are_zeros_or_what_is_answered(dry: DrySession) -> None:
    assert not dry.download(dry.upload("values", np.ones(4, np.float32))).any()
    dry.program("grid.cl").launch("count", (4,), 1, 2.0)
    answered = DrySession(dry.info, lambda session, name, shape: np.full(shape, len(name)))
    found = answered.download(answered.array("four", (2,), np.int32))
    assert (found.tolist(), found.dtype) == ([4, 4], np.int32)
    assert dry.launches == {"count": (1, 2.0)}
