"""Whether a run fits the device."""

import pytest

from coldstart.check.resources import check_resources
from coldstart.model.check_report import Forecast


@pytest.mark.parametrize(
    ("need", "largest", "severities"),
    [(50, 10, []), (95, 10, ["warning"]), (101, 10, ["error"]), (50, 41, ["error"])],
)
def test_memory(need: int, largest: int, severities: list[str]) -> None:
    mebibyte = 2**20
    forecast = Forecast("card", 1, 90, 300, 800, need * mebibyte, 1, 100 * mebibyte, (1.0, 2.0))
    findings = check_resources(forecast, largest * mebibyte, 40 * mebibyte, fits_in_pieces=False)
    assert [finding.severity for finding in findings] == severities
    in_pieces = check_resources(forecast, largest * mebibyte, 40 * mebibyte, fits_in_pieces=True)
    assert [finding.severity for finding in in_pieces] == ["warning" for _ in severities]
    assert all(("fewer images at a time" in f.message) == ("error" in severities) for f in in_pieces)
    for finding in findings:
        assert f"A run of 1 class would need {need} MiB" in finding.message
        assert "--max-resolution" in finding.remedy
