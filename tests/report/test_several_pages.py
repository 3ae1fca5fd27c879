"""The pages of several starts and of two halves, on made-up records."""

import re
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage

from coldstart.model.half_report import HalfReport
from coldstart.model.halves import HalvesRecord
from coldstart.model.starts import ConsensusRecord, StartRecord
from coldstart.report.advice import Advice
from coldstart.report.consensus import ConsensusContent, render_consensus
from coldstart.report.halves import HalvesContent, render_halves

SIDE, VOXEL_ANGSTROM = 16, 5.0
SHELLS = SIDE // 2


def maps(count: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).random((count, SIDE, SIDE, SIDE), dtype=np.float32)


@pytest.fixture
def starts() -> ConsensusContent:
    """Of four starts the first, third and fourth have begun; the first and the fourth agree, the third was left."""
    records = (
        StartRecord("start_1", 5, "completed", 300, 9.5, 1, 14.2),
        StartRecord("start_3", 7, "left", 220, 2.25, 2),
        StartRecord("start_4", 8, "completed", 310, 9.75, 1),
    )
    distances = np.array([0.7, 0.02, 0.8])
    correlation = np.stack([np.linspace(1.0, 0.2, SHELLS), np.ones(SHELLS)])[:, None]
    return ConsensusContent(
        ConsensusRecord("2 of 3 starts agree to 14 Å.", 2, 4, 14.2, 0.75, ((1.0,) * 3,) * 3, records),
        linkage(distances, "average"),
        maps(1),
        correlation,
        (0, 3),
        VOXEL_ANGSTROM,
        12.0,
        "data/particles.star",
        np.array([1.0, 0.0, np.nan]),
    )


def chart(page: str, title: str) -> str:
    found = re.search(rf"<h3>{title}</h3>(.*?)</svg>", page, flags=re.DOTALL)
    assert found
    return found[1]


def test_starts_go_by_their_numbers_where_one_has_not_begun(starts: ConsensusContent) -> None:
    page = render_consensus(starts, "1.2.3")
    rows = re.findall(r"<tr><td>\s*(.*?)</td>\s*(.*?)</tr>", page, flags=re.DOTALL)
    assert [re.sub(r"\s+", " ", re.sub("<.*?>", "", first)).strip() for first, _ in rows] == ["1", "3", "4 (best)"]
    assert re.findall(r'<a href="(.*?)">(\d)</a>', page) == [
        ("start_1/report.html", "1"),
        ("start_4/report.html", "4"),
    ]
    for number in "134":
        assert f">{number}</text>" in chart(page, "The tree of the starts")
    assert "coldstart resume" in page


def test_each_curve_of_a_start_is_named(starts: ConsensusContent) -> None:
    curves = chart(render_consensus(starts, "1.2.3"), "Agreement of the maps")
    assert "with that of start 4" in curves
    assert ">start</text>" in curves
    assert ">1</text>" in curves
    assert "var(--class-1)" in curves


def test_a_best_start_alone_has_its_own_map(starts: ConsensusContent) -> None:
    alone = replace(starts, record=replace(starts.record, agreeing=1, poses_agreed=None), agreement=None)
    page = render_consensus(alone, "1.2.3")
    assert "The map of start 4, the best one." in page
    assert "Agreement of the poses" not in page


def test_maps_of_several_classes_are_named(starts: ConsensusContent) -> None:
    headings = re.findall(r"<h3>(Class \d|Half .*?)</h3>", render_consensus(replace(starts, volumes=maps(2)), "1.2.3"))
    assert headings == ["Class 1", "Class 2"]


def halves(classes: int, *, agree: bool) -> HalvesContent:
    record = HalvesRecord(
        "A verdict.", agree, ("half_1", "half_2"), (3, 4), (4000, 4001), (300, 310), ("completed", "completed"),
        (0.9,) * classes, tuple(range(1, classes + 1)), (False,) * classes, (14.0,) * classes if agree else (),
    )  # fmt: skip
    report = HalfReport(np.linspace(1.0, 0.0, SHELLS) ** 2, np.linspace(1.0, 0.0, SHELLS), 0.1, independent=True)
    reports, advice = ((report,) * classes, (Advice("Seen.", "Use --remedy."),)) if agree else ((), ())
    volumes = maps(classes if agree else 2 * classes)
    return HalvesContent(record, volumes, VOXEL_ANGSTROM, reports, 12.0, "data/particles.star", advice)


def test_halves_that_agree_have_a_curve_and_files_to_go_on_with() -> None:
    page = render_halves(halves(2, agree=True), "1.2.3")
    assert re.findall(r"<h3>(.*?)</h3>", page) == [
        "Class 1",
        "Class 2",
        "Fourier shell correlation (FSC) of the half maps, class 1",
        "Fourier shell correlation (FSC) of the half maps, class 2",
    ]
    assert "<b>Seen.</b> Use <code>--remedy</code>." in page
    assert "<code>particles_all_classes_flipped.star</code>" in page
    assert "data/particles.star" in page
    assert "<td>4,000</td>" in page


@pytest.mark.parametrize(
    ("classes", "names"),
    [(1, ["Half 1", "Half 2"]), (2, ["Half 1, class 1", "Half 1, class 2", "Half 2, class 1", "Half 2, class 2"])],
)
def test_halves_that_do_not_agree_show_the_maps_of_both(classes: int, names: list[str]) -> None:
    page = render_halves(halves(classes, agree=False), "1.2.3")
    assert re.findall(r"<h3>(.*?)</h3>", page) == names
    assert "volume" not in page
