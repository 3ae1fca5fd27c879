"""The page of two halves that were separate from the start."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldstart.model.half_report import HalfReport
from coldstart.model.halves import HalvesRecord
from coldstart.report.advice import Advice
from coldstart.report.evolution import map_views
from coldstart.report.half_charts import halves_chart
from coldstart.report.pictures import scale_bar, view_uris
from coldstart.report.templates import render_template

_THUMBNAIL_PX = 128


@dataclass(frozen=True, slots=True)
class HalvesContent:
    """What the page shows.

    Attributes
    ----------
    record : HalvesRecord
    volumes : (M, n, n, n) float32, [z, y, x]
        The mean map of each class; where the halves disagree the maps of the first, then those of the second.
    voxel_size_angstrom : float
    reports : tuple of HalfReport
        Of each class; none where the halves disagree.
    finest_angstrom : float
        Finest detail that was used.
    source : str
        Where the particles came from.
    advice : tuple of Advice
        On the mean maps.
    notes : tuple of str
        On the particles.
    """

    record: HalvesRecord
    volumes: NDArray[np.float32]
    voxel_size_angstrom: float
    reports: tuple[HalfReport, ...]
    finest_angstrom: float
    source: str
    advice: tuple[Advice, ...]
    notes: tuple[str, ...] = ()


def render_halves(content: HalvesContent, version: str) -> str:
    """The page as HTML text that refers to nothing outside itself but the reports of the halves."""
    record = content.record
    box_angstrom = content.volumes.shape[-1] * content.voxel_size_angstrom
    particles = [f"{count:,}" for count in record.particles]
    pictures = [view_uris(map_views(volume, _THUMBNAIL_PX)) for volume in content.volumes]
    return render_template(
        "halves.html.j2",
        version=version,
        record=record,
        charts=[halves_chart(report, box_angstrom, content.finest_angstrom) for report in content.reports],
        views=list(zip(_names(record), [[*slices, *projections] for slices, projections in pictures], strict=True)),
        classes=len(record.similarity),
        source=content.source,
        advice=content.advice,
        notes=content.notes,
        scale_bar=scale_bar(box_angstrom),
        rows=list(zip(record.folders, record.seeds, particles, record.status, record.iterations, strict=True)),
    )


def _names(record: HalvesRecord) -> list[str]:
    """Of the maps: of each class, and of each half where they are not put together."""
    classes = [f"class {number}" for number in range(1, len(record.similarity) + 1)]
    if record.agree:
        return [name.capitalize() for name in classes]
    return [f"Half {half}, {name}" if len(classes) > 1 else f"Half {half}" for half in (1, 2) for name in classes]
