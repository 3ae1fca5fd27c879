"""The pixel size in the headers of the stacks against the one that the run takes."""

from coldstart.check.ctf_fit import fits_as_stated
from coldstart.check.evidence import Evidence
from coldstart.model.check_report import Finding

TOLERANCE = 0.01
UNSET = (0.0, 1.0)
"""What headers say whose program did not know."""


def check_header(evidence: Evidence) -> list[Finding]:
    """Whether headers and table agree, where the headers say anything."""
    stack = evidence.stack
    pairs = zip(stack.names, stack.header_angstrom, stack.table_angstrom, strict=True)
    differing = [
        (name, header, taken)
        for name, header, taken in pairs
        if header not in UNSET and header > 0 and abs(header / taken - 1.0) > TOLERANCE
    ]
    if not differing:
        return []
    name, header, taken = differing[0]
    more = f" and {len(differing) - 1} more" if len(differing) > 1 else ""
    message = f"The header of {name}{more} gives a pixel size of {header:.4g} Å, the run takes {taken:.4g} Å."
    if evidence.params.pixel_size_angstrom is not None:
        return [Finding("header", "note", message, "--pixel-size was given, and is taken.")]
    if fits_as_stated(evidence.ctf_scan):
        return [Finding("header", "note", message, "The images' spectra agree with what the run takes.")]
    remedy = f"Find out which is right; --pixel-size {header:.4g} takes the header's."
    return [Finding("header", "warning", message, remedy)]
