"""The report page: one self-contained HTML text, with its pictures inside."""

from dataclasses import replace

from coldstart.model.half_report import HalfReport
from coldstart.model.state import MIN_CONFIDENCE, RunResult
from coldstart.report.advice import run_advice
from coldstart.report.charts import Chart, iteration_charts
from coldstart.report.class_cards import class_cards, class_resolution
from coldstart.report.class_charts import class_course_charts, correlation_chart
from coldstart.report.content import ReportContent
from coldstart.report.distributions import defocus_svg, direction_svg
from coldstart.report.evolution_table import evolution_rows
from coldstart.report.half_charts import THRESHOLDS, halves_chart
from coldstart.report.labels import LABELS, label_rows, particle_sentence
from coldstart.report.orientation import orientation_rows, orientation_sentence
from coldstart.report.parameters import parameter_rows
from coldstart.report.pictures import scale_bar
from coldstart.report.search import search_section
from coldstart.report.similarity import similarity_matrix
from coldstart.report.templates import render_template
from coldstart.report.text import bytes_text, duration_text, listed, resolution_text


def render_report(content: ReportContent) -> str:
    """The page as HTML text that refers to nothing outside itself."""
    result = content.result
    posed, several = len(result.poses.particle) > 0, len(result.volumes) > 1
    return render_template(
        "page.html.j2",
        content=content,
        version=content.version,
        status="stopped early" if result.stopped_early else "completed",
        headline=_headline(content),
        classes=class_cards(result),
        advice=run_advice(result),
        correlation=_correlation(content),
        similarity=similarity_matrix(result),
        class_charts=class_course_charts(result.iterations, len(result.volumes)) if several else [],
        evolution=evolution_rows(content.panels),
        scale_bar=scale_bar(content.box_angstrom),
        charts=iteration_charts(result.iterations),
        search=search_section(result.iterations, content.box_angstrom),
        min_confidence=MIN_CONFIDENCE,
        particles=particle_sentence(result.poses, content.particle_count),
        labels=LABELS,
        label_rows=label_rows(result.poses) if several and posed else [],
        # The maps of several classes lie in frames of their own, so that their directions are no one distribution.
        directions=direction_svg(result.poses.euler_deg) if posed and not several else None,
        orientation=_orientation(content) if posed and not several else None,
        defocus=defocus_svg(content.ctf, result.poses.particle, small=several) if content.ctf and posed else None,
        parameters=parameter_rows(content.params),
        facts=_facts(content),
    )


def _headline(content: ReportContent) -> list[tuple[str, str]]:
    """The figures that are looked for first: value and what it is."""
    result = content.result
    figures = [
        (str(len(result.volumes)), "classes"),
        (resolution_text(result.resolution_angstrom), "finest detail used"),
        (f"{int(result.poses.used.sum()):,}", f"of {content.particle_count:,} particles used"),
        (result.symmetry, "symmetry imposed"),
        (str(sum(stats.phase != "posing" for stats in result.iterations)), "iterations"),
        (duration_text(content.wall_seconds), "by the clock"),
    ]
    lean = {"classes": len(result.volumes) == 1, "symmetry imposed": result.symmetry == "C1"}
    return [(value, what) for value, what in figures if not lean.get(what, False)]


def _correlation(content: ReportContent) -> Chart | None:
    """The curves of all classes; None where the run did not compare halves."""
    result = content.result
    if len(result.classes) == 1 and (halves := result.classes[0].halves) is not None:
        is_noise = result.classes[0].is_noise
        chart = halves_chart(halves, content.box_angstrom, result.resolution_angstrom, is_noise=is_noise)
        return chart if is_noise else replace(chart, caption=chart.caption + _in_window(content, halves))
    if not any(len(report.half_correlation) > 1 for report in result.classes):
        return None
    return correlation_chart(result.classes, content.box_angstrom, result.resolution_angstrom)


def _in_window(content: ReportContent, halves: HalfReport) -> str:
    """The figure that the terminal and pages of several classes give, where it is another one than inside the mask."""
    finest_angstrom = content.result.resolution_angstrom
    masked = halves.resolution_angstrom(THRESHOLDS[-1], content.box_angstrom, finest_angstrom, masked=True)
    found = class_resolution(content.result, 0)
    if found in (None, resolution_text(masked)):
        return ""
    return f" In the run's round window it falls below 0.5 at {found}, which is what the terminal says."


def _facts(content: ReportContent) -> list[tuple[str, str]]:
    result = content.result
    volume = result.volumes
    visits = result.iterations[-1].image_visits if result.iterations else 0
    return [
        ("Device", result.device_name),
        ("Time by the clock", duration_text(content.wall_seconds)),
        ("Processor time", duration_text(content.cpu_seconds)),
        ("Peak memory", bytes_text(content.peak_host_bytes)),
        ("Peak device memory", bytes_text(result.peak_device_bytes)),
        ("Image visits", f"{visits:,}"),
        ("Box", f"{volume.shape[-1]} px of {result.pixel_size_angstrom:g} Å ({content.box_angstrom:.0f} Å)"),
        ("Symmetry", _symmetry(result)),
        ("Ended", _ending(result)),
    ]


def _orientation(content: ReportContent) -> tuple[str, list[tuple[str, str]]] | None:
    """How evenly the one map is known: a sentence, and figures; None where that was not looked at."""
    report = content.result.classes[0].orientation if content.result.classes else None
    return None if report is None else (orientation_sentence(report), orientation_rows(report, content.box_angstrom))


def _symmetry(result: RunResult) -> str:
    if result.symmetry != "C1":
        return f"{result.symmetry}, imposed on the maps"
    shown = [report.symmetry.group for report in result.classes if report.symmetry is not None]
    groups = list(dict.fromkeys(group for group in shown if group != "C1"))
    return f"none imposed (C1); shown: {listed(groups)}" if groups else "none imposed (C1)"


def _ending(result: RunResult) -> str:
    if result.stopped_early:
        return "stopped by the user"
    maps = "the map" if len(result.volumes) == 1 else "the maps"
    return f"{maps} no longer changed" if result.converged else "all iterations done"
