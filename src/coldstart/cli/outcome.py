"""What a finished run says on the terminal, and what several say together."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import rich_click as click

from coldstart.io.class_records import ClassSummary
from coldstart.io.results import RunFolder
from coldstart.io.run_paths import resume_command
from coldstart.io.run_records import Summary
from coldstart.io.runs_plan import job_folder
from coldstart.model.halves import HalvesRecord
from coldstart.model.starts import ConsensusRecord
from coldstart.model.state import BoundAudit
from coldstart.report.text import bytes_text, duration_text, listed, percent_text, resolution_text


def outcome_text(output: Path, summary: Summary) -> str:
    """How the run ended, and where its files are."""
    lines = [f"{_ending(summary)} in {duration_text(summary.wall_seconds or 0.0)} on {summary.device}."]
    lines += [f"Note: {note}" for note in summary.notes]
    lines += [f"  {name:<11} {text}" for name, text in _files(RunFolder(output), summary)]
    if summary.verify_bound is not None:
        lines.append(_audit(summary.verify_bound))
    lines.append(f"Processor time {duration_text(summary.cpu_seconds or 0.0)}, memory {_memory(summary)}.")
    if summary.status == "stopped":
        lines.append(_way_on(output))
    return "\n".join(lines)


def print_outcome(output: Path, summary: Summary) -> None:
    """Print `outcome_text`."""
    click.echo(outcome_text(output, summary))


def comparison_text(output: Path, summaries: Sequence[Summary], asked: int) -> str:
    """How several jobs on the same particles ended, and where their files are.

    Parameters
    ----------
    output : Path
        The folder of them all.
    summaries : sequence of Summary
        Of the jobs that have a result.
    asked : int
        How many were asked for.
    """
    last = summaries[-1]
    wall = sum(summary.wall_seconds or 0.0 for summary in summaries)
    cpu = sum(summary.cpu_seconds or 0.0 for summary in summaries)
    ending = _series_ending(len(summaries), asked, last.status == "stopped")
    lines = [f"{ending} {duration_text(wall)} on {last.device}.", *_notes(summaries)]
    for summary in summaries:
        folder = job_folder(output, len(summary.classes))
        lines.append(f"  {_classes_text([summary]):<11} {folder}  ({_resolutions(summary)})")
    lines.append(f"  {'comparison':<11} {RunFolder(output).report_path}")
    lines.append(f"Processor time {duration_text(cpu)}, memory {_memory(last)}.")
    if last.status == "stopped" or len(summaries) < asked:
        lines.append(_way_on(output))
    return "\n".join(lines)


def print_comparison(output: Path, summaries: Sequence[Summary], asked: int) -> None:
    """Print `comparison_text`."""
    click.echo(comparison_text(output, summaries, asked))


def consensus_text(output: Path, consensus: ConsensusRecord) -> str:
    """How far several starts agree, and where their files are."""
    lines = [consensus.verdict]
    for start in consensus.starts:
        best = ", the best" if start.number == consensus.best else ""
        lines.append(
            f"  {start.folder:<11} seed {start.seed}, {start.status} after {start.iterations} iterations, evidence "
            f"{start.evidence:.2f} nats an image, group {start.group}{best}"
        )
    folder, left = RunFolder(output), [start.folder for start in consensus.starts if start.status == "left"]
    lines.append(f"  {'maps':<11} {folder.path / 'volume*.mrc'}  (mean of the starts that agree)")
    lines.append(f"  {'report':<11} {folder.report_path}")
    if left:
        lines.append(
            f"A start that was left can be run to its end with, for instance: {resume_command(output / left[0])}"
        )
    return "\n".join(lines)


def print_consensus(output: Path, consensus: ConsensusRecord) -> None:
    """Print `consensus_text`."""
    click.echo(consensus_text(output, consensus))


def halves_text(output: Path, halves: HalvesRecord) -> str:
    """What became of two halves, and where their files are."""
    lines = [halves.verdict]
    each = zip(halves.folders, halves.particles, halves.seeds, strict=True)
    lines += [f"  {name:<11} {output / name}  ({_particles(count)}, seed {seed})" for name, count, seed in each]
    if halves.agree:
        lines.append(f"  {'maps':<11} {output / 'volume*.mrc'}  (mean of the halves, and each half)")
        lines.append(f"  {'table':<11} {output / 'particles*.star'}  (all poses in one frame)")
    lines.append(f"  {'report':<11} {RunFolder(output).report_path}")
    return "\n".join(lines)


def print_halves(output: Path, halves: HalvesRecord) -> None:
    """Print `halves_text`."""
    click.echo(halves_text(output, halves))


def _series_ending(done: int, wanted: int, stopped: bool) -> str:
    if stopped:
        return f"Stopped in job {done} of {wanted} after"
    if done < wanted:
        return f"Stopped after job {done} of {wanted}, in"
    return f"Completed {wanted} jobs in"


def _notes(summaries: Sequence[Summary]) -> Iterator[str]:
    """Each note once, with the jobs that it is about where these are not all."""
    for note in dict.fromkeys(note for summary in summaries for note in summary.notes):
        noted = [summary for summary in summaries if note in summary.notes]
        about = "" if len(noted) == len(summaries) else f" on {_classes_text(noted)}"
        yield f"Note{about}: {note}"


def _classes_text(summaries: Sequence[Summary]) -> str:
    """Numbers of classes as '1 class' or '2 and 3 classes'."""
    numbers = [len(summary.classes) for summary in summaries]
    return f"{listed(numbers)} {'class' if numbers == [1] else 'classes'}"


def _resolutions(summary: Summary) -> str:
    """The resolution of each class, or that it is noise; where all are, that alone."""
    if all(entry.is_noise for entry in summary.classes):
        return "noise"
    known = ("noise" if entry.is_noise else resolution_text(entry.resolution_angstrom) for entry in summary.classes)
    return f"resolution {', '.join(known)}"


def _ending(summary: Summary) -> str:
    iterations = f"{summary.iterations} iterations"
    if summary.status == "stopped":
        return f"Stopped after {iterations}"
    return f"Completed {iterations}{', the map having converged,' if summary.converged else ''}"


def _way_on(output: Path) -> str:
    return f"It goes on as if it had not been stopped with: {resume_command(output)}"


def _files(folder: RunFolder, summary: Summary) -> Iterator[tuple[str, str]]:
    """What each file is, and its path with what there is to say of it."""
    classes = len(summary.classes)
    for entry in summary.classes:
        name = "map" if classes == 1 else f"map {entry.number}"
        yield name, f"{folder.volume_path(entry.number, classes)}  ({_class_text(entry, classes)})"
    posed = sum(entry.particles or 0 for entry in summary.classes)
    unposed = (summary.particles_used or 0) + (summary.particles_unused or 0) - posed
    yield "table", f"{folder.table_path(classes)}  ({_posed_text(summary, unposed)})"
    if classes > 1:
        yield "by class", f"{folder.path / 'particles_class_N.star'}"
    if unposed:
        yield "unused", f"{folder.unused_path}  ({_particles(unposed)})"
    flipped_map = "volume_flipped.mrc" if classes == 1 else "volume_class_N_flipped.mrc"
    yield "other hand", f"{folder.path / flipped_map}, {folder.table_path(classes, flipped=True)}"
    yield "report", f"{folder.report_path}"


def _class_text(entry: ClassSummary, classes: int) -> str:
    """What is said of a class: its resolution, or that it is noise, and its share where there are several."""
    known = entry.resolution_angstrom is not None
    detail = f"halves agree to {resolution_text(entry.resolution_angstrom)}" if known else "resolution unknown"
    detail = "noise" if entry.is_noise else detail
    return detail if classes == 1 else f"{detail}, {entry.particle_share:.0%} of the particles"


def _posed_text(summary: Summary, unposed: int) -> str:
    """How many particles have a pose, and how many of them the run did not draw."""
    undrawn = (summary.particles_unused or 0) - unposed
    posed = (summary.particles_used or 0) + undrawn
    return f"{_particles(posed)}, {undrawn:,} of them unused" if undrawn else _particles(posed)


def _particles(count: int) -> str:
    return "1 particle" if count == 1 else f"{count:,} particles"


def _audit(audit: BoundAudit) -> str:
    images = "1 image" if audit.images == 1 else f"{audit.images:,} images"
    return (
        f"Pose search checked against the whole grid on {images}: best pose kept for "
        f"{percent_text(audit.best_pose_kept)}, posterior mass lost {percent_text(audit.mass_lost_mean)} in the mean "
        f"and {percent_text(audit.mass_lost_max)} at most."
    )


def _memory(summary: Summary) -> str:
    return f"{bytes_text(summary.peak_host_bytes)} (device {bytes_text(summary.peak_device_bytes)})"
