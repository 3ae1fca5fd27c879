"""A run in words: what its summary says, for the results panel."""

from collections.abc import Sequence
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING

from coldstart.io.class_records import ClassSummary
from coldstart.io.run_records import Summary
from coldstart.model.halves import HalvesRecord
from coldstart.model.shape import FLAT_RATIO
from coldstart.model.starts import ConsensusRecord
from coldstart.model.state import SAME_MAP, IterationStats
from coldstart.plugin.window_words import in_the_window
from coldstart.report.text import class_resolution_text, duration_text, listed, percent_text, resolution_text

if TYPE_CHECKING:
    from coldstart.io.opened_run import OpenedRun
    from coldstart.io.particle_table import ParticleTable

_PHASES = {
    "initial": "initial resolution",
    "marching": "resolution rising",
    "final": "final resolution",
    "posing": "posing the particles",
}


def status_sentence(run: "OpenedRun") -> str:
    """How the run ended, in a sentence or two."""
    summary = run.summary
    if run.consensus is not None:
        return run.consensus.verdict
    if summary is None:
        return "What became of this run is not known: its summary.json cannot be read."
    if summary.status == "running":
        return "This run has not ended: it goes on elsewhere, or was broken off. " + _what_is_shown(run)
    if summary.status == "suspended":
        return f"This run is paused, and can go on from where it was left. {_what_is_shown(run)}"
    if summary.status == "failed":
        reason = in_the_window(summary.notes[0]).rstrip(".") if summary.notes else "for an unknown reason"
        return f"This run failed: {reason}. {_what_is_shown(run)}"
    iterations = "" if summary.iterations is None else f" {summary.iterations:,} iterations"
    if summary.status == "stopped":
        return f"Stopped after{iterations or ' some iterations'}{_cost(summary)}; the results are those of that moment."
    converged = ", the map having converged," if summary.converged else ""
    return f"Completed{iterations}{converged}{_cost(summary)}."


def phase_text(stats: IterationStats) -> str:
    """What the resolution does at an iteration."""
    return "waiting for the map" if stats.waiting else _PHASES[stats.phase]


def iteration_text(stats: IterationStats) -> str:
    """The figures of an iteration, for the line above the bar."""
    if stats.phase == "posing":
        count = stats.minibatch + round(stats.visits_ahead)
        return f"{phase_text(stats).capitalize()}: {stats.minibatch:,} of {count:,}."
    resolution = resolution_text(stats.resolution_angstrom)
    return f"{phase_text(stats).capitalize()}, {resolution}: {stats.minibatch:,} images, ESS {stats.ess_rotations:.1f}."


def ending_text(result: Summary | ConsensusRecord | HalvesRecord | Sequence[Summary]) -> str:
    """How a run, several starts, two halves or several jobs ended, in a sentence or two."""
    if isinstance(result, (ConsensusRecord, HalvesRecord)):
        return result.verdict
    if isinstance(result, Summary):
        return _run_ending(result)
    numbers = listed([len(summary.classes) for summary in result])
    verb = "Stopped" if any(summary.status == "stopped" for summary in result) else "Done"
    return f"{verb} after the runs of {numbers} classes; report.html compares them."


def _run_ending(summary: Summary) -> str:
    verb = "Stopped" if summary.status == "stopped" else "Done"
    converged = ", the maps having converged" if summary.converged else ""
    text = f"{verb} after {summary.iterations} iterations{converged}, in {duration_text(summary.wall_seconds or 0.0)}."
    if all(entry.is_noise for entry in summary.classes):
        return f"{text} {'The map is' if len(summary.classes) == 1 else 'All maps are'} noise."
    resolutions = [
        "– (noise)" if entry.is_noise else resolution_text(entry.resolution_angstrom) for entry in summary.classes
    ]
    return f"{text} Halves agree to {', '.join(resolutions)}."


def facts(run: "OpenedRun") -> list[tuple[str, str]]:
    """Name and value of what is known of the run as a whole."""
    summary = run.summary
    if summary is None:
        return []
    found = [("Symmetry", summary.symmetry), ("Seed", str(summary.seed))]
    if summary.resolution_angstrom is not None:
        found.insert(0, ("Finest detail used", resolution_text(summary.resolution_angstrom)))
    found = _consensus_facts(run.consensus) + found
    if summary.particles_used is not None:
        unused = f", {summary.particles_unused:,} unused" if summary.particles_unused else ""
        found.insert(0, ("Particles", f"{summary.particles_used:,} used{unused}"))
    return found


