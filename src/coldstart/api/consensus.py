"""What several starts agree on: read from their run folders, written beside them.

The best start is the finished one whose maps explain the images best. The starts that ended with its maps, in whatever
frame and hand, are the ones that agree; their mean is taken in the frame of the best.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldstart import __version__
from coldstart.api.checkpoint import read_point
from coldstart.errors import OutputError
from coldstart.io.consensus_files import write_agreed_table, write_consensus
from coldstart.io.files import write_text_atomically
from coldstart.io.mrc import read_map, write_map
from coldstart.io.results import RunFolder
from coldstart.io.run_paths import RunPaths, resume_command
from coldstart.io.runs_plan import RunsPlan
from coldstart.io.star_columns import IMAGE_NAME
from coldstart.io.star_poses import read_poses
from coldstart.io.star_subset import read_with_particles
from coldstart.model.consensus import (
    AgreedMaps,
    StartTree,
    agreed_maps,
    agreed_resolution_angstrom,
    placed_rotations,
    pose_differences_deg,
    start_tree,
)
from coldstart.model.fourier import resize_spectrum, spectrum_of, volume_of
from coldstart.model.hand import flip_map
from coldstart.model.so3 import euler_to_matrix
from coldstart.model.starts import ConsensusRecord, Evidence, StartRecord, verdict
from coldstart.model.state import IterationStats
from coldstart.model.symmetry import PointGroup, mirror_axis, point_group
from coldstart.model.symmetry_detection import detect_symmetry

AGREE_DEG = 10.0
"""Poses no further apart agree, or as far as two steps of the pose grid."""


@dataclass(frozen=True, slots=True)
class Start:
    """A start as its folder has it.

    Attributes
    ----------
    number : int
        From 0.
    run : RunFolder
    seed : int
    status : str
        "completed", "stopped", or "left".
    iterations : tuple of IterationStats
    volumes : (K, n, n, n) float32, [z, y, x]
        Its maps: of its end, or where it was left.
    voxel_size_angstrom : float
    """

    number: int
    run: RunFolder
    seed: int
    status: str
    iterations: tuple[IterationStats, ...]
    volumes: NDArray[np.float32]
    voxel_size_angstrom: float

    @property
    def finished(self) -> bool:
        """Whether it has poses."""
        return self.status != "left"

    @property
    def evidence(self) -> Evidence:
        """Where the starts are judged, or where this one was left before."""
        return Evidence.of(self.iterations)

    @property
    def waited_in_vain(self) -> bool:
        """Whether it was left where it had waited for the map."""
        return not self.finished and self.iterations[-1].waiting


def find_consensus(output: Path, plan: RunsPlan) -> ConsensusRecord:
    """Compare the starts in a folder, and write what they agree on: maps, particle table, consensus.json, report.

    Raises
    ------
    OutputError
        If fewer than two starts can be compared, or none has an end; if a file cannot be read or written.
    """
    starts = [start for n in range(len(plan.numbers)) if (start := _read_start(output, plan, n)) is not None]
    finished = [start for start in starts if start.finished]
    if not finished or len(starts) < 2:
        raise OutputError(
            f"fewer than two starts in {output} have come far enough to be compared. The others can go on with: "
            f"{resume_command(output)}"
        )
    best = max(finished, key=lambda start: start.evidence.mean)
    tree = _tree(starts, plan)
    members = [starts[at] for at in tree.members(starts.index(best)) if starts[at].finished]
    agreed = agreed_maps(
        [start.volumes for start in starts], tree, [starts.index(start) for start in members], starts.index(best)
    )
    agreement = _pose_agreement(members, best, agreed, tree, starts, plan) if len(members) > 1 else None
    record = _record(starts, best, members, tree, agreed, agreement)
    _write(output, record, agreed, best, agreement, plan.params.symmetry)
    from coldstart.report.consensus import ConsensusContent, render_consensus

    content = ConsensusContent(
        record, tree.linkage, agreed.volumes, agreed.correlation,
        tuple(start.number for start in members), best.voxel_size_angstrom, best.iterations[-1].resolution_angstrom,
        str(plan.particles), agreement,
    )  # fmt: skip
    write_text_atomically(RunPaths(output).report_path, render_consensus(content, __version__))
    return record


def _read_start(output: Path, plan: RunsPlan, number: int) -> Start | None:
    """A start, if it has begun."""
    run = RunFolder(plan.folders(output)[number])
    if not run.summary_path.is_file():
        return None
    summary, classes = run.load_summary(), plan.params.classes
    iterations = run.load_iterations()
    seed = plan.jobs[number].seed
    if summary.has_result:
        maps = [read_map(run.volume_path(index + 1, classes)) for index in range(classes)]
        return Start(
            number, run, seed, summary.status, iterations, np.stack([volume for volume, _ in maps]), maps[0][1]
        )
    if not run.checkpoint_path.is_file():
        return None
    volumes = read_point(run.checkpoint_path).state.map.volume
    voxel_size = iterations[-1].resolution_angstrom * iterations[-1].fourier_radius / volumes.shape[-1]
    return Start(number, run, seed, "left", iterations, volumes, voxel_size)


def _tree(starts: Sequence[Start], plan: RunsPlan) -> StartTree:
    """The starts by the likeness of their maps, up to the resolution at which they began."""
    side = min(start.volumes.shape[-1] for start in starts)
    box_angstrom = starts[0].volumes.shape[-1] * starts[0].voxel_size_angstrom
    radius = min(box_angstrom / plan.params.initial_resolution_angstrom, side / 2 - 1)
    small = [
        np.stack([volume_of(resize_spectrum(spectrum_of(volume), side)) for volume in start.volumes])
        for start in starts
    ]
    return start_tree(small, radius)


def _pose_agreement(
    members: Sequence[Start],
    best: Start,
    agreed: AgreedMaps,
    tree: StartTree,
    starts: Sequence[Start],
    plan: RunsPlan,
) -> NDArray[np.float64]:
    """Of the other members that posed a particle of the best start, the share with its pose and class; (P,) float64.

    NaN where none of them did.
    """
    names, rotations, classes = zip(*(_poses(start, plan.params.classes) for start in members), strict=True)
    at_best = list(members).index(best)
    own = {name: row for row, name in enumerate(names[at_best].tolist())}
    shape = len(members), len(own)
    placed, class_index = np.full((*shape, 3, 3), np.nan), np.full(shape, -1)
    for m, start in enumerate(members):
        to_best = np.argsort(tree.matched[starts.index(best), starts.index(start)])
        of_class = to_best[classes[m]]
        rows = np.array([own.get(name, -1) for name in names[m].tolist()])
        for index, placement in enumerate(agreed.placements[m]):
            here = (of_class == index) & (rows >= 0)
            placed[m, rows[here]] = placed_rotations(rotations[m][here], placement)
            class_index[m, rows[here]] = index
    order = [at_best, *(m for m in range(len(members)) if m != at_best)]
    differences = np.full(shape, np.nan)
    for index, volume in enumerate(agreed.volumes):
        mine = class_index[at_best] == index
        operators = _operators(volume, best.iterations[-1].fourier_radius, point_group(plan.params.symmetry))
        differences[:, mine] = pose_differences_deg(placed[order][:, mine], operators)
    within = max(AGREE_DEG, 2.0 * best.iterations[-1].angular_step_deg)
    same = (differences <= within) & (class_index[order] == class_index[at_best])
    known = np.isfinite(differences[1:]).sum(axis=0)
    return np.where(known > 0, same[1:].sum(axis=0) / np.maximum(known, 1), np.nan)


def _operators(volume: NDArray[np.float32], radius: float, group: PointGroup) -> NDArray[np.float64]:
    """Of the point group that was imposed, or that a map in C1 shows: poses that differ by them are the same."""
    if group.order > 1:
        return group.operators
    shown = detect_symmetry(volume, radius)
    if shown.group == "C1":
        return group.operators
    onto_axes = shown.candidates[0].rotation
    return np.asarray(onto_axes.T @ point_group(shown.group).operators @ onto_axes)


def _poses(start: Start, classes: int) -> tuple[NDArray[np.bytes_], NDArray[np.float64], NDArray[np.int64]]:
    """Image names, poses (P, 3, 3) and classes of a start's particles."""
    path = start.run.table_path(classes)
    _, table = read_with_particles(path)
    poses = read_poses(table, str(path), classes)
    return table.utf8(IMAGE_NAME), euler_to_matrix(poses.euler_deg), poses.class_index


