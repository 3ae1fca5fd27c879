"""How long a run will take: the range grows with what it depends on."""

from dataclasses import replace

import pytest

from coldstart.compute.device import DeviceInfo
from coldstart.engine.duration import forecast_seconds
from coldstart.engine.plan import plan_run
from coldstart.params import AbInitioParams

CPU = DeviceInfo(0, 0, 0, "cpu", "platform", "1.2", "1", "CPU", 2, 3000, 2**33, 2**31, True, 8, True, "")


def seconds(particles: int = 5000, box_px: int = 64, info: DeviceInfo = CPU, **given: object) -> tuple[float, float]:
    params = AbInitioParams(**given)
    plan = plan_run(params, box_px, 4.0 * box_px, particles=particles)
    return forecast_seconds(plan, params, box_px, particles, info)


def test_range_holds_what_was_measured() -> None:
    """docs/benchmarks.md: 39 s by the clock on two cores for 5000 images of 64 px at 4 Å."""
    low, high = seconds()
    assert low < 39 < high


@pytest.mark.parametrize("given", [{"classes": 3}, {"final_iterations": 900}, {"box_px": 128}, {"particles": 10**6}])
def test_more_work_takes_longer(given: dict[str, int]) -> None:
    more = seconds(**{"particles": 5000, "all_particles": True, **given})
    assert more[1] > seconds(all_particles=True)[1]


def test_more_cores_are_faster_and_a_gpu_more_so() -> None:
    assert seconds(info=replace(CPU, compute_units=16))[1] < seconds()[1]
    assert seconds(info=replace(CPU, compute_units=16), threads=2) == seconds()
    assert seconds(info=replace(CPU, kind="GPU"))[1] < seconds()[1]