def _consensus_facts(record: ConsensusRecord | None) -> list[tuple[str, str]]:
    if record is None:
        return []
    found = [("Starts", f"{len(record.starts)}, of which {record.agreeing} have this map")]
    found.append(("Poses and figures", f"of start {record.best}, the best"))
    if record.resolution_angstrom is not None:
        found.append(("Maps agree to", resolution_text(record.resolution_angstrom)))
    if record.poses_agreed is not None:
        found.append(("Poses agreed on", percent_text(record.poses_agreed)))
    return found


def notes(summary: Summary | None) -> tuple[str, ...]:
    """Remarks of the run; that of why it broke off is in its sentence already."""
    if summary is None:
        return ()
    shown = summary.notes[1:] if summary.status in ("failed", "suspended") else summary.notes
    return tuple(map(in_the_window, shown))


def class_flags(summary: Summary, entry: ClassSummary) -> list[str]:
    """What stands out about a class, in a word or two each."""
    flags = ["empty"] if entry.particles == 0 else []
    if entry.is_noise:
        return [*flags, "noise"]
    if entry.flatness is not None and entry.flatness < FLAT_RATIO:
        flags.append("flat")
    if summary.class_similarity is not None and entry.number <= len(summary.class_similarity):
        noise = {other.number for other in summary.classes if other.is_noise}
        row = enumerate(summary.class_similarity[entry.number - 1], 1)
        alike = [number for number, value in row if value >= SAME_MAP and number not in {entry.number, *noise}]
        flags += [f"like {listed(alike)}"] if alike else []
    return flags


def class_cells(summary: Summary | None, number: int, table: "ParticleTable") -> list[str]:
    """Number, particles, share, resolution and remarks of a class; what the summary lacks, the table may know."""
    count = int((table.class_number == number).sum())
    share = percent_text(count / table.count) if table.count else ""
    entry = next((entry for entry in summary.classes if entry.number == number), None) if summary else None
    if summary is None or entry is None:
        return [str(number), f"{count:,}", share, "", ""]
    return _class_cells(summary, replace(entry, particles=count))


def summary_html(run: "OpenedRun", problems: list[str]) -> str:
    """All of it as the text of a label."""
    parts = [f"<p>{escape(status_sentence(run))}</p>"]
    rows = "".join(
        f"<tr><td>{escape(name)}&nbsp;&nbsp;</td><td>{escape(value)}</td></tr>" for name, value in facts(run)
    )
    parts += [f"<table>{rows}</table>"] if rows else []
    parts += [_classes_table(run.summary)] if run.summary is not None and run.summary.classes else []
    parts += _listed("Notes", notes(run.summary)) + _listed("What could not be read", tuple(problems))
    return "".join(parts)


def _classes_table(summary: Summary) -> str:
    titles = ("Class", "Particles", "Share", "Resolution", "Remarks")
    head = "".join(f"<td><b>{title}</b>&nbsp;&nbsp;</td>" for title in titles)
    rows = "".join(
        "<tr>" + "".join(f"<td>{_unbroken(cell)}&nbsp;&nbsp;</td>" for cell in _class_cells(summary, entry)) + "</tr>"
        for entry in summary.classes
    )
    return f"<p><table><tr>{head}</tr>{rows}</table></p>"


def _unbroken(text: str) -> str:
    return escape(text).replace(" ", "&nbsp;")


def _class_cells(summary: Summary, entry: ClassSummary) -> list[str]:
    count = "" if entry.particles is None else f"{entry.particles:,}"
    resolution = class_resolution_text(entry.resolution_angstrom, is_noise=entry.is_noise)
    flags = ", ".join(class_flags(summary, entry))
    return [str(entry.number), count, percent_text(entry.particle_share), resolution, flags]


def _listed(title: str, lines: tuple[str, ...]) -> list[str]:
    if not lines:
        return []
    return [
        f"<p><b>{title}</b></p><ul style='margin-left: -20px'>",
        *(f"<li>{escape(line)}</li>" for line in lines),
        "</ul>",
    ]


def _cost(summary: Summary) -> str:
    time = "" if summary.wall_seconds is None else f" in {duration_text(summary.wall_seconds)}"
    return time + ("" if summary.device is None else f" on {summary.device}")


def _what_is_shown(run: "OpenedRun") -> str:
    if run.has_results:
        return "Its results are there all the same."
    if run.maps:
        return f"Shown are the maps of iteration {run.maps[0].iteration}, the last that were kept."
    return "It left no map."