def _record(
    starts: Sequence[Start], best: Start, members: Sequence[Start], tree: StartTree, agreed: AgreedMaps,
    agreement: NDArray[np.float64] | None,
) -> ConsensusRecord:  # fmt: skip
    box_angstrom = best.volumes.shape[-1] * best.voxel_size_angstrom
    finest_angstrom = best.iterations[-1].resolution_angstrom
    agrees_to = {
        start.number: agreed_resolution_angstrom(curves, box_angstrom, finest_angstrom)
        for start, curves in zip(members, agreed.correlation, strict=True)
        if start is not best
    }
    resolution = max(agrees_to.values()) if agrees_to else None
    same_map = [starts[at] for at in tree.members(starts.index(best))]
    return ConsensusRecord(
        verdict=verdict(
            {start.number: None if start.waited_in_vain else start.evidence for start in starts}, best.number,
            len(members), resolution, {s.number for s in same_map if not (s.finished or s.waited_in_vain)},
        ),
        agreeing=len(members),
        best=best.number + 1,
        resolution_angstrom=resolution,
        poses_agreed=None if agreement is None else float(np.mean(agreement[np.isfinite(agreement)] >= 0.5)),
        similarity=tuple(tuple(row) for row in tree.similarity.tolist()),
        starts=tuple(
            StartRecord(
                start.run.path.name, start.seed, start.status, start.iterations[-1].iteration, start.evidence.mean,
                int(group) + 1, agrees_to.get(start.number),
            )
            for start, group in zip(starts, tree.group, strict=True)
        ),
    )  # fmt: skip


def _write(
    output: Path, record: ConsensusRecord, agreed: AgreedMaps, best: Start, agreement: NDArray[np.float64] | None,
    symmetry: str,
) -> None:  # fmt: skip
    paths, classes = RunPaths(output), len(agreed.volumes)
    axis = mirror_axis(point_group(symmetry))
    for index, volume in enumerate(agreed.volumes):
        write_map(paths.volume_path(index + 1, classes), volume, best.voxel_size_angstrom)
        mirrored = flip_map(volume, axis)
        write_map(paths.volume_path(index + 1, classes, flipped=True), mirrored, best.voxel_size_angstrom)
    for flipped in (False, True):
        source = best.run.table_path(classes, flipped=flipped)
        write_agreed_table(paths.table_path(classes, flipped=flipped), source, agreement)
    write_consensus(output, record)
