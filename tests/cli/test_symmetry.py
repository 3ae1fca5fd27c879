import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from coldstart.api import MapSymmetry, TurnedMap
from coldstart.cli.main import main
from coldstart.model.symmetry_report import SymmetryCandidate, SymmetryReport


def candidate(group: str, correlation: float) -> SymmetryCandidate:
    return SymmetryCandidate(group, correlation, 0.9, np.array([0.0, -0.6, 0.8]), np.eye(3), np.zeros(3))


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch):
    """The verb on a map that shows C3."""
    found = MapSymmetry(Path("a.mrc"), 2.0, 11.0, SymmetryReport((candidate("C3", 0.91), candidate("C2", 0.1)), 9.0))
    monkeypatch.setattr("coldstart.api.map_symmetry", lambda *_, **__: found)
    monkeypatch.setattr(
        "coldstart.api.turn_onto_axes",
        lambda _, output, group, **__: TurnedMap(
            output / "volume.mrc", output / "particles.star", candidate(group, 0.91)
        ),
    )

    def call(*arguments: object) -> Result:
        return CliRunner(env={"COLUMNS": "200"}).invoke(main, ["symmetry", *map(str, arguments)])

    return call


def test_what_was_found_is_said(invoke) -> None:
    assert invoke("a.mrc").output.splitlines() == [
        "a.mrc, to 11.0 Å:",
        "The map shows the symmetry C3: it correlates with itself by 0.91 under every operator.",
        "  group correlation  axis x, y, z",
        "  C3    0.91         0.00, −0.60, 0.80",
        "  C2    0.10         0.00, −0.60, 0.80",
    ]


def test_json_has_all_candidates(invoke) -> None:
    found = json.loads(invoke("a.mrc", "--json").output)
    assert (found["group"], found["resolution_angstrom"]) == ("C3", 11.0)
    assert [entry["holds"] for entry in found["candidates"]] == [True, False]


def test_applied_to_a_run(invoke) -> None:
    output = invoke("run", "--apply", "C3", "--symmetrize", "-o", "turned").output
    assert output.splitlines() == [
        "turned/volume.mrc: the map, averaged over C3 (correlation 0.91).",
        "turned/particles.star: its particles, with their poses on it.",
    ]


@pytest.mark.parametrize("flags", [["--apply", "C3"], ["-o", "b.mrc"], ["--symmetrize"]])
def test_flags_that_belong_together(invoke, flags: list[str]) -> None:
    result = invoke("a.mrc", *flags)
    assert result.exit_code == 2
    assert "belong together" in result.output
