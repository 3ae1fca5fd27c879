"""The page that compares made-up jobs."""

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from coldstart.model.state import ClassReport, RunResult
from coldstart.params import AbInitioParams
from coldstart.report.compare import (
    ComparedJob,
    classes_an_image,
    effective_classes,
    mean_evidence,
    render_comparison,
)
from coldstart.report.compare_charts import KPoint, means_over_classes

MakeResult = Callable[..., RunResult]


def job(result: RunResult, name: str = "", **params: object) -> ComparedJob:
    count = len(result.volumes)
    name = name or f"k{count}"
    settings = AbInitioParams(classes=count, **params)
    return ComparedJob(name, f"{name}/report.html", result, settings, 150.0 * count, 75.0 * count, 50)


def page_of(*jobs: ComparedJob) -> str:
    return render_comparison(jobs, "data/<particles>.star", "1.2.3")


def rows(page: str) -> list[str]:
    return re.findall(r'<article class="card job">(.*?)</article>', page, flags=re.DOTALL)


def test_one_row_a_job_in_the_order_of_classes(make_result: MakeResult) -> None:
    page = page_of(*(job(make_result(count)) for count in (6, 1, 3)))
    found = rows(page)
    assert [re.findall(r"<h3>(.*?)</h3>", row) for row in found] == [["1 class"], ["3 classes"], ["6 classes"]]
    assert [row.count("<img") for row in found] == [2, 6, 12]
    assert [re.findall(r'href="(.*?)"', row) for row in found] == [[f"k{count}/report.html"] for count in (1, 3, 6)]
    for text in ("35%, 14.0 Å", "7 min 30 s", "3 min 45 s", "2.50 nats", "40 of 50"):
        assert text in found[1]


def test_page_refers_to_the_reports_alone(make_result: MakeResult) -> None:
    page = page_of(job(make_result(1)), job(make_result(2)))
    assert "<script" not in page
    references = {found[:22] for found in re.findall(r'(?:src|href)="([^"]*)', page)}
    assert all(found.startswith(("data:image/png;base64,", "#", "k1/", "k2/")) for found in references)


def test_classes_that_stand_out_are_flagged(make_result: MakeResult, make_report: Callable[..., ClassReport]) -> None:
    similarity = np.array([[1.0, 0.95, 0.2, 0.1], [0.95, 1.0, 0.1, 0.1], [0.2, 0.1, 1.0, 0.1], [0.1, 0.1, 0.1, 1.0]])
    noise = make_report(is_noise=True, resolution_angstrom=20.7)
    reports = (make_report(), make_report(), noise, make_report())
    result = replace(make_result(4, [0, 1, 2, 2] * 10), classes=reports, similarity=similarity)
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page_of(job(result)), flags=re.DOTALL)
    flags = [re.findall(r'class="flag">(.*?)<', caption) for caption in captions]
    assert flags == [["like class 2"], ["like class 1"], ["noise"], ["empty"]]
    assert [re.findall(r"%, (.*?)\s*<", caption) for caption in captions] == [["14.0 Å"], ["14.0 Å"], ["–"], ["14.0 Å"]]


def test_charts_need_two_numbers_of_classes(make_result: MakeResult) -> None:
    one = page_of(job(make_result(2)), job(make_result(2), "again", seed=3))
    assert "<svg" not in one
    two = page_of(job(make_result(1)), job(make_result(2)))
    for title in ("Log evidence an image", "Effective number of classes", "Processor time"):
        assert f"<h3>{title}</h3>" in two


def test_parameters_that_differ_are_listed(make_result: MakeResult) -> None:
    first, second = rows(page_of(job(make_result(2)), job(make_result(2), "again", seed=3)))
    assert "<td>random seed</td><td>0</td>" in first
    assert "<td>random seed</td><td>3</td>" in second
    assert "number of classes" not in first


def test_jobs_that_cannot_be_compared_are_warned_of(make_result: MakeResult) -> None:
    jobs = [job(make_result(1)), job(replace(make_result(2), resolution_angstrom=20.0, stopped_early=True))]
    page = page_of(*jobs)
    assert "log evidence cannot be compared" in page
    assert "was stopped early" in page
    assert 'class="notes"' not in page_of(job(make_result(1)), job(make_result(2)))


def test_a_job_without_poses_has_unknown_figures(make_result: MakeResult) -> None:
    result = make_result(2)
    page = page_of(job(make_result(1)), job(replace(result, poses=result.poses.rows(np.arange(0)))))
    assert rows(page)[1].count("<td>unknown</td>") == 3
    assert not re.search(r"\bnan\b", re.sub(r"base64,[^\"]*", "", page), flags=re.IGNORECASE)


def test_names_are_escaped(make_result: MakeResult) -> None:
    page = page_of(job(make_result(1), "a <b>"))
    assert "a &lt;b&gt;" in page
    assert '<p class="source">data/&lt;particles&gt;.star</p>' in page


def test_figures_of_a_job(make_result: MakeResult) -> None:
    result = make_result(2, [0] * 30 + [1] * 10)
    assert mean_evidence(result.poses) == pytest.approx(2.5)
    assert effective_classes(result) == pytest.approx(1 / (0.75**2 + 0.25**2))
    assert classes_an_image(result.poses) == pytest.approx(1 / (0.9**2 + 0.1**2))
    assert effective_classes(make_result(6, list(range(6)) * 5)) == pytest.approx(6.0)


def test_line_goes_through_the_mean_of_the_jobs_with_as_many_classes() -> None:
    points = [KPoint(classes, 0.0, 1.0, 60.0) for classes in (1, 2, 2)]
    assert means_over_classes(points, [1.0, 3.0, 5.0]) == ([1, 2], [1.0, 4.0])
