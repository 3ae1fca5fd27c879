from dataclasses import replace

import numpy as np
import pytest

from coldstart.model.state import BoundAudit, IterationStats, Phase, StageCount
from coldstart.report.search import audit_rows, join_audits, search_section
from coldstart.report.search_charts import survivor_chart, survivor_lines
from coldstart.report.stages import stage_keys, stage_rows

# The coarse grid, the shifts of its rotations, and a finer level.
SHORT = (
    StageCount(0, 8.0, 10, 10_000, 1000, 80_000),
    StageCount(0, 8.0, 10, 1000, 100, 8000),
    StageCount(1, 9.0, 10, 3200, 20, 20_000),
)
# The same at a higher resolution, with the poses around those kept, and one more level.
LONG = (
    *SHORT[:2],
    StageCount(1, 12.0, 10, 3200, 40, 30_000),
    StageCount(1, 12.0, 10, 900, 30, 9000),
    StageCount(2, 20.0, 10, 960, 15, 10_000),
)


def stats(iteration: int, stages: tuple[StageCount, ...], phase: Phase = "initial") -> IterationStats:
    return IterationStats(
        iteration, 9, phase, 30.0, 8.0, 10, 0.4, 1.0, 9.0, 2.0, 0.01, 7.5, -1.0, 0.1, 10, 0.0, 0.1, 0.2, 0.03, stages
    )


def test_stages_with_the_same_cells_and_detail_are_told_apart() -> None:
    keys = stage_keys(LONG)
    assert [(key.step_deg, key.visit, key.note) for key in keys] == [
        (15.0, 0, ""),
        (15.0, 1, "single shifts"),
        (7.5, 0, ""),
        (7.5, 1, "neighbours"),
        (3.75, 0, ""),
    ]
    assert stage_keys(()) == []


def test_a_stage_that_only_looks_further_out_needs_no_note() -> None:
    outwards = (*SHORT[:2], StageCount(0, 12.0, 10, 100, 50, 500))
    assert [key.note for key in stage_keys(outwards)] == ["", "single shifts", ""]


def test_rows_are_figures_of_one_image() -> None:
    rows = stage_rows(LONG, box_angstrom=240.0)
    assert rows[3].stage == "7.5°, neighbours"
    assert (rows[3].detail, rows[3].scored, rows[3].kept, rows[3].products) == ("12 (20.0 Å)", "90", "3.0", "900")


def test_survivors_follow_a_stage_through_searches_with_more_or_fewer_of_them() -> None:
    lines = survivor_lines([stats(1, SHORT), stats(2, LONG)])
    assert [(key.level, key.visit) for key in lines] == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]
    np.testing.assert_array_equal(list(lines.values()), [[100, 100], [10, 10], [2, 4], [np.nan, 3], [np.nan, 1.5]])


def test_lines_are_named_by_step_and_range_of_radius() -> None:
    svg = survivor_chart([stats(1, SHORT), stats(2, LONG)]).svg
    for label in ("15°, radius 8", "15°, radius 8, single shifts", "7.5°, radius 9 to 12", "3.75°, radius 20"):
        assert f">{label}<" in svg


def test_section_is_there_only_where_searches_were_counted() -> None:
    assert search_section([stats(1, ())], 240.0) is None
    section = search_section([stats(1, SHORT), stats(2, LONG, "posing")], 240.0)
    assert section is not None
    assert section.final is not None
    assert (len(section.final.stages), section.final.evaluated, section.final.limited) == (5, "3.0%", "20%")
    assert section.survivors is not None
    assert "3.75°" not in section.survivors.svg
    assert section.audits == []


def test_an_unfinished_run_has_charts_alone() -> None:
    section = search_section([stats(1, SHORT)], 240.0)
    assert section is not None
    assert section.final is None
    assert section.limited is not None


def test_audits_are_joined_over_their_images() -> None:
    joined = join_audits([BoundAudit(1, 0.0, 0.5, 0.5), BoundAudit(3, 1.0, 0.1, 0.2)])
    assert (joined.images, joined.best_pose_kept, joined.mass_lost_max) == (4, 0.75, 0.5)
    assert joined.mass_lost_mean == pytest.approx(0.2)


def test_audits_are_listed_by_phase() -> None:
    iterations = [
        replace(stats(1, SHORT), audit=BoundAudit(2, 1.0, 0.0, 0.0)),
        replace(stats(2, SHORT), audit=BoundAudit(2, 0.5, 0.1, 0.2)),
        stats(3, SHORT, "marching"),
        replace(stats(4, LONG, "posing"), audit=BoundAudit(1500, 1.0, 2e-5, 3e-4)),
    ]
    found = [(row.when, row.images, row.best_pose_kept, row.mass_lost_max) for row in audit_rows(iterations)]
    assert found == [("initial iterations", "4", "75%", "20%"), ("final pass", "1,500", "100%", "0.030%")]
