"""The report on made-up records: every section is there, and nothing is looked up elsewhere."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from coldstart.io.run_paths import RunPaths
from coldstart.model.state import BoundAudit, ClassReport, IterationStats, PoseTable, RunResult
from coldstart.params import GROUPS
from coldstart.report.content import ReportContent
from coldstart.report.page import render_report

MakeStats = Callable[..., IterationStats]


def test_page_has_every_section(page: str) -> None:
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert headings == [
        "Map",
        "How the map evolved",
        "Course of the run",
        "Pose search",
        "Particles",
        "Parameters",
        "Device and times",
    ]
    charts = ("Resolution", "Effective sample size", "Map change", "Minibatch", "Learning rate", "Noise scale")
    search = ("Poses kept", "Share evaluated", "Limit acted", "Final pass")
    for title in (*charts, *search, "Viewing directions", "Defocus", *GROUPS):
        assert f"<h3>{title}</h3>" in page


def test_page_gives_the_figures_of_the_run(page: str) -> None:
    for figure in (
        "13.2 Å",
        "of 50 particles used",
        "1 min 15 s",
        "2 min 30 s",
        "1.0 GiB",
        "3 MiB",
        "A device",
        "coldstart 1.2.3",
    ):
        assert figure in page
    assert "completed" in page
    assert "my &lt;run&gt;" in page


def table_rows(page: str) -> list[list[str]]:
    """Cells of the tables of figures, row by row."""
    tables = re.findall(r'<table class="figures">(.*?)</table>', page, flags=re.DOTALL)
    rows = [row for table in tables for row in re.findall(r"<tr>(.*?)</tr>", table, flags=re.DOTALL)]
    return [cells for row in rows if (cells := re.findall(r"<td>(.*?)</td>", row))]


def with_final(content: ReportContent, **changes: object) -> ReportContent:
    *before, final = content.result.iterations
    return replace(content, result=replace(content.result, iterations=(*before, replace(final, **changes))))


def test_page_gives_the_stages_of_the_final_pass(content: ReportContent) -> None:
    page = render_report(with_final(content, evaluated_fraction=6.04e-6, limited_fraction=0.985))
    assert table_rows(page) == [
        ["15°", "10 (8.0 Å)", "115,200", "1,524", "19.4 million"],
        ["7.5°", "11 (7.3 Å)", "1,969", "6.0", "10,000"],
    ]
    assert "0.00060% of the" in page
    assert "For 98.5% of the images" in page
    assert "Checked against" not in page


def test_page_of_an_audited_run_says_what_was_lost(content: ReportContent) -> None:
    rows = table_rows(render_report(with_final(content, audit=BoundAudit(1000, 0.999, 1.5e-5, 0.02))))
    assert rows[-1] == ["final pass", "1,000", "99.9%", "0.0015%", "2.0%"]


def test_page_without_counted_searches_has_no_section_on_them(content: ReportContent) -> None:
    bare = tuple(replace(row, stages=()) for row in content.result.iterations)
    assert "Pose search</h2>" not in render_report(replace(content, result=replace(content.result, iterations=bare)))


def test_page_of_a_run_that_only_posed_has_the_final_pass_alone(content: ReportContent, make_stats: MakeStats) -> None:
    page = render_report(replace(content, result=replace(content.result, iterations=(make_stats(1, "posing"),))))
    assert "Final pass</h3>" in page
    assert "Poses kept</h3>" not in page


def test_page_refers_to_nothing_outside_itself(page: str) -> None:
    assert "http" not in page
    assert "<script" not in page
    references = re.findall(r'(?:src|href)="([^"]{0,30})', page)
    assert references
    assert all(reference.startswith(("data:image/png;base64,", "#")) for reference in references)


def test_page_shows_six_views_of_the_map_and_of_each_snapshot(page: str) -> None:
    assert page.count('<img src="data:image/png') == 6 * (1 + 3)


def test_page_of_one_class_says_where_its_halves_part(page: str) -> None:
    # The masked curve falls by 1/7 a shell of 1/80 Å: below 0.5 after 3.5 of them, and below 0.143 after 6.
    assert "The half maps agree to 13.3 Å (0.143) and to 22.9 Å (0.5); both halves were posed on one map" in page
    assert page.count("so it flatters") == 1
    # The fixture's figure in the window is another one, and must not seem to contradict these.
    assert "In the run&#39;s round window it falls below 0.5 at 14.0 Å" in page
    assert "8.0% of the box" in page
    assert "<h3>Fourier shell correlation (FSC) of the half maps</h3>" in page


def test_page_of_noise_tells_no_resolution(
    make_result: Callable[..., RunResult], without_course: Callable[[RunResult], str],
    make_report: Callable[..., ClassReport],
) -> None:  # fmt: skip
    page = without_course(replace(make_result(1), classes=(make_report(is_noise=True),)))
    assert "The map is noise: what its halves agree on is chance, so there is no resolution. Dashed: 0.143" in page
    for figure in ("13.3 Å", "22.9 Å", "14.0 Å"):
        assert figure not in page


def test_page_of_one_class_has_nothing_that_compares_classes(page: str) -> None:
    for text in ("Similarity of the maps", "Class sizes", "Class posterior", "Labels", "Class 1", 'class="advice"'):
        assert text not in page


def test_page_names_the_symmetry_that_was_imposed(
    page: str, content: ReportContent, without_course: Callable[[RunResult], str]
) -> None:
    assert "<dt>symmetry imposed</dt>" not in page
    assert "<dt>symmetry imposed</dt><dd>D7</dd>" in without_course(replace(content.result, symmetry="D7"))


def test_page_names_the_files_of_the_run_folder(page: str, class_page: str) -> None:
    for classes, text in ((1, page), (3, class_page)):
        paths = RunPaths(Path())
        number = 1 if classes == 1 else "N"
        for path in (
            *(paths.volume_path(number, classes, flipped=flipped) for flipped in (False, True)),
            *(paths.table_path(classes, flipped=flipped) for flipped in (False, True)),
        ):
            assert f"<code>{path.name}</code>" in text
    assert "<code>particles_class_N.star</code>" in class_page


def test_page_tells_used_particles_from_posed_ones(
    content: ReportContent, without_course: Callable[[RunResult], str]
) -> None:
    used = content.result.poses.used.copy()
    used[:8] = False
    page = without_course(replace(content.result, poses=replace(content.result.poses, used=used)))
    assert "<dt>of 50 particles used</dt><dd>32</dd>" in page
    assert "the run used 32; 8 more were posed on its maps but are not in them; 10 were not needed." in page


def test_page_marks_changed_parameters_alone(page: str) -> None:
    changed = re.findall(r'<tr class="changed".*?</tr>', page, flags=re.DOTALL)
    assert len(changed) == 1
    assert "Random seed" in changed[0]
    assert "default 0" in changed[0]


def test_page_without_ctf_has_no_defocus(content: ReportContent) -> None:
    page = render_report(replace(content, ctf=None))
    assert "Defocus</h3>" not in page
    assert "Viewing directions</h3>" in page


def test_page_of_a_stopped_run_says_so(content: ReportContent) -> None:
    page = render_report(replace(content, result=replace(content.result, stopped_early=True, notes=("mind the gap",))))
    assert "stopped early" in page
    assert "mind the gap" in page


def test_page_survives_a_run_of_one_iteration_without_poses(content: ReportContent, make_stats: MakeStats) -> None:
    empty = {name: getattr(content.result.poses, name)[:0] for name in PoseTable.__dataclass_fields__}
    first = make_stats(1, map_change=0.0, log_likelihood=float("nan"))
    result = replace(content.result, iterations=(first,), poses=PoseTable(**empty))
    assert "Course of the run" in render_report(replace(content, result=result))


def test_the_same_run_gives_the_same_page(content: ReportContent, page: str) -> None:
    assert render_report(content) == page
