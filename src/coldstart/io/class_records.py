"""What `summary.json` says of each class: how its map came out, and how far it can be trusted."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from coldstart.io.json_records import finite_or_nan, known_fields, number_row
from coldstart.model.half_report import HalfReport
from coldstart.model.orientation_report import Evenness, OrientationReport
from coldstart.model.symmetry_report import SymmetryReport

_CANDIDATES = 6


@dataclass(frozen=True, slots=True)
class HalfSummary:
    """How far the half maps agree, in `summary.json`.

    Attributes
    ----------
    independent : bool
        False where all particles were posed on one map: the figures flatter.
    masked_0143_angstrom, masked_05_angstrom, unmasked_0143_angstrom, unmasked_05_angstrom : float
        Where the correlation falls below 0.143 and 0.5, inside the mask and in the whole box; the finest detail that
        was used where it does not.
    mask_share : float
        Share of the box inside the mask.
    masked, unmasked : tuple of float
        Fourier shell correlation at 0, 1, ... cycles a box.
    """

    independent: bool
    masked_0143_angstrom: float
    masked_05_angstrom: float
    unmasked_0143_angstrom: float
    unmasked_05_angstrom: float
    mask_share: float
    masked: tuple[float, ...] = ()
    unmasked: tuple[float, ...] = ()

    @classmethod
    def of(cls, report: HalfReport, box_angstrom: float, finest_angstrom: float) -> "HalfSummary":
        """Of the halves of one class, in a box, to the finest detail that was used."""

        def at(threshold: float, masked: bool) -> float:
            return report.resolution_angstrom(threshold, box_angstrom, finest_angstrom, masked=masked)

        return cls(
            independent=report.independent,
            masked_0143_angstrom=at(0.143, True),
            masked_05_angstrom=at(0.5, True),
            unmasked_0143_angstrom=at(0.143, False),
            unmasked_05_angstrom=at(0.5, False),
            mask_share=report.mask_share,
            masked=tuple(report.masked.tolist()),
            unmasked=tuple(report.unmasked.tolist()),
        )


@dataclass(frozen=True, slots=True)
class CandidateSummary:
    """A point group that was tried on a map.

    Attributes
    ----------
    group : str
    correlation : float
        Of the map with itself, under the operator of the group for which it is least.
    axis : tuple of float
        Direction x, y, z of an axis of the highest fold, in the map's frame.
    """

    group: str
    correlation: float
    axis: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SymmetrySummary:
    """What a map shows of symmetry, in `summary.json`.

    Attributes
    ----------
    group : str
        "C1" where no group holds.
    is_conclusive : bool
        False where the map is too coarse to tell.
    candidates : tuple of CandidateSummary
        The best of the groups that were tried, those that hold first.
    """

    group: str
    is_conclusive: bool
    candidates: tuple[CandidateSummary, ...] = ()

    @classmethod
    def of(cls, report: SymmetryReport) -> "SymmetrySummary":
        """Of a whole report, whose first candidates are kept."""
        kept = report.candidates[:_CANDIDATES]
        candidates = (CandidateSummary(entry.group, entry.correlation, tuple(entry.axis.tolist())) for entry in kept)
        return cls(report.group, report.is_conclusive, tuple(candidates))


@dataclass(frozen=True, slots=True)
class OrientationSummary:
    """How evenly the map is known in all directions, in `summary.json`; see `OrientationReport`.

    Attributes
    ----------
    misses_views : bool
        Whether some direction is known much less than others.
    efficiency, compensation, filled, least_sampling, main_density, cone_ratio : float
    least_axis, main_view, worst_axis : tuple of float
        Directions x, y, z in the map's frame.
    worst_angstrom, best_angstrom : float
        Where the halves no longer correlate by 0.143 in the cones that are resolved worst and best.
    drawn : Evenness or None
        Of the views as balancing draws them; None where it does not.
    """

    misses_views: bool
    efficiency: float
    compensation: float
    filled: float
    least_sampling: float
    least_axis: tuple[float, ...]
    main_view: tuple[float, ...]
    main_density: float
    cone_ratio: float
    worst_axis: tuple[float, ...]
    worst_angstrom: float
    best_angstrom: float
    drawn: Evenness | None = None

    @classmethod
    def of(cls, report: OrientationReport, box_angstrom: float) -> "OrientationSummary":
        """Of one class, in a box."""
        plain_values = {item.name: getattr(report, item.name) for item in fields(cls) if hasattr(report, item.name)}
        own = {name: _components(value) for name, value in plain_values.items()}
        worst, best = (box_angstrom / max(radius, 1.0) for radius in (report.worst_radius, report.best_radius))
        return cls(**own, **asdict(report.views), worst_angstrom=worst, best_angstrom=best)


@dataclass(frozen=True, slots=True)
class ClassSummary:
    """A class in `summary.json`; a figure that an earlier version did not write is None.

    Attributes
    ----------
    number : int
        From 1.
    resolution_angstrom : float or None
        Where the correlation of the halves of its map falls below 0.5; None where it does not.
    particle_share : float
        Share of the particles that have a pose.
    particles : int or None
        How many they are.
    flatness : float or None
        Least over middle mean squared extent of the map: near 1 a ball or a rod, small a disc.
    is_noise : bool
        True where the halves of the map do not even agree at the initial resolution, or noise alone explains its images
        better than the map does.
    halves : HalfSummary or None
        How far its half maps agree.
    symmetry : SymmetrySummary or None
        What the map shows of symmetry; None where some was imposed, or the map is noise.
    orientation : OrientationSummary or None
        How evenly the map is known in all directions; None where it is noise.
    """

    number: int
    resolution_angstrom: float | None
    particle_share: float
    particles: int | None = None
    flatness: float | None = None
    is_noise: bool = False
    halves: HalfSummary | None = None
    symmetry: SymmetrySummary | None = None
    orientation: OrientationSummary | None = None


def class_summary(entry: Mapping[str, Any]) -> ClassSummary:
    """A class from its entry in `summary.json`."""
    known = known_fields(ClassSummary, {"number" if key == "class" else key: entry[key] for key in entry})
    halves, shown = known.get("halves"), known.get("symmetry")
    known["halves"] = None if halves is None else _half_summary(halves)
    known["symmetry"] = None if shown is None else _symmetry_summary(shown)
    views = known.get("orientation")
    known["orientation"] = None if views is None else _orientation_summary(views)
    return ClassSummary(**known)


def _orientation_summary(record: Mapping[str, Any]) -> OrientationSummary:
    known = finite_or_nan(known_fields(OrientationSummary, record))
    axes = {name: number_row(known[name]) for name in ("least_axis", "main_view", "worst_axis")}
    drawn = record.get("drawn")
    known["drawn"] = None if drawn is None else Evenness(**finite_or_nan(known_fields(Evenness, drawn)))
    return OrientationSummary(**{**known, **axes})


def _components(value: Any) -> Any:
    """The components of a vector; anything else as it is."""
    return tuple(value.tolist()) if isinstance(value, np.ndarray) else value


def _half_summary(record: Mapping[str, Any]) -> HalfSummary:
    known = known_fields(HalfSummary, record)
    curves = {name: number_row(known.get(name, ())) for name in ("masked", "unmasked")}
    return HalfSummary(**{**finite_or_nan(known), **curves})


def _symmetry_summary(record: Mapping[str, Any]) -> SymmetrySummary:
    known = known_fields(SymmetrySummary, record)
    candidates = (known_fields(CandidateSummary, entry) for entry in known.get("candidates", ()))
    known["candidates"] = tuple(
        CandidateSummary(**{**entry, "axis": number_row(entry["axis"])}) for entry in candidates
    )
    return SymmetrySummary(**known)
