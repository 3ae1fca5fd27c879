"""Errors between processes."""

import pickle

import pytest

from coldstart.errors import ChangedDeviceError, ChangedError, ChangedInputError, DeviceError, ParticleFileError


@pytest.mark.parametrize(("kind", "base"), [(ChangedInputError, ParticleFileError), (ChangedDeviceError, DeviceError)])
def test_a_change_comes_back_from_a_worker_whole(kind: type[ChangedError], base: type[Exception]) -> None:
    error = kind("the stack has changed.", "Put it back.")
    error.add_note("noted")
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, base)
    assert (type(again), str(again), again.what) == (kind, "the stack has changed. Put it back.", error.what)
    assert again.__notes__ == ["noted"]
