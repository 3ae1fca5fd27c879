"""Values of the CTF columns that no microscope gives."""

import numpy as np
from numpy.typing import NDArray

from coldstart.check.ctf_fit import fits_as_stated
from coldstart.check.evidence import Evidence
from coldstart.check.text import numbered, plural
from coldstart.model.check_report import Finding

MICROMETRES_BELOW = 100.0
NANOMETRES_BELOW = 2500.0
PLATE_NANOMETRES_BELOW = 1000.0
"""Median defocus in Å under which the unit is another one, most likely; with a phase plate, less is usual."""

HIGHEST_DEFOCUS = 100_000.0
VOLTAGES_KV = (60.0, 400.0)
MOST_CS_MM = 10.0
MOST_AMPLITUDE_CONTRAST = 0.3


def check_defocus_unit(evidence: Evidence) -> list[Finding]:
    """Whether defocus values are in Å, and of the sign of underfocus."""
    ctf = evidence.particles.ctf
    if ctf is None:
        return []
    defocus = 0.5 * (ctf.defocus_u_angstrom + ctf.defocus_v_angstrom)
    findings = _negative(defocus)
    middle = float(np.median(np.abs(defocus)))
    lowest = PLATE_NANOMETRES_BELOW if np.any(np.abs(ctf.phase_shift_deg) > 20.0) else NANOMETRES_BELOW
    if middle < MICROMETRES_BELOW:
        findings.append(_unit("error", middle, "they are probably in micrometres", "10000"))
    elif middle < lowest and fits_as_stated(evidence.ctf_scan) is None:
        findings.append(_unit("warning", middle, "they may be in nanometres", "10"))
    elif middle > HIGHEST_DEFOCUS:
        findings.append(_unit("warning", middle, "the unit may be a smaller one than Å", "the right factor"))
    return findings


def check_microscope(evidence: Evidence) -> list[Finding]:
    """Whether voltage, spherical aberration and amplitude contrast are those of a microscope."""
    ctf = evidence.particles.ctf
    if ctf is None:
        return []
    limits = (
        ("voltage", "kV", ctf.voltage_kv, VOLTAGES_KV),
        ("spherical aberration", "mm", ctf.cs_mm, (0.0, MOST_CS_MM)),
        ("amplitude contrast", "", ctf.amplitude_contrast, (0.0, MOST_AMPLITUDE_CONTRAST)),
    )
    findings = []
    for name, unit, values, (low, high) in limits:
        odd = np.flatnonzero((values < low) | (values > high))
        if len(odd):
            findings.append(
                Finding(
                    "ctf values",
                    "warning",
                    f"The {name} of {plural(len(odd), 'particle')} is outside {low:g} to {high:g}"
                    f"{' ' + unit if unit else ''}: {values[odd[0]]:g} in particle row {odd[0] + 1}.",
                    "Correct the table: every spectrum of the images is modelled with it.",
                    tuple(odd.tolist()),
                )
            )
    return findings


def _negative(defocus: NDArray[np.float64]) -> list[Finding]:
    negative = np.flatnonzero(defocus < 0)
    if not len(negative):
        return []
    all_of_them = len(negative) == len(defocus)
    return [
        Finding(
            "defocus",
            "error" if 2 * len(negative) > len(defocus) else "warning",
            f"The defocus is negative in {'all' if all_of_them else plural(len(negative), 'row')} "
            f"{'rows' if all_of_them else f'(particle rows {numbered(negative)})'}; underfocus is positive here.",
            "Turn the sign of the defocus columns, or remove these rows if their CTF could not be estimated.",
            tuple(negative.tolist()),
        )
    ]


def _unit(severity: str, middle: float, guess: str, factor: str) -> Finding:
    return Finding(
        "defocus",
        "error" if severity == "error" else "warning",
        f"Defocus values are about {middle:.3g} Å, far from the usual 5,000 to 40,000 Å: {guess}.",
        f"Multiply the defocus columns by {factor}.",
    )
