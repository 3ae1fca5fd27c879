"""CTF columns that no microscope gives."""

import numpy as np
import pytest


def test_micrometres(clean):
    (finding,) = clean.with_defocus(1e-4).named("defocus")
    assert (finding.severity, "micrometres" in finding.message) == ("error", True)
    assert "10000" in finding.remedy


def test_nanometres_where_the_images_cannot_tell(simulated):
    (finding,) = simulated(count=30, snr=0.02).with_defocus(0.1).named("defocus")
    assert (finding.severity, "nanometres" in finding.message) == ("warning", True)


@pytest.mark.parametrize(("rows", "severity"), [(slice(None), "error"), (slice(0, 3), "warning")])
def test_negative_defocus(clean, rows, severity):
    defocus = clean.ctf.defocus_u_angstrom.copy()
    defocus[rows] *= -1.0
    finding, *_ = clean.with_ctf(defocus_u_angstrom=defocus, defocus_v_angstrom=defocus).named("defocus")
    assert finding.severity == severity
    assert finding.rows == tuple(np.arange(400)[rows])


@pytest.mark.parametrize(
    ("column", "value", "name"),
    [("voltage_kv", 3.0, "voltage"), ("cs_mm", 27.0, "spherical"), ("amplitude_contrast", 0.7, "amplitude")],
)
def test_values_of_no_microscope(clean, column, value, name):
    values = getattr(clean.ctf, column).copy()
    values[5:] = value
    (finding,) = clean.with_ctf(**{column: values}).named("ctf values")
    assert finding.severity == "warning"
    assert name in finding.message
    assert "particle row 6" in finding.message
