"""What the report says of symmetry, half maps and views, and what it advises."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from coldstart.model.half_report import HalfReport
from coldstart.model.orientation_report import Evenness, OrientationReport
from coldstart.model.state import ClassReport, RunResult
from coldstart.model.symmetry_report import SymmetryCandidate, SymmetryReport
from coldstart.report.advice import run_advice
from coldstart.report.half_charts import halves_sentence
from coldstart.report.orientation import orientation_rows, orientation_sentence
from coldstart.report.symmetry import symmetry_sentence

VIEWS = Evenness(efficiency=0.95, compensation=0.99, filled=1.0, least_sampling=0.8)
EVEN = OrientationReport(
    views=VIEWS, least_axis=np.array([0.0, 0.6, 0.8]),
    main_view=np.array([1.0, 0.0, 0.0]), main_density=1.3, cone_ratio=0.9, worst_axis=np.array([0.0, 0.0, 1.0]),
    worst_radius=10.0, best_radius=12.0,
)  # fmt: skip


def candidate(group: str, correlation: float) -> SymmetryCandidate:
    return SymmetryCandidate(group, correlation, 0.9, np.array([0.0, 0.0, 1.0]), np.eye(3), np.zeros(3))


def shown(*found: SymmetryCandidate, detail: float = 9.0) -> SymmetryReport:
    return SymmetryReport(found, detail)


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (
            shown(candidate("D7", 0.94), candidate("C7", 0.95)),
            "the symmetry D7: it correlates with itself by 0.94",
        ),
        (shown(candidate("C2", 0.21)), "shows no symmetry: the nearest, C2, correlates by 0.21 only"),
        (shown(detail=3.2), "too coarse to tell its symmetry: 3.2 cycles"),
        (shown(candidate("C2", 0.9), detail=3.2), "too coarse"),
    ],
)
def test_symmetry_in_words(report: SymmetryReport, words: str) -> None:
    assert words in symmetry_sentence(report)


def test_views_in_words() -> None:
    assert orientation_sentence(EVEN) == "The views leave no direction of the map unknown."
    missing = orientation_sentence(replace(EVEN, views=replace(VIEWS, least_sampling=0.1)))
    assert "at right angles to the axis (0.00, 0.60, 0.80)" in missing
    assert "10% of what even views would give" in missing
    uneven = orientation_sentence(replace(EVEN, cone_ratio=0.4))
    assert "agree least along (0.00, 0.00, 1.00), with 40%" in uneven


def test_independent_halves_can_be_quoted() -> None:
    curve = np.linspace(1.0, 0.0, 8)
    assert "no resolution to quote" in halves_sentence(HalfReport(curve, curve, 0.1), 80.0, 10.0)
    assert "can be quoted" in halves_sentence(HalfReport(curve, curve, 0.1, independent=True), 80.0, 10.0)


def test_halves_that_do_not_part_are_said_to_reach_the_limit() -> None:
    box_angstrom, finest_angstrom = 80.0, 16.0
    high, low = (HalfReport(curve, curve, 0.1) for curve in (np.full(8, 0.9), np.linspace(1.0, 0.3, 8)))
    assert "agree to 16.0 Å, the finest detail that was used, without falling below 0.5;" in halves_sentence(
        high, box_angstrom, finest_angstrom
    )
    parting = halves_sentence(low, box_angstrom, 12.0)
    assert "agree to 12.0 Å (0.143), the finest detail that was used, and to 16.0 Å (0.5);" in parting


def test_a_symmetry_of_some_classes_is_not_advised_for_all(
    make_result: Callable[..., RunResult], make_report: Callable[..., ClassReport]
) -> None:
    symmetric, other = make_report(symmetry=shown(candidate("D7", 0.94))), make_report()
    (all_alike,) = run_advice(replace(make_result(2), classes=(symmetric, symmetric)))
    assert all_alike.remedy.startswith("A run with --symmetry D7")
    (some,) = run_advice(replace(make_result(2), classes=(other, symmetric)))
    assert some.seen == "The map of class 2 shows the symmetry D7, which was not imposed."
    assert "coldstart pick --class 2" in some.remedy
    assert "run these with their own (--symmetry D7)" in some.remedy


def test_views_are_told_as_they_are_and_as_balancing_draws_them() -> None:
    alone = dict(orientation_rows(EVEN, 80.0))
    assert alone["Least sampled direction, over even views"] == "0.80"
    both = dict(orientation_rows(replace(EVEN, drawn=Evenness(0.7, 0.8, 0.9, 0.25)), 80.0))
    assert both.pop("The same of the views as balancing draws them") == "0.70, 0.80, 90%, 0.25"
    assert both == alone


def test_advice_on_symmetry_and_views(
    make_result: Callable[..., RunResult], make_report: Callable[..., ClassReport]
) -> None:
    symmetric = make_report(symmetry=shown(candidate("D7", 0.94)), orientation=EVEN)
    alone = run_advice(make_result(classes=None, class_count=1))
    assert alone == []
    (advice,) = run_advice(replace(make_result(), classes=(symmetric,)))
    assert "shows the symmetry D7" in advice.seen
    assert "--symmetry D7" in advice.remedy
    smeared = make_report(
        symmetry=shown(candidate("C2", 0.9)), orientation=replace(EVEN, views=replace(VIEWS, least_sampling=0.05))
    )
    first, second = run_advice(replace(make_result(2), classes=(symmetric, smeared)))
    assert "D7 (class 1) and C2 (class 2)" in first.seen
    assert second.seen.startswith("Class 2: views are missing")
    assert second.remedy.endswith("detergent; --balance-views makes more of the views that there are.")
    balanced = make_report(orientation=replace(EVEN, views=replace(VIEWS, least_sampling=0.05), drawn=VIEWS))
    (advice,) = run_advice(replace(make_result(), classes=(balanced,)))
    assert advice.remedy.endswith("detergent.")
