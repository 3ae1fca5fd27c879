"""Two halves brought together: read from their run folders, compared, and written beside them as one run folder.

The second half is placed on the first. Where both found the same maps, the means of the two, all poses in the frame of
the first half and the correlation of the halves are written as a run writes its own; where not, only that they differ.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldstart import __version__
from coldstart.api.summary import class_summaries, summary_of
from coldstart.api.wanted import read_wanted
from coldstart.errors import OutputError
from coldstart.io.files import remove_file, write_text_atomically
from coldstart.io.half_sets import half_sets, with_half_sets
from coldstart.io.halves_file import write_halves_record
from coldstart.io.inputs import Inputs, read_inputs, write_inputs
from coldstart.io.mrc import MrcStackSource, read_map
from coldstart.io.results import RunFolder
from coldstart.io.run_paths import RunPaths, resume_command
from coldstart.io.run_records import Summary
from coldstart.io.runs_plan import RunsPlan
from coldstart.io.star_poses import read_poses
from coldstart.io.star_subset import read_with_particles
from coldstart.model.alignment import class_similarity_matrix
from coldstart.model.fourier import resampled
from coldstart.model.fsc import fourier_shell_correlation
from coldstart.model.halves import HalvesRecord, MatchedHalves, match_halves, poses_on_first, verdict
from coldstart.model.particles import Particles
from coldstart.model.state import ClassReport, IterationStats, PoseTable, RunResult
from coldstart.model.symmetry import point_group

_RECORDS = ("summary.json", "params.json", "inputs.json")
_ADDED_UP = ("wall_seconds", "cpu_seconds", "iterations", "image_visits")
"""What both halves took together."""

_JOINED = ("volume*.mrc", "particles*.star", "particles*.cs", "particles*.csg", *_RECORDS)


@dataclass(frozen=True, slots=True)
class Half:
    """A half as its folder has it.

    Attributes
    ----------
    run : RunFolder
    inputs : Inputs or None
        What it read; an earlier version may not have recorded it.
    summary : Summary
    last : IterationStats
        Of its pass over all particles.
    volumes : (K, box, box, box) float32, [z, y, x]
    poses : PoseTable
        Of all of its particles, rows of the whole input.
    """

    run: RunFolder
    inputs: Inputs | None
    summary: Summary
    last: IterationStats
    volumes: NDArray[np.float32]
    poses: PoseTable


def join_halves(output: Path, plan: RunsPlan) -> HalvesRecord:
    """Compare the halves in a folder, and write what there is to say of them: halves.json, report, and what they share.

    Raises
    ------
    OutputError
        If a half has no result; if a file cannot be read or written.
    """
    particles, images, notes = read_wanted(plan.particles, plan.params, plan.data_root)
    sets = half_sets(particles)
    halves = [_read_half(output, plan, number, np.flatnonzero(sets == number + 1), images) for number in range(2)]
    notes += () if halves[0].inputs is None else halves[0].inputs.warnings
    radius = min(half.last.fourier_radius for half in halves)
    side = _grid_side(radius, particles.box_px)
    first, second = (_on_grid(half.volumes, side) for half in halves)
    initial_radius = min(particles.box_angstrom / plan.params.initial_resolution_angstrom, radius)
    matched = match_halves(first, second, initial_radius, point_group(plan.params.symmetry).operators)
    result = None
    _remove_earlier(output)
    if matched.agree:
        result = _result(halves, matched, particles, plan, initial_radius)
        result = replace(result, notes=notes)
        _write_run(output, result, with_half_sets(particles, sets), images, halves, plan)
    record = _record(halves, matched, result)
    write_halves_record(RunPaths(output).halves_path, record)
    _write_report(output, record, result, halves, particles, notes)
    return record


def _read_half(output: Path, plan: RunsPlan, number: int, rows: NDArray[np.int64], images: MrcStackSource) -> Half:
    run, classes = RunFolder(plan.folders(output)[number]), plan.params.classes
    summary = run.load_summary() if run.summary_path.is_file() else None
    if summary is None or not summary.has_result:
        raise OutputError(
            f"half {number + 1} in {output} has no map yet, so there is nothing to compare. It goes on with: "
            f"{resume_command(output)}"
        )
    path = run.table_path(classes)
    poses = read_poses(read_with_particles(path)[1], str(path), classes)
    if len(poses.particle) != len(rows):
        raise OutputError(
            f"{path} has {len(poses.particle):,} particles, but half {number + 1} of the input has {len(rows):,}: the "
            "input or the table has changed. Begin again with coldstart run and another folder."
        )
    poses = replace(poses, particle=rows, origin_angstrom=images.origins_as_read(poses.origin_angstrom, rows))
    volumes = np.stack([read_map(run.volume_path(index + 1, classes))[0] for index in range(classes)])
    return Half(run, read_inputs(run.inputs_path), summary, run.load_iterations()[-1], volumes, poses)


def _grid_side(radius: float, box_px: int) -> int:
    """Points along an edge of the grid that the halves are compared on: it just holds what is in them."""
    return min(box_px, 8 * int(np.ceil((radius + 3) / 4)))


def _on_grid(volumes: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Maps of the input's box on the engine's kind of grid, in its grey scale (`RunResult.half_volumes`)."""
    return np.stack([resampled(volume, side) / np.float32(volume.shape[-1]) for volume in volumes])


