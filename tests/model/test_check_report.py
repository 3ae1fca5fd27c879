"""The exit code follows from the gravest finding."""

import pytest

from coldstart.model.check_report import CheckReport, Finding, Severity


@pytest.mark.parametrize(
    ("severities", "code"),
    [((), 0), (("note",), 0), (("note", "warning"), 1), (("warning", "error", "note"), 2)],
)
def test_exit_code(severities: tuple[Severity, ...], code: int) -> None:
    findings = tuple(Finding("contrast", severity, "found", "do this") for severity in severities)
    assert CheckReport("particles.star", 5, 16, 2.0, None, findings).exit_code == code
