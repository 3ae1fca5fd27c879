"""All checks, and the order in which they are made."""

from collections.abc import Callable, Iterable

from coldstart.check.amount import check_count
from coldstart.check.box import check_box
from coldstart.check.contrast import check_contrast
from coldstart.check.ctf_fit import check_ctf_scale, check_order
from coldstart.check.ctf_table import check_defocus_unit, check_microscope
from coldstart.check.duplicates import check_copied_images, check_duplicate_rows
from coldstart.check.evidence import Evidence
from coldstart.check.header import check_header
from coldstart.check.phase_flipped import check_phase_flipped
from coldstart.check.pixels import check_broken, check_hot_pixels, check_normalisation
from coldstart.check.premultiplied import check_premultiplied
from coldstart.model.check_report import Finding

CHECKS: tuple[Callable[[Evidence], list[Finding]], ...] = (
    check_broken,
    check_contrast,
    check_ctf_scale,
    check_defocus_unit,
    check_microscope,
    check_order,
    check_premultiplied,
    check_phase_flipped,
    check_header,
    check_box,
    check_duplicate_rows,
    check_copied_images,
    check_hot_pixels,
    check_normalisation,
    check_count,
)

_GRAVITY = {"error": 0, "warning": 1, "note": 2}


def all_findings(evidence: Evidence) -> tuple[Finding, ...]:
    """What every check finds, the gravest first."""
    return by_gravity(finding for check in CHECKS for finding in check(evidence))


def by_gravity(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Errors before warnings before notes, otherwise in their order."""
    return tuple(sorted(findings, key=lambda finding: _GRAVITY[finding.severity]))
