"""What the report is made from."""

from dataclasses import dataclass

import numpy as np

from coldstart.model.particles import Ctf
from coldstart.model.state import RunResult
from coldstart.params import AbInitioParams
from coldstart.report.evolution import MapPanels


@dataclass(frozen=True, slots=True)
class ReportContent:
    """A finished run.

    Attributes
    ----------
    name, source : str
        Name of the run, and where the particles came from.
    params : AbInitioParams
    result : RunResult
    panels : tuple of MapPanels
        Pictures of the maps on the way, oldest first.
    ctf : Ctf or None
        CTF of all particles.
    particle_count : int
        Particles in the input.
    wall_seconds, cpu_seconds : float
    peak_host_bytes : int or None
        None where the system does not say.
    version : str
        Of the program.
    """

    name: str
    source: str
    params: AbInitioParams
    result: RunResult
    panels: tuple[MapPanels, ...]
    ctf: Ctf | None
    particle_count: int
    wall_seconds: float
    cpu_seconds: float
    peak_host_bytes: int | None
    version: str

    @property
    def box_angstrom(self) -> float:
        """Side of the box in Å."""
        return float(self.result.volumes.shape[-1] * self.result.pixel_size_angstrom)


def class_counts(result: RunResult) -> list[int]:
    """Posed particles whose most probable class it is, for each class."""
    return [int(count) for count in np.bincount(result.poses.class_index, minlength=len(result.volumes))]


def class_shares(result: RunResult) -> list[float]:
    """Share of the posed particles in each class; 0 where none was posed."""
    counts = class_counts(result)
    return [count / max(sum(counts), 1) for count in counts]