def _result(
    halves: list[Half], matched: MatchedHalves, particles: Particles, plan: RunsPlan, initial_radius: float
) -> RunResult:
    from coldstart.engine.abinitio import COMPARED_RADII

    box = particles.box_px
    coarser = max((half.last for half in halves), key=lambda last: last.resolution_angstrom)
    first, second = (half.poses for half in halves)
    turned = poses_on_first(second, matched, particles.box_angstrom / matched.volumes.shape[-1])
    poses = _joined(first, turned)
    mean = matched.volumes.mean(axis=1)
    return RunResult(
        volumes=np.stack([resampled(volume, box) * np.float32(box) for volume in mean]),
        pixel_size_angstrom=particles.pixel_size_angstrom,
        poses=poses,
        iterations=(),
        resolution_angstrom=coarser.resolution_angstrom,
        device_name=halves[0].summary.device or "",
        peak_device_bytes=max(half.summary.peak_device_bytes or 0 for half in halves),
        stopped_early=any(half.summary.status == "stopped" for half in halves),
        converged=all(half.summary.converged for half in halves),
        classes=_reports(matched, mean, poses, coarser, particles.box_angstrom, initial_radius, plan),
        similarity=class_similarity_matrix(mean, COMPARED_RADII * initial_radius),
        symmetry=plan.params.symmetry,
        half_volumes=matched.volumes,
    )


def _joined(first: PoseTable, second: PoseTable) -> PoseTable:
    """The rows of both, by particle."""
    order = np.argsort(np.concatenate([first.particle, second.particle]))
    names = PoseTable.__dataclass_fields__
    return PoseTable(*(np.concatenate([getattr(first, name), getattr(second, name)])[order] for name in names))


def _reports(
    matched: MatchedHalves, mean: NDArray[np.float32], poses: PoseTable, last: IterationStats, box_angstrom: float,
    initial_radius: float, plan: RunsPlan,
) -> tuple[ClassReport, ...]:  # fmt: skip
    """What is said of each class, as a run says it, but that these halves are independent."""
    from coldstart.engine.classes import class_reports
    from coldstart.engine.posing import PosedRun

    correlation = np.stack([fourier_shell_correlation(*pair) for pair in matched.volumes])
    posed = PosedRun(poses, mean, correlation, last, matched.volumes)
    group, balanced = point_group(plan.params.symmetry), plan.params.balance_views
    reports = class_reports(posed, box_angstrom, initial_radius, group, balanced=balanced)
    return tuple(
        replace(report, halves=None if report.halves is None else replace(report.halves, independent=True))
        for report in reports
    )


def _write_run(
    output: Path, result: RunResult, particles: Particles, images: MrcStackSource, halves: list[Half], plan: RunsPlan
) -> None:
    """What a run folder has, but for what is of one run alone: iterations and snapshots."""
    folder = RunFolder(output)
    folder.write_params(plan.params)
    if halves[0].inputs is not None:
        write_inputs(folder.inputs_path, halves[0].inputs)
    folder.write_result(particles, result, images)
    summaries = [half.summary for half in halves]
    totals: dict[str, Any] = {name: sum(getattr(summary, name) or 0 for summary in summaries) for name in _ADDED_UP}
    peak = max(summary.peak_host_bytes or 0 for summary in summaries)
    summary = summary_of(result, plan.params.seed, particles.count)
    folder.write_summary(replace(summary, peak_host_bytes=peak, **totals))


def _remove_earlier(output: Path) -> None:
    """Take away what halves that agreed had left, before they went on."""
    for pattern in _JOINED:
        for path in output.glob(pattern):
            remove_file(path)


def _record(halves: list[Half], matched: MatchedHalves, result: RunResult | None) -> HalvesRecord:
    resolution: tuple[float, ...] = ()
    if result is not None:
        of_class = (entry.halves for entry in class_summaries(result))
        resolution = tuple(entry.masked_0143_angstrom for entry in of_class if entry is not None)
    return HalvesRecord(
        verdict=verdict(matched, resolution),
        agree=matched.agree,
        folders=tuple(half.run.path.name for half in halves),
        seeds=tuple(half.summary.seed for half in halves),
        particles=tuple(len(half.poses.particle) for half in halves),
        iterations=tuple(half.summary.iterations or 0 for half in halves),
        status=tuple(half.summary.status for half in halves),
        similarity=tuple(matched.similarity.tolist()),
        second_class=tuple((matched.second + 1).tolist()),
        other_hand=tuple(placement.mirrored for placement in matched.placements),
        resolution_angstrom=resolution,
    )


def _write_report(
    output: Path, record: HalvesRecord, result: RunResult | None, halves: list[Half], particles: Particles,
    notes: tuple[str, ...],
) -> None:  # fmt: skip
    # Brings in matplotlib.
    from coldstart.report.advice import run_advice
    from coldstart.report.halves import HalvesContent, render_halves

    volumes = np.concatenate([half.volumes for half in halves]) if result is None else result.volumes
    reports = () if result is None else tuple(entry.halves for entry in result.classes if entry.halves is not None)
    finest = max(half.last.resolution_angstrom for half in halves)
    content = HalvesContent(
        record, volumes, particles.pixel_size_angstrom, reports, finest, particles.name,
        () if result is None else tuple(run_advice(result)), notes,
    )  # fmt: skip
    write_text_atomically(RunPaths(output).report_path, render_halves(content, __version__))
