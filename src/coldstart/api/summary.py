"""What summary.json says of a run that has a result."""

import math

import numpy as np

from coldstart.io.class_records import ClassSummary, HalfSummary, OrientationSummary, SymmetrySummary
from coldstart.io.run_records import SearchSummary, Summary
from coldstart.model.state import ClassReport, RunResult


def summary_of(result: RunResult, seed: int, particle_count: int) -> Summary:
    """A result in figures, with advice among its notes; time and memory of the host are for the caller to add.

    Parameters
    ----------
    result : RunResult
    seed : int
    particle_count : int
        Particles in the input.
    """
    from coldstart.report.advice import run_advice  # brings in matplotlib

    used = int(result.poses.used.sum())
    return Summary(
        status="stopped" if result.stopped_early else "completed",
        seed=seed,
        device=result.device_name,
        peak_device_bytes=result.peak_device_bytes,
        iterations=sum(stats.phase != "posing" for stats in result.iterations),
        image_visits=result.iterations[-1].image_visits if result.iterations else 0,
        particles_used=used,
        particles_unused=particle_count - used,
        symmetry=result.symmetry,
        resolution_angstrom=result.resolution_angstrom,
        classes=class_summaries(result),
        class_similarity=_similarity_rows(result),
        converged=result.converged,
        search=SearchSummary.of(result.iterations) if result.iterations else None,
        verify_bound=result.iterations[-1].audit if result.iterations else None,
        notes=(*result.notes, *map(str, run_advice(result))),
    )


def class_summaries(result: RunResult) -> tuple[ClassSummary, ...]:
    """What summary.json says of each class."""
    counts = np.bincount(result.poses.class_index, minlength=len(result.volumes)).tolist()
    numbered = enumerate(zip(result.classes, counts, strict=True), 1)
    return tuple(_class_summary(number, report, count, result) for number, (report, count) in numbered)


def _class_summary(number: int, report: ClassReport, particles: int, result: RunResult) -> ClassSummary:
    resolution, halves = report.resolution_angstrom, report.halves
    box_angstrom = result.volumes.shape[-1] * result.pixel_size_angstrom
    return ClassSummary(
        number=number,
        resolution_angstrom=resolution if math.isfinite(resolution) else None,
        particle_share=report.share,
        particles=particles,
        flatness=report.flatness,
        is_noise=report.is_noise,
        halves=None if halves is None else HalfSummary.of(halves, box_angstrom, result.resolution_angstrom),
        symmetry=None if report.symmetry is None else SymmetrySummary.of(report.symmetry),
        orientation=None if report.orientation is None else OrientationSummary.of(report.orientation, box_angstrom),
    )


def _similarity_rows(result: RunResult) -> tuple[tuple[float, ...], ...] | None:
    """How alike the maps of several classes are, as summary.json has it."""
    return tuple(map(tuple, result.similarity.tolist())) if len(result.volumes) > 1 else None
