"""The report on made-up runs of several classes."""

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from coldstart.model.state import ClassReport, RunResult

MakeResult = Callable[..., RunResult]
Render = Callable[[RunResult], str]
MakeReport = Callable[..., ClassReport]


def words(page: str) -> str:
    """What the page says, without markup and pictures."""
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL).split())


def cards(page: str) -> list[str]:
    return re.findall(r'<article class="card class">(.*?)</article>', page, flags=re.DOTALL)


@pytest.mark.parametrize("count", [3, 6])
def test_each_class_has_a_card_with_its_views_and_particles(
    make_result: MakeResult, without_course: Render, count: int
) -> None:
    page = without_course(make_result(count))
    found = cards(page)
    assert len(found) == count
    for number, card in enumerate(found, 1):
        assert f"Class {number}<" in card
        assert f"var(--class-{number})" in card
        assert card.count("<img") == 6
        for text in ("Class posterior of its particles", "Viewing directions of its particles", "14.0 Å"):
            assert text in card


def test_page_of_several_classes_compares_them(class_page: str) -> None:
    page = class_page
    assert "<dt>classes</dt><dd>3</dd>" in page
    for title in (
        "Fourier shell correlation (FSC) of the half maps",
        "Similarity of the maps",
        "Class sizes",
        "Class similarity",
        "Labels",
    ):
        assert f"<h3>{title}</h3>" in page
    assert "Effective number of classes an image" in page
    assert "Viewing directions</h3>" not in page


def test_shares_and_counts_are_those_of_the_poses(make_result: MakeResult, without_course: Render) -> None:
    page = without_course(make_result(3, [0] * 30 + [1] * 8 + [2] * 2))
    found = [words(card) for card in cards(page)]
    for card, text in zip(
        found, ("particles 30 share 75%", "particles 8 share 20%", "particles 2 share 5.0%"), strict=True
    ):
        assert text in card


def test_an_empty_class_is_named_and_has_no_charts(make_result: MakeResult, without_course: Render) -> None:
    page = without_course(make_result(3, [0, 2] * 20))
    empty = cards(page)[1]
    assert '<span class="flag">empty</span>' in empty
    assert "<svg" not in empty
    assert "Class 2 is empty" in page


def test_a_class_of_noise_is_named_with_what_to_try(
    make_result: MakeResult, without_course: Render, make_report: MakeReport
) -> None:
    noise = make_report(is_noise=True, resolution_angstrom=20.7, flatness=0.1)
    reports = (make_report(), make_report(), noise)
    page = without_course(replace(make_result(3), classes=reports))
    card = cards(page)[2]
    assert '<span class="flag">noise</span>' in card
    assert "<dt>resolution</dt><dd>–</dd>" in card
    assert "20.7" not in page
    assert "flat" not in card
    text = words(page)
    assert "The map of class 3 is noise" in text
    for remedy in ("larger minibatches", "another seed", "more particles", "more classes"):
        assert remedy in text


def test_pairs_that_are_alike_are_named(make_result: MakeResult, without_course: Render) -> None:
    similarity = np.array([[1.0, 0.95, 0.2], [0.95, 1.0, 0.7], [0.2, 0.7, 1.0]])
    page = without_course(replace(make_result(3), similarity=similarity))
    matrix = re.search(r'<table class="matrix">(.*?)</table>', page, flags=re.DOTALL)
    assert matrix is not None
    assert re.findall(r"<span>([\d.]+)</span>", matrix[1]) == [
        "1",
        "0.95",
        "0.20",
        "0.95",
        "1",
        "0.70",
        "0.20",
        "0.70",
        "1",
    ]
    assert matrix[1].count('class="alike"') == 2
    text = words(page)
    assert "Classes 1 and 2 (0.95) may be the same structure" in text
    assert "2 and 3 (" not in text
    assert ["like class" in card for card in cards(page)] == [True, True, False]


def test_labels_of_each_class_add_up(make_result: MakeResult, without_course: Render) -> None:
    result = make_result(2)
    posterior = result.poses.class_posterior.copy()
    posterior[0] = (0.55, 0.45)
    used = np.arange(40) >= 4
    poses = replace(result.poses, class_posterior=posterior, used=used)
    page = without_course(replace(result, poses=poses))
    labels = page[page.index("<h3>Labels</h3>") :]
    rows = re.findall(r"</span>(\d)</td>\s*((?:<td>\d+</td>)+)", labels)
    assert [(number, re.findall(r"\d+", cells)) for number, cells in rows] == [
        ("1", ["18", "1", "1", "20"]),
        ("2", ["18", "0", "2", "20"]),
    ]
    assert "1 of those posed is of low confidence." in words(page)


def test_maps_of_all_classes_stand_beside_each_other_in_the_evolution(class_page: str) -> None:
    table = class_page[class_page.index('<table class="evolution many">') :]
    assert table[: table.index("</table>")].count("<img") == 3 * 3 * 2


def test_no_figure_is_missing(make_result: MakeResult, without_course: Render, make_report: MakeReport) -> None:
    reports = (make_report(), make_report(is_noise=True, resolution_angstrom=float("nan")), make_report())
    page = without_course(replace(make_result(3, [0] * 40), classes=reports))
    assert not re.search(r"\b(nan|inf|None)\b", words(page))
    assert not re.search(r"\bnan\b", re.sub(r"base64,[^\"]*", "", page), flags=re.IGNORECASE)


def test_more_classes_than_colours(make_result: MakeResult, without_course: Render) -> None:
    found = cards(without_course(make_result(10, [])))
    assert "var(--class-1)" in found[8]


def test_a_stopped_run_without_reports_and_poses_has_its_maps(make_result: MakeResult, without_course: Render) -> None:
    result = make_result(3)
    bare = replace(result, classes=(), similarity=np.ones((1, 1)), poses=result.poses.rows(np.arange(0)))
    page = without_course(replace(bare, stopped_early=True))
    assert len(cards(page)) == 3
    for text in ("Similarity of the maps", "Fourier shell correlation", "Labels", '"flag"', "Defocus"):
        assert text not in page


def test_the_same_run_gives_the_same_page(make_result: MakeResult, without_course: Render) -> None:
    assert without_course(make_result(2)) == without_course(make_result(2))
