"""What a finished run says on the terminal."""

from pathlib import Path

import rich_click as click

from coldstart.io.results import RunFolder, Summary
from coldstart.report.text import bytes_text, duration_text, resolution_text


def outcome_text(output: Path, summary: Summary) -> str:
    """How the run ended, and where its files are."""
    folder, classes = RunFolder(output), len(summary.classes)
    lines = [f"{_ending(summary)} in {duration_text(summary.wall_seconds or 0.0)} on {summary.device}."]
    lines += [f"Note: {note}" for note in summary.notes]
    for entry in summary.classes:
        name = "map" if classes == 1 else f"map {entry.number}"
        share = "" if classes == 1 else f", {entry.particle_share:.0%} of the particles"
        detail = resolution_text(entry.resolution_angstrom)
        lines.append(f"  {name:<8} {folder.volume_path(entry.number, classes)}  ({detail}{share})")
    lines.append(f"  {'table':<8} {folder.particles_path}  ({_particles(summary)})")
    lines.append(f"  {'report':<8} {folder.report_path}")
    lines.append(f"Processor time {duration_text(summary.cpu_seconds or 0.0)}, memory {_memory(summary)}.")
    return "\n".join(lines)


def print_outcome(output: Path, summary: Summary) -> None:
    """Print `outcome_text`."""
    click.echo(outcome_text(output, summary))


def _ending(summary: Summary) -> str:
    iterations = f"{summary.iterations} iterations"
    if summary.status == "stopped":
        return f"Stopped after {iterations}"
    return f"Completed {iterations}{', the map having converged,' if summary.converged else ''}"


def _particles(summary: Summary) -> str:
    unused = f", {summary.particles_unused:,} unused" if summary.particles_unused else ""
    return f"{summary.particles_used:,} particles{unused}"


def _memory(summary: Summary) -> str:
    return f"{bytes_text(summary.peak_host_bytes)} (device {bytes_text(summary.peak_device_bytes)})"
