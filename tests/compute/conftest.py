"""A session on the device that a run would take."""

from collections.abc import Iterator

import pytest

from coldstart.compute.session import Session, open_session
from coldstart.errors import DeviceError


@pytest.fixture
def session() -> Iterator[Session]:
    try:
        opened = open_session()
    except DeviceError as error:
        pytest.skip(str(error))
    with opened:
        yield opened
