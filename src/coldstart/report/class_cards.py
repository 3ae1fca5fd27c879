"""What the report shows of each class: its pictures, its particles, and what stands out about it."""

import math
from dataclasses import dataclass

import numpy as np

from coldstart.model.shape import FLAT_RATIO
from coldstart.model.state import MIN_CONFIDENCE, RunResult
from coldstart.report.class_charts import posterior_svg
from coldstart.report.content import class_counts, class_shares
from coldstart.report.distributions import direction_svg
from coldstart.report.evolution import map_views
from coldstart.report.pictures import view_uris
from coldstart.report.similarity import alike_pairs
from coldstart.report.svg import class_css
from coldstart.report.symmetry import SymmetryRow, symmetry_rows, symmetry_sentence
from coldstart.report.text import class_resolution_text, percent_text

_ALONE_PX, _CARD_PX = 256, 160


@dataclass(frozen=True, slots=True)
class ClassCard:
    """A class in words and pictures.

    Attributes
    ----------
    number : int
        From 1.
    colour : str
        Of the class in all charts, in CSS.
    count, share : str
        Of its particles.
    resolution : str or None
        As `class_resolution`.
    flags : list of str
        What stands out: "empty", "noise", "flat", "like class 2".
    slices, projections : list of str
        Data URIs along z, y and x.
    posterior, directions : str or None
        Histogram of the class posterior and map of the viewing directions of its particles, as SVG.
    doubtful : str or None
        How many of its particles have a class posterior below MIN_CONFIDENCE.
    symmetry : str or None
        What its map shows of symmetry, in a sentence; None where that was not looked for.
    symmetry_rows : list of SymmetryRow
        The best of the groups that were tried.
    """

    number: int
    colour: str
    count: str
    share: str
    resolution: str | None
    flags: list[str]
    slices: list[str]
    projections: list[str]
    posterior: str | None
    directions: str | None
    doubtful: str | None
    symmetry: str | None
    symmetry_rows: list[SymmetryRow]


def class_cards(result: RunResult) -> list[ClassCard]:
    """A card of each class; the posteriors and directions on it are left out where there is one class alone."""
    return [_card(result, index, flags) for index, flags in enumerate(class_flags(result))]


def class_flags(result: RunResult) -> list[list[str]]:
    """What stands out about each class, in a word or two each."""
    likes: list[list[str]] = [[] for _ in result.volumes]
    for pair in alike_pairs(result):
        likes[pair.first - 1].append(f"like class {pair.second}")
        likes[pair.second - 1].append(f"like class {pair.first}")
    return [[*_own_flags(result, index), *likes[index]] for index in range(len(result.volumes))]


def class_resolution(result: RunResult, index: int) -> str | None:
    """Where the halves of the class's map no longer agree; None where they do nowhere, or were not compared.

    A dash for noise.
    """
    if index >= len(result.classes):
        return None
    report = result.classes[index]
    known = report.is_noise or math.isfinite(report.resolution_angstrom)
    return class_resolution_text(report.resolution_angstrom, is_noise=report.is_noise) if known else None


def is_empty(result: RunResult, index: int) -> bool:
    """Whether particles were posed, and none of them in this class."""
    counts = class_counts(result)
    return sum(counts) > 0 and counts[index] == 0


def _own_flags(result: RunResult, index: int) -> list[str]:
    flags = ["empty"] if is_empty(result, index) else []
    if index < len(result.classes):
        report = result.classes[index]
        flags += ["noise"] if report.is_noise else []
        flags += ["flat"] if report.flatness < FLAT_RATIO and not report.is_noise else []
    return flags


def _card(result: RunResult, index: int, flags: list[str]) -> ClassCard:
    alone = len(result.volumes) == 1
    slices, projections = view_uris(map_views(result.volumes[index], _ALONE_PX if alone else _CARD_PX))
    poses = result.poses.rows(result.poses.class_index == index)
    posterior = poses.class_posterior[:, index]
    shown = len(posterior) > 0 and not alone
    symmetry = result.classes[index].symmetry if index < len(result.classes) else None
    return ClassCard(
        number=index + 1,
        colour=class_css(index),
        count=f"{len(posterior):,}",
        share=percent_text(class_shares(result)[index]),
        resolution=class_resolution(result, index),
        flags=flags,
        slices=slices,
        projections=projections,
        posterior=posterior_svg(posterior, index) if shown else None,
        directions=direction_svg(poses.euler_deg, small=True) if shown else None,
        doubtful=f"{np.count_nonzero(posterior < MIN_CONFIDENCE):,}" if shown else None,
        symmetry=None if symmetry is None else symmetry_sentence(symmetry),
        symmetry_rows=[] if symmetry is None else symmetry_rows(symmetry),
    )
