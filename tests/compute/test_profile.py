import time

import numpy as np
import pytest

from coldstart.compute import program
from coldstart.compute.profile import required_profile

FILL = """
__kernel void fill(__global float *out, const float value, const int rounds)
{
    float sum = 0.0f;
    for (int i = 0; i < rounds; i++) sum = sum * 0.5f + value;
    out[get_global_id(0)] = sum;
}
__kernel void other(__global float *out) { out[get_global_id(0)] = 0.0f; }
"""


@pytest.fixture(autouse=True)
def fill_kernels(monkeypatch):
    monkeypatch.setattr(program, "_read", lambda name: FILL)


def test_launches_are_noted_with_what_they_were_given(profiled):
    profile, out = required_profile(profiled.profile), profiled.array("out", (3, 2), np.float32)
    before = time.perf_counter()
    profiled.program("fill.cl", TILE=4).launch("fill", (6,), out, 2.0, 3)
    profiled.program("fill.cl").launch("other", (6,), out)
    first, second = profile.launches
    assert (first.kernel, dict(first.macros), first.global_size) == ("fill", {"TILE": 4}, (6,))
    assert (first.shapes, first.numbers) == (((3, 2),), (2.0, 3))
    assert (second.kernel, dict(second.macros), second.numbers) == ("other", {}, ())
    assert before <= first.enqueued <= second.enqueued <= time.perf_counter()
    profile.clear()
    assert profile.launches == []


def test_more_work_takes_more_time(profiled):
    profile, out = required_profile(profiled.profile), profiled.array("out", (64,), np.float32)
    for rounds in (1, 10, 1_000_000):
        profiled.program("fill.cl").launch("fill", (64,), out, 2.0, rounds)
    _, short, long = (launch.seconds for launch in profile.launches)
    assert 0 <= short < long
    assert profile.seconds() == profile.seconds("fill") >= long
    assert profile.seconds("other") == 0


def test_a_launch_of_no_items_is_none(profiled):
    profiled.program("fill.cl").launch("other", (0,), profiled.array("out", (1,), np.float32))
    assert required_profile(profiled.profile).launches == []


def test_without_profiling_nothing_is_noted(session):
    assert session.profile is None
    with pytest.raises(ValueError, match="without profiling"):
        required_profile(session.profile)
