"""The CTFs that the images show against those of the table; `ctf_agreement.py` has the statistic."""

import numpy as np

from coldstart.check.ctf_agreement import CtfScan
from coldstart.check.evidence import Evidence
from coldstart.model.check_report import Finding
from coldstart.model.ctf import electron_wavelength_angstrom

SIGNIFICANT_Z = 6.0
"""Agreement that chance does not give, though a hundred factors were tried."""

LEAST_GAIN, LEAST_LOG_FACTOR = 20.0, 0.1
"""A factor counts that makes the images this much more likely (natural logarithm), and changes the defocus by so much:
a pixel size by 5 %."""

SURE_LOG_FACTOR = 0.3

LEAST_DISTINCT = 20
"""With fewer CTFs, micrographs that differ in their noise look as if they differed in their CTFs."""

TESTABLE = 8.0
"""Agreement that has to be expected before its absence means anything."""

IN_ORDER, DISORDER = 0.6, 0.3
"""Share of the expected agreement: from which rows are in order, and under which they are not."""

NANOMETRES = 10.0
_USUAL_VOLTAGES_KV = (80.0, 100.0, 120.0, 200.0, 300.0)


def check_ctf_scale(evidence: Evidence) -> list[Finding]:
    """Whether another pixel size, unit of the defocus or voltage fits the images better."""
    scan = evidence.ctf_scan
    if scan is None or not is_off_scale(scan) or scan.distinct < LEAST_DISTINCT:
        return []
    factor, pixel = scan.factor, evidence.particles.pixel_size_angstrom
    fitting = pixel / np.sqrt(factor)
    sure = abs(np.log(factor)) > SURE_LOG_FACTOR
    message = (
        f"The images' spectra fit a CTF with {factor:.3g} times the defocus of their rows far better "
        f"(agreement {scan.best.z:.1f}, as the table stands {scan.stated.z:.1f}, by chance 0 ± 1)."
    )
    name = "defocus" if _is_nanometres(factor) else "pixel size"
    return [Finding(name, "error" if sure else "warning", message, _scale_remedy(evidence, factor, fitting))]


def check_order(evidence: Evidence) -> list[Finding]:
    """Whether each row's CTF is that of its own image."""
    scan = evidence.ctf_scan
    if scan is None or is_off_scale(scan) or scan.distinct < LEAST_DISTINCT:
        return []
    found = scan.stated
    if found.expected < TESTABLE:
        return [] if found.z > SIGNIFICANT_Z else [_untested(found.z, found.expected)]
    if found.share >= IN_ORDER or 1.0 - found.share < 4.0 / found.expected:
        return []
    disorder = found.share < DISORDER and found.z < SIGNIFICANT_Z
    what = "do not show" if disorder else "show only in part"
    return [
        Finding(
            "order",
            "error" if disorder else "warning",
            f"The images {what} the CTFs of their rows (agreement {found.z:.1f}; {found.expected:.0f} expected of "
            "rows in order, 0 ± 1 of rows in any other order).",
            "See that table and stack belong together and are in one order; estimate the CTFs again if they are. "
            "--no-ctf runs without them.",
        )
    ]


def is_off_scale(scan: CtfScan) -> bool:
    """Whether another factor on the defocus than 1 is beyond doubt."""
    return scan.best.z > SIGNIFICANT_Z and scan.gain > LEAST_GAIN and abs(float(np.log(scan.factor))) > LEAST_LOG_FACTOR


def is_in_order(scan: CtfScan | None) -> bool:
    """Whether the images show the CTFs of their own rows beyond doubt, as the table stands."""
    if scan is None or is_off_scale(scan):
        return False
    return scan.stated.z > SIGNIFICANT_Z and scan.stated.share >= IN_ORDER


def fits_as_stated(scan: CtfScan | None) -> bool | None:
    """Whether the images bear out the table's CTF and pixel size; None where they cannot tell."""
    if scan is None or scan.distinct < LEAST_DISTINCT or max(scan.best.z, scan.stated.z) < SIGNIFICANT_Z:
        return None
    return not is_off_scale(scan)


def _scale_remedy(evidence: Evidence, factor: float, fitting: float) -> str:
    """What would make up for the factor, the likeliest first."""
    flag = f"If the pixel size is wrong: --pixel-size {fitting:.3g}"
    near = [header for header in evidence.stack.header_angstrom if header > 0 and abs(header / fitting - 1.0) < 0.06]
    if near:
        return f"The stack's header says {near[0]:.4g} Å, which fits: say --pixel-size {near[0]:.4g}."
    if _is_nanometres(factor):
        return f"Defocus values are probably in nanometres: multiply the columns by 10. {flag}."
    voltages = evidence.particles.ctf.voltage_kv if evidence.particles.ctf is not None else np.empty(0)
    stated = float(electron_wavelength_angstrom(np.median(voltages)))
    for voltage in _USUAL_VOLTAGES_KV:
        if abs(np.log(float(electron_wavelength_angstrom(voltage)) / stated / factor)) < 0.06:
            return f"{flag}; if the voltage is: correct it to {voltage:.0f} kV; else estimate the CTFs again."
    return f"{flag}; else estimate the CTFs again."


def _is_nanometres(factor: float) -> bool:
    return abs(float(np.log(factor / NANOMETRES))) < 0.15


def _untested(z: float, expected: float) -> Finding:
    return Finding(
        "order",
        "note",
        f"Whether each row's CTF is that of its image cannot be told: these images would show an agreement of "
        f"{expected:.1f} at best (found {z:.1f}, by chance 0 ± 1).",
    )
