"""What a finished run says on the terminal."""

from pathlib import Path

import rich_click as click

from coldstart.io.results import RunFolder
from coldstart.io.run_records import Summary
from coldstart.model.state import BoundAudit
from coldstart.report.text import bytes_text, duration_text, percent_text, resolution_text


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
    if summary.verify_bound is not None:
        lines.append(_audit(summary.verify_bound))
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


def _audit(audit: BoundAudit) -> str:
    images = "1 image" if audit.images == 1 else f"{audit.images:,} images"
    return (
        f"Pose search checked against the whole grid on {images}: best pose kept for "
        f"{percent_text(audit.best_pose_kept)}, posterior mass lost {percent_text(audit.mass_lost_mean)} in the mean "
        f"and {percent_text(audit.mass_lost_max)} at most."
    )


def _memory(summary: Summary) -> str:
    return f"{bytes_text(summary.peak_host_bytes)} (device {bytes_text(summary.peak_device_bytes)})"
