"""The report page: one self-contained HTML text, with its pictures inside."""

from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from coldstart.report.charts import iteration_charts
from coldstart.report.content import ReportContent
from coldstart.report.distributions import defocus_svg, direction_svg
from coldstart.report.evolution import MapPanels, MapViews, map_views
from coldstart.report.parameters import parameter_rows
from coldstart.report.pictures import scale_bar_angstrom, view_uris
from coldstart.report.search import search_section
from coldstart.report.text import bytes_text, duration_text, resolution_text

_FINAL_PX = 256
_PHASES = {"initial": "initial", "marching": "rising", "final": "final"}


@dataclass(frozen=True, slots=True)
class _EvolutionRow:
    iteration: int
    phase: str
    resolution: str
    slices: list[str]
    projections: list[str]


@dataclass(frozen=True, slots=True)
class _ClassSection:
    number: int
    resolution: str
    share: str
    slices: list[str]
    projections: list[str]
    evolution: list[_EvolutionRow]


@dataclass(frozen=True, slots=True)
class _ScaleBar:
    label: str
    percent: float


def render_report(content: ReportContent) -> str:
    """The page as HTML text that refers to nothing outside itself."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("coldstart.report").joinpath("page.html.j2").read_text(encoding="utf-8"))
    poses = content.result.poses
    return template.render(
        content=content,
        status="stopped early" if content.result.stopped_early else "completed",
        headline=_headline(content),
        classes=_class_sections(content),
        scale_bar=_scale_bar(content.box_angstrom),
        charts=iteration_charts(content.result.iterations),
        search=search_section(content.result.iterations, content.box_angstrom),
        directions=direction_svg(poses.euler_deg) if len(poses.particle) else None,
        defocus=defocus_svg(content.ctf, poses.particle) if content.ctf and len(poses.particle) else None,
        parameters=parameter_rows(content.params),
        facts=_facts(content),
    )


def _headline(content: ReportContent) -> list[tuple[str, str]]:
    """The figures that are looked for first: value and what it is."""
    result = content.result
    used = f"{len(result.poses.particle):,} of {content.particle_count:,}"
    best = min(result.resolution_angstrom, default=None)
    return [
        (resolution_text(best), "finest detail used"),
        (used, "particles used"),
        (str(sum(stats.phase != "posing" for stats in result.iterations)), "iterations"),
        (duration_text(content.wall_seconds), "by the clock"),
    ]


def _class_sections(content: ReportContent) -> list[_ClassSection]:
    result = content.result
    sections = []
    for index, (volume, share) in enumerate(zip(result.volumes, content.class_shares(), strict=True)):
        slices, projections = view_uris(map_views(volume, _FINAL_PX))
        resolution = resolution_text(result.resolution_angstrom[index])
        evolution = [_evolution_row(panels, panels.classes[index]) for panels in content.panels]
        sections.append(_ClassSection(index + 1, resolution, f"{share:.0%}", slices, projections, evolution))
    return sections


def _evolution_row(panels: MapPanels, views: MapViews) -> _EvolutionRow:
    slices, projections = view_uris(views)
    resolution = resolution_text(panels.resolution_angstrom)
    return _EvolutionRow(panels.iteration, _PHASES.get(panels.phase, panels.phase), resolution, slices, projections)


def _scale_bar(box_angstrom: float) -> _ScaleBar:
    length = scale_bar_angstrom(box_angstrom)
    return _ScaleBar(f"{length:g} Å", 100.0 * length / box_angstrom)


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
        ("Ended", _ending(content)),
        ("Program", f"coldstart {content.version}"),
    ]


def _ending(content: ReportContent) -> str:
    if content.result.stopped_early:
        return "stopped by the user"
    return "the map no longer changed" if content.result.converged else "all iterations done"
