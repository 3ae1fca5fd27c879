"""`forecast_run`: a record, and findings where there is no run to foresee."""

from pathlib import Path

import pytest

from coldstart.api.forecast import forecast_run
from coldstart.compute.device import choose_device
from coldstart.errors import DeviceError
from coldstart.io.particle_files import read_particles
from coldstart.params import AbInitioParams


@pytest.fixture(autouse=True)
def device() -> None:
    try:
        choose_device()
    except DeviceError as error:
        pytest.skip(str(error))


def test_forecast(small_set: Path) -> None:
    particles, _ = read_particles(small_set)
    forecast, findings = forecast_run(particles, AbInitioParams())
    assert forecast is not None
    assert findings == ()
    assert (forecast.initial_minibatch, forecast.final_minibatch) == (6, 6)
    assert 0 < forecast.device_bytes < forecast.device_capacity_bytes
    assert forecast.host_bytes > forecast.device_bytes
    assert 0.0 < forecast.seconds[0] < forecast.seconds[1]


@pytest.mark.parametrize(
    ("params", "check"),
    [(AbInitioParams(device="no such device"), "device"), (AbInitioParams(symmetry="Q7"), "parameters")],
)
def test_what_cannot_be_run_is_an_error(small_set: Path, params: AbInitioParams, check: str) -> None:
    particles, _ = read_particles(small_set)
    forecast, (finding,) = forecast_run(particles, params)
    assert forecast is None
    assert (finding.check, finding.severity) == (check, "error")
