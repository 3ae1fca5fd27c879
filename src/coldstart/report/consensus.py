"""The page that says how far several starts on the same particles agree."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldstart.model.starts import ConsensusRecord, StartRecord
from coldstart.model.state import SAME_MAP
from coldstart.report.consensus_charts import agreement_chart, pose_chart, tree_chart
from coldstart.report.evolution import map_views
from coldstart.report.pictures import scale_bar, view_uris
from coldstart.report.templates import render_template
from coldstart.report.text import percent_text, resolution_text

_THUMBNAIL_PX = 128


@dataclass(frozen=True, slots=True)
class ConsensusContent:
    """What the page shows.

    Attributes
    ----------
    record : ConsensusRecord
    linkage : (N - 1, 4) float64
        The tree of the starts, as of `scipy.cluster.hierarchy.linkage`.
    volumes : (K, n, n, n) float32, [z, y, x]
        Mean maps of the agreeing starts.
    correlation : (M, K, n // 2) float64
        Fourier shell correlation of the maps of each agreeing start with those of the best.
    members : tuple of int
        These starts, from 0.
    voxel_size_angstrom : float
    finest_angstrom : float
        Finest detail that the starts used.
    source : str
        Where the particles came from.
    agreement : (P,) float64 or None
        Share of the other agreeing starts that give a particle the same pose and class, NaN where unknown.
    """

    record: ConsensusRecord
    linkage: NDArray[np.float64]
    volumes: NDArray[np.float32]
    correlation: NDArray[np.float64]
    members: tuple[int, ...]
    voxel_size_angstrom: float
    finest_angstrom: float
    source: str
    agreement: NDArray[np.float64] | None


def render_consensus(content: ConsensusContent, version: str) -> str:
    """The page as HTML text that refers to nothing outside itself but the starts' reports."""
    record = content.record
    box_angstrom = content.volumes.shape[-1] * content.voxel_size_angstrom
    names = [str(start.number) for start in record.starts]
    charts = [tree_chart(content.linkage, names, 1.0 - SAME_MAP)]
    if content.agreement is not None:
        charts += [
            agreement_chart(
                content.correlation, content.members, record.best - 1, box_angstrom, content.finest_angstrom
            ),
            pose_chart(content.agreement[np.isfinite(content.agreement)]),
        ]
    pictures = [view_uris(map_views(volume, _THUMBNAIL_PX)) for volume in content.volumes]
    return render_template(
        "consensus.html.j2",
        version=version,
        record=record,
        charts=charts,
        source=content.source,
        rows=[(start, _row(start)) for start in record.starts],
        left=any(start.status == "left" for start in record.starts),
        views=[(f"Class {n}", [*slices, *projections]) for n, (slices, projections) in enumerate(pictures, 1)],
        scale_bar=scale_bar(box_angstrom),
        poses="" if record.poses_agreed is None else percent_text(record.poses_agreed),
    )


def _row(start: StartRecord) -> list[str]:
    agrees = "–" if start.agrees_to_angstrom is None else resolution_text(start.agrees_to_angstrom)
    return [str(start.seed), start.status, f"{start.iterations:,}", f"{start.evidence:.2f}", str(start.group), agrees]
