"""Clean particles raise no finding, whatever the seed; findings come with the gravest first."""

from dataclasses import replace

import pytest

from coldstart.check.registry import by_gravity
from coldstart.model.check_report import Finding


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("snr", [0.05, 0.5])
def test_silent_on_clean_particles(simulated, seed, snr):
    assert simulated(seed, snr=snr).findings() == ()


def test_silent_without_ctf(clean):
    assert replace(clean, ctf=None).findings() == ()


def test_quick_check_is_silent_too(clean):
    assert replace(clean, thorough=False).findings() == ()


def test_gravest_first():
    findings = [Finding(name, name, "") for name in ("note", "error", "warning", "error")]
    assert [finding.severity for finding in by_gravity(findings)] == ["error", "error", "warning", "note"]
