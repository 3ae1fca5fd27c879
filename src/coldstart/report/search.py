"""The report's section on the pose search: what was ruled out, where a limit acted, and what an audit found."""

from collections.abc import Sequence
from dataclasses import dataclass

from coldstart.model.state import BoundAudit, IterationStats, Phase
from coldstart.report.charts import Chart
from coldstart.report.search_charts import evaluated_chart, limited_chart, survivor_chart
from coldstart.report.stages import StageRow, stage_rows
from coldstart.report.text import percent_text

_WHEN: dict[Phase, str] = {
    "initial": "initial iterations",
    "marching": "rising resolution",
    "final": "final iterations",
    "posing": "final pass",
}


@dataclass(frozen=True, slots=True)
class FinalPass:
    """The search of the final pass over all particles, in words."""

    stages: list[StageRow]
    evaluated: str
    limited: str


@dataclass(frozen=True, slots=True)
class AuditRow:
    """What the audits of a phase found, in words."""

    when: str
    images: str
    best_pose_kept: str
    mass_lost_mean: str
    mass_lost_max: str


@dataclass(frozen=True, slots=True)
class SearchSection:
    """What the section shows.

    Attributes
    ----------
    survivors, evaluated, limited : Chart or None
        Over the iterations; None where none of them counted its search.
    final : FinalPass or None
    audits : list of AuditRow
        Empty where the search was not audited.
    """

    survivors: Chart | None
    evaluated: Chart | None
    limited: Chart | None
    final: FinalPass | None
    audits: list[AuditRow]


def search_section(iterations: Sequence[IterationStats], box_angstrom: float) -> SearchSection | None:
    """The section of a run; None where no search was counted.

    Parameters
    ----------
    iterations : sequence of IterationStats
    box_angstrom : float
        Side of the box in Å.
    """
    counted = [stats for stats in iterations if stats.stages]
    if not counted:
        return None
    rows = [stats for stats in counted if stats.phase != "posing"]
    posing = [stats for stats in counted if stats.phase == "posing"]
    return SearchSection(
        survivors=survivor_chart(rows) if rows else None,
        evaluated=evaluated_chart(rows) if rows else None,
        limited=limited_chart(rows) if rows else None,
        final=_final_pass(posing[-1], box_angstrom) if posing else None,
        audits=audit_rows(counted),
    )


def audit_rows(iterations: Sequence[IterationStats]) -> list[AuditRow]:
    """The audits of each phase, taken together."""
    rows = []
    for phase, when in _WHEN.items():
        audits = [stats.audit for stats in iterations if stats.phase == phase and stats.audit is not None]
        if audits:
            rows.append(_audit_row(when, join_audits(audits)))
    return rows


def join_audits(audits: Sequence[BoundAudit]) -> BoundAudit:
    """Several audits as one over all of their images."""
    images = sum(audit.images for audit in audits)
    return BoundAudit(
        images=images,
        best_pose_kept=sum(audit.images * audit.best_pose_kept for audit in audits) / images,
        mass_lost_mean=sum(audit.images * audit.mass_lost_mean for audit in audits) / images,
        mass_lost_max=max(audit.mass_lost_max for audit in audits),
    )


def _final_pass(stats: IterationStats, box_angstrom: float) -> FinalPass:
    stages = stage_rows(stats.stages, box_angstrom)
    return FinalPass(stages, percent_text(stats.evaluated_fraction), percent_text(stats.limited_fraction))


def _audit_row(when: str, audit: BoundAudit) -> AuditRow:
    return AuditRow(
        when=when,
        images=f"{audit.images:,}",
        best_pose_kept=percent_text(audit.best_pose_kept),
        mass_lost_mean=percent_text(audit.mass_lost_mean),
        mass_lost_max=percent_text(audit.mass_lost_max),
    )
