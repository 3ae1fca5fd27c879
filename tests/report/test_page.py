"""The report on made-up records: every section is there, and nothing is looked up elsewhere."""

import re
from dataclasses import replace

import numpy as np
import pytest

from coldstart.model.particles import Ctf
from coldstart.model.state import BoundAudit, IterationStats, PoseTable, RunResult, Snapshot, StageCount
from coldstart.params import GROUPS, AbInitioParams
from coldstart.report.content import ReportContent
from coldstart.report.evolution import map_panels
from coldstart.report.page import render_report

STAGES = (StageCount(0, 10.0, 90, 10_368_000, 137_200, 1_741_824_000), StageCount(1, 11.0, 90, 177_216, 540, 900_000))


def stats(iteration: int, phase: str = "initial", **changes: object) -> IterationStats:
    record = IterationStats(
        iteration=iteration, iterations=4, phase=phase, resolution_angstrom=40.0 / iteration, fourier_radius=iteration,
        minibatch=90, learning_rate=0.4, noise_scale=2.0, ess_rotations=30.0 / iteration, ess_poses=2.0,
        ess_fraction=0.01, angular_step_deg=7.5, log_likelihood=-1.0, map_change=0.1, image_visits=90 * iteration,
        sampled_fraction=0.0, seconds=0.1, limited_fraction=0.5, evaluated_fraction=0.02, stages=STAGES,
    )  # fmt: skip
    return replace(record, **changes)


@pytest.fixture
def content() -> ReportContent:
    rng = np.random.default_rng(0)
    volumes = rng.random((1, 16, 16, 16), dtype=np.float32)
    iterations = (stats(1), stats(2, "marching"), stats(3, "final"), stats(4, "posing"))
    count = 40
    poses = PoseTable(
        particle=np.arange(count),
        euler_deg=rng.uniform(0, 180, (count, 3)),
        origin_angstrom=np.zeros((count, 2)),
        class_index=np.zeros(count, np.int64),
        log_likelihood=np.zeros(count),
        ess=np.ones(count),
        max_posterior=np.ones(count),
    )
    ctf = Ctf(*(rng.uniform(1e4, 2e4, 50) for _ in range(9)))
    return ReportContent(
        name="my <run>",
        source="data/particles.star",
        params=AbInitioParams(seed=7),
        result=RunResult(volumes, 5.0, poses, iterations, (13.25,), "A device", 3 * 2**20),
        panels=tuple(map_panels(Snapshot(row, volumes, 5.0)) for row in iterations[:3]),
        ctf=ctf,
        particle_count=50,
        wall_seconds=75.0,
        cpu_seconds=150.0,
        peak_host_bytes=2**30,
        version="1.2.3",
    )


def test_page_has_every_section(content: ReportContent) -> None:
    page = render_report(content)
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


def test_page_gives_the_figures_of_the_run(content: ReportContent) -> None:
    page = render_report(content)
    for figure in ("13.2 Å", "40 of 50", "1 min 15 s", "2 min 30 s", "1.0 GiB", "3 MiB", "A device", "coldstart 1.2.3"):
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


def test_page_of_a_run_that_only_posed_has_the_final_pass_alone(content: ReportContent) -> None:
    page = render_report(replace(content, result=replace(content.result, iterations=(stats(1, "posing"),))))
    assert "Final pass</h3>" in page
    assert "Poses kept</h3>" not in page


def test_page_refers_to_nothing_outside_itself(content: ReportContent) -> None:
    page = render_report(content)
    assert "http" not in page
    assert "<script" not in page
    references = re.findall(r'(?:src|href)="([^"]{0,30})', page)
    assert references
    assert all(reference.startswith(("data:image/png;base64,", "#")) for reference in references)


def test_page_shows_six_views_of_the_map_and_of_each_snapshot(content: ReportContent) -> None:
    assert render_report(content).count('<img src="data:image/png') == 6 * (1 + 3)


def test_page_marks_changed_parameters_alone(content: ReportContent) -> None:
    page = render_report(content)
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


def test_page_of_two_classes_gives_each_its_section(content: ReportContent) -> None:
    volumes = np.repeat(content.result.volumes, 2, axis=0)
    poses = replace(content.result.poses, class_index=np.arange(40) % 4 // 3)
    result = replace(content.result, volumes=volumes, poses=poses, resolution_angstrom=(13.0, 20.0))
    panels = (map_panels(Snapshot(stats(1), volumes, 5.0)),)
    page = render_report(replace(content, result=result, panels=panels))
    for text in ("Map of class 1", "Map of class 2", "How class 2 evolved", "75% of the particles", "25% of the"):
        assert text in page


def test_page_survives_a_run_of_one_iteration_without_poses(content: ReportContent) -> None:
    empty = {name: getattr(content.result.poses, name)[:0] for name in PoseTable.__dataclass_fields__}
    first = stats(1, map_change=0.0, log_likelihood=float("nan"))
    result = replace(content.result, iterations=(first,), poses=PoseTable(**empty))
    assert "Course of the run" in render_report(replace(content, result=result))


def test_the_same_run_gives_the_same_page(content: ReportContent) -> None:
    assert render_report(content) == render_report(content)
