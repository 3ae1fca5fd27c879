"""What a check of particles found before a run: frozen records for the command line, scripts and the plugin."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Severity = Literal["error", "warning", "note"]

ERROR = 2
"""Exit code of a report with errors."""

_EXIT_CODES: dict[Severity, int] = {"note": 0, "warning": 1, "error": ERROR}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with the particles, or worth knowing.

    Attributes
    ----------
    check : str
        Short name of the check, the same in every version: "contrast", "duplicates" ...
    severity : {"error", "warning", "note"}
        A run of this input fails or misleads; may; does not.
    message : str
        What was found, with its figures.
    remedy : str
        What to do, with the flag that does it; may be empty for a note.
    rows : tuple of int
        Particle rows concerned, from 0, where the finding is about some alone.
    """

    check: str
    severity: Severity
    message: str
    remedy: str = ""
    rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class CtfFacts:
    """The CTF columns in short.

    Attributes
    ----------
    defocus_angstrom : (float, float)
        Smallest and largest mean defocus of a particle.
    voltage_kv, cs_mm, amplitude_contrast : tuple of float
        The values that occur, ascending.
    has_phase_shift : bool
        Whether any particle has a phase shift.
    """

    defocus_angstrom: tuple[float, float]
    voltage_kv: tuple[float, ...]
    cs_mm: tuple[float, ...]
    amplitude_contrast: tuple[float, ...]
    has_phase_shift: bool


@dataclass(frozen=True, slots=True)
class ImageStatistics:
    """What a sample of the images looks like, for pictures and curves.

    Attributes
    ----------
    rows : (n,) int64
        Particle rows of `images`.
    images : (n, box, box) float32
        A few images, background mean 0 and variance 1.
    average : (box, box) float32
        Mean of the whole sample without any alignment, in the same unit.
    frequency_per_angstrom : (S,) float64
        Spatial frequencies of `power`, ascending, without 0.
    power : (S,) float64
        Mean power of a Fourier coefficient at these frequencies; white noise of variance 1 has power 1.
    ctf_squared : (S,) float64 or None
        Mean squared CTF of the table at these frequencies; None without CTF.
    diameter_angstrom : float or None
        Diameter of the particle as the images show it; None where they do not.
    sample_size : int
        Images that the figures come from.
    """

    rows: NDArray[np.int64]
    images: NDArray[np.float32]
    average: NDArray[np.float32]
    frequency_per_angstrom: NDArray[np.float64]
    power: NDArray[np.float64]
    ctf_squared: NDArray[np.float64] | None
    diameter_angstrom: float | None
    sample_size: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run of these particles with these parameters will need.

    Attributes
    ----------
    device_name : str
    classes : int
    initial_minibatch, final_minibatch : int
        Images in an early and in a late iteration.
    iterations : int
        At most.
    device_bytes, host_bytes : int
        Most memory in use at once, on the device and of the process.
    device_capacity_bytes : int
        Memory of the device.
    seconds : (float, float)
        From and to which the run will take, by the clock.
    """

    device_name: str
    classes: int
    initial_minibatch: int
    final_minibatch: int
    iterations: int
    device_bytes: int
    host_bytes: int
    device_capacity_bytes: int
    seconds: tuple[float, float]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Particles as they are, what is wrong with them, and what a run will need.

    Attributes
    ----------
    source : str
        The file that was checked.
    count, box_px : int
        Particles, and side of their images; 0 where the file cannot be read.
    pixel_size_angstrom : float
        That a run would use; 0 where the file cannot be read.
    ctf : CtfFacts or None
        None where the images carry no CTF.
    findings : tuple of Finding
        The gravest first.
    statistics : ImageStatistics or None
        None where no image can be read.
    forecast : Forecast or None
        None where the run cannot be foreseen: no device, or no readable particles.
    """

    source: str
    count: int
    box_px: int
    pixel_size_angstrom: float
    ctf: CtfFacts | None
    findings: tuple[Finding, ...] = ()
    statistics: ImageStatistics | None = None
    forecast: Forecast | None = None

    @property
    def exit_code(self) -> int:
        """0 for clean particles, 1 with warnings, 2 with errors."""
        return max((_EXIT_CODES[finding.severity] for finding in self.findings), default=0)
