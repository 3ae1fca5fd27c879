from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from coldstart.model.state import ClassReport, RunResult
from coldstart.report.advice import run_advice

MakeResult = Callable[..., RunResult]
MakeReport = Callable[..., ClassReport]
REMEDIES = ("larger minibatches", "another seed", "more particles", "more classes")


def test_a_run_that_went_well_needs_no_advice(make_result: MakeResult) -> None:
    assert run_advice(make_result()) == run_advice(make_result(3)) == []


@pytest.mark.parametrize(("symmetry", "later"), [("C1", "in the refinement"), ("D7", "run in C1 first")])
def test_flat_maps_are_named_with_what_to_try(
    make_result: MakeResult, make_report: MakeReport, symmetry: str, later: str
) -> None:
    reports = (make_report(flatness=0.12), make_report(), make_report(flatness=0.2))
    (advice,) = run_advice(replace(make_result(3), classes=reports, symmetry=symmetry))
    assert "The maps of classes 1 and 3 are flat like a disc" in advice.seen
    assert "0.12 and 0.20 of that across it" in advice.seen
    for remedy in (*REMEDIES, later):
        assert remedy in advice.remedy


def test_noise_is_not_called_flat(make_result: MakeResult, make_report: MakeReport) -> None:
    noise = make_report(is_noise=True, flatness=0.1)
    (advice,) = run_advice(replace(make_result(3), classes=(make_report(), make_report(), noise)))
    assert "The map of class 3 is noise" in advice.seen
    for remedy in REMEDIES:
        assert remedy in advice.remedy


def test_a_single_map_has_no_number(make_result: MakeResult, make_report: MakeReport) -> None:
    result = make_result()
    seen = [
        advice.seen
        for report in (make_report(is_noise=True), make_report(flatness=0.1))
        for advice in run_advice(replace(result, classes=(report,)))
    ]
    assert [text[: text.index(" ", 11)] for text in seen] == ["The map is noise:", "The map is flat"]


def test_a_class_without_particles_is_empty_but_not_where_no_particle_was_posed(make_result: MakeResult) -> None:
    (advice,) = run_advice(make_result(3, [0, 2] * 5))
    assert advice.seen.startswith("Class 2 is empty")
    assert run_advice(make_result(3, [])) == []


def test_duplicates_are_named_but_not_noise(make_result: MakeResult, make_report: MakeReport) -> None:
    similarity = np.array([[1.0, 0.8, 0.9], [0.8, 1.0, 0.9], [0.9, 0.9, 1.0]])
    noise = (make_report(), make_report(), make_report(is_noise=True))
    advice = run_advice(replace(make_result(3), classes=noise, similarity=similarity))
    (alike,) = (item for item in advice if "same structure" in item.seen)
    assert alike.seen.startswith("Classes 1 and 2 (0.80) may be")
    assert "3" not in alike.seen
    assert str(alike) == f"{alike.seen} {alike.remedy}"
