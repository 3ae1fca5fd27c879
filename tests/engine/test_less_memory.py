"""Devices with too little memory for a minibatch: fewer images at a time, said aloud, and the same bytes."""

from dataclasses import fields, replace

import numpy as np
import pytest

from coldstart.compute.session import open_session
from coldstart.engine.abinitio import abinitio
from coldstart.errors import DeviceError, DeviceMemoryError
from coldstart.model.so3 import random_rotations
from coldstart.params import AbInitioParams

SHORT = AbInitioParams(
    initial_iterations=2, final_iterations=2, fourier_radius_step=3.0, initial_minibatch=25, final_minibatch=31,
    minibatch_switch_iteration=3, max_resolution_angstrom=14.0, initial_resolution_angstrom=30.0,
)  # fmt: skip
SEVERAL = {"classes": 3, "class_similarity_start": 3, "class_similarity_end": 5, "all_particles": True}


@pytest.fixture
def truth(rng, simulated):
    return simulated(random_rotations(rng, 70), rng.uniform(-2, 2, (70, 2)), snr=1.0, classes=3)


@pytest.fixture
def run(truth):
    """What a run gives on a device with these limits: snapshots, result, and the session that it was run on."""

    def make(limits, **changes):
        try:
            opened = open_session()
        except DeviceError as error:
            pytest.skip(str(error))
        with opened as session:
            session.info = replace(session.info, **limits)
            steps = abinitio(truth.particles, truth.source, SHORT.model_copy(update=changes), session)
            snapshots = []
            while True:
                try:
                    snapshots.append(next(steps))
                except StopIteration as end:
                    return snapshots, end.value, session.peak_bytes

    return make


def as_bytes(result):
    stats = [{f.name: getattr(s, f.name) for f in fields(s) if f.name != "seconds"} for s in result.iterations]
    table = [getattr(result.poses, f.name).tobytes() for f in fields(result.poses)]
    return result.volumes.tobytes(), result.half_volumes.tobytes(), table, repr(stats)


@pytest.mark.parametrize("changes", [{}, SEVERAL], ids=["one class", "classes"])
def test_a_run_gives_the_same_bytes_with_little_memory(run, changes):
    _, whole, peak = run({}, **changes)
    assert not whole.notes
    snapshots, result, less = run({"global_bytes": int(0.8 * peak)}, **changes)
    assert as_bytes(result) == as_bytes(whole)
    assert less <= 0.8 * peak
    assert any("has too little memory for" in note and "the same result" in note for note in result.notes)
    assert set(snapshots[-1].notes) <= set(result.notes)
    assert snapshots[-1].notes


def test_no_buffer_is_larger_than_the_device_grants(run):
    """The accumulators of all cores would be; fewer of them give the same bytes."""
    _, whole, _ = run({}, symmetry="C2")
    _, result, _ = run({"max_alloc_bytes": 8_000_000}, symmetry="C2")
    assert as_bytes(result) == as_bytes(whole)


def test_what_does_not_fit_at_all_is_refused(run):
    with pytest.raises(DeviceMemoryError, match=r"cannot hold the buffer .* use a smaller minibatch"):
        run({"max_alloc_bytes": 40_000})


def test_buffers_that_are_released_give_their_memory_back(rng):
    with open_session() as session:
        kept = session.upload("kept", rng.random(100))
        session.array("other", (1000,), np.float64)
        session.release_all_but({"kept"})
        assert session.bytes_held == kept.nbytes
        assert session.download(kept).size == 100
