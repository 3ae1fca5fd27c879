"""Wrong pixel sizes, units and voltages, and rows in disorder: planted, found, and the remedy named."""

from dataclasses import replace

import numpy as np
import pytest

from coldstart.model.ctf import take_rows


@pytest.mark.parametrize(("factor", "severity"), [(2.0, "error"), (0.5, "error"), (1.12, "warning")])
def test_wrong_pixel_size(clean, factor, severity):
    wrong = replace(clean, pixel_size=8.0 * factor, headers=(8.0 * factor,))
    (finding,) = wrong.named("pixel size")
    assert finding.severity == severity
    stated = float(finding.remedy.partition("--pixel-size ")[2].partition(";")[0])
    assert stated == pytest.approx(8.0, rel=0.05)
    assert wrong.named("order") == []


def test_header_with_the_right_pixel_size_is_named(clean):
    (finding,) = replace(clean, pixel_size=16.0).named("pixel size")
    assert "--pixel-size 8." in finding.remedy
    assert "header" in finding.remedy


def test_defocus_in_nanometres(clean):
    (finding,) = clean.with_defocus(0.1).named("defocus")
    assert (finding.severity, "nanometres" in finding.remedy) == ("error", True)


def test_wrong_voltage_is_among_the_remedies(clean):
    (finding,) = clean.with_ctf(voltage_kv=np.full(400, 200.0)).named("pixel size")
    assert "correct it to 300 kV" in finding.remedy


def test_rows_in_disorder(clean, rng):
    shuffled = replace(clean, ctf=take_rows(clean.ctf, rng.permutation(400)))
    (finding,) = shuffled.findings()
    assert (finding.check, finding.severity) == ("order", "error")


def test_half_of_the_rows_in_disorder(clean, rng):
    order = np.arange(400)
    order[::2] = rng.permutation(order[::2])
    (finding,) = replace(clean, ctf=take_rows(clean.ctf, order)).findings()
    assert (finding.check, finding.severity) == ("order", "warning")


def test_what_cannot_be_told_is_no_warning(simulated, rng):
    particles = simulated(snr=0.01, count=100)
    findings = replace(particles, ctf=take_rows(particles.ctf, rng.permutation(100))).named("order")
    assert [finding.severity for finding in findings] == ["note"]
