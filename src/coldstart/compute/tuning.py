"""Tile sizes and vector widths by type of device: a preset, or what `coldstart devices --tune` has measured here.

CPUs run work-groups of one item with explicit vectors and no local memory; GPUs one float an item. A work-item of the
score kernel holds 52 * TM + 144 vectors of VW floats, of which a GPU's registers should hold the most; one of the cell
kernels holds 2 * CHUNK floats. The presets of GPUs were not measured; they are such that no kernel spills registers to
memory on their makers' devices (docs/devices.md).
"""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass, replace

from coldstart.compute.device import DeviceInfo
from coldstart.compute.tuning_cache import MEASURED, read_measured, write_measured

VECTOR_WIDTHS = (1, 4, 8)
SCORE_ROWS = (1, 4, 8)
CHUNKS = (8, 16, 32, 64)
"""What the kernels can be built with."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """Macros of the kernels.

    Attributes
    ----------
    vector_width : int
        VW, floats in a vector.
    score_rows : int
        TM, shifts in a work-item's tile of the score product.
    chunk : int
        CHUNK, points that a work-item holds at a time; a multiple of the vector width.
    muladd : int
        1 where `a*b+c` is one instruction and `fma()` is a slow library call.
    copies : int
        Private accumulators of the back-projection.
    atomic : bool
        Whether work-items share an accumulator and add atomically, as on GPUs.
    """

    vector_width: int
    score_rows: int
    chunk: int
    muladd: int
    copies: int
    atomic: bool

    @property
    def of_bits(self) -> str:
        """What may change the bits of a result; how sums are shared among work-items does not."""
        return f"VW={self.vector_width} TM={self.score_rows} CHUNK={self.chunk} MULADD={self.muladd}"


@dataclass(frozen=True, slots=True)
class Preset:
    """Tile sizes for one type of device.

    Attributes
    ----------
    name : str
    cpu : bool
        Whether it is for CPUs.
    words : tuple of str
        One of them is part of the names of the device and its platform; none where any name will do.
    native_width : int
        Least number of floats in a native vector.
    vector_width, score_rows, chunk : int
        As in `Tuning`.
    """

    name: str
    cpu: bool
    words: tuple[str, ...]
    native_width: int
    vector_width: int
    score_rows: int
    chunk: int


# PoCL passes vectors of 16 floats wrongly between functions where its compiler is older than the CPU: 8 is the most.
PRESETS = (
    Preset("CPU with AVX2 or AVX-512", True, (), 8, 8, 4, 32),
    Preset("CPU with SSE or NEON", True, (), 1, 4, 4, 32),
    Preset("NVIDIA GPU", False, ("nvidia", "geforce", "tesla", "quadro"), 1, 1, 4, 16),
    Preset("AMD GPU", False, ("amd", "advanced micro devices", "radeon", "gfx"), 1, 1, 4, 16),
    Preset("Intel GPU", False, ("intel",), 1, 1, 1, 8),
    Preset("Apple GPU", False, ("apple",), 1, 1, 1, 16),
    Preset("other GPU", False, (), 1, 1, 1, 16),
)
"""The first that fits a device is its preset."""


def preset_for(info: DeviceInfo) -> Preset:
    """The preset for a device's type."""
    names = f"{info.platform} {info.name}".lower()
    return next(
        preset
        for preset in PRESETS
        if preset.cpu == (info.kind == "CPU")
        and info.vector_width >= preset.native_width
        and (not preset.words or any(word in names for word in preset.words))
    )


def preset_tuning(info: DeviceInfo) -> Tuning:
    """What a device's preset says.

    PoCL's fma() is a call into a library built for another instruction set where its compiler is older than the CPU;
    contracted products work on every x86 CPU with AVX2.
    """
    preset, cpu = preset_for(info), info.kind == "CPU"
    return Tuning(
        vector_width=preset.vector_width,
        score_rows=preset.score_rows,
        chunk=preset.chunk,
        muladd=int(cpu and info.is_pocl),
        copies=min(info.compute_units, 16) if cpu else 1,
        atomic=not cpu,
    )


def tuning_for(info: DeviceInfo) -> Tuning:
    """What was measured on a device with its present driver and kernels, or else its preset.

    Nothing is measured here. Values that no kernel can be built with are ignored, with a warning.
    """
    return _measured_tuning(info) or preset_tuning(info)


def is_tuned(info: DeviceInfo) -> bool:
    """Whether `tuning_for` returns what was measured."""
    return _measured_tuning(info) is not None


def keep_tuning(info: DeviceInfo, tuning: Tuning) -> str:
    """Let this be the tuning of a device from now on; returns the file that says so.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    return str(write_measured(info, {name: asdict(tuning)[name] for name in MEASURED}))


def fits_kernels(tuning: Tuning) -> bool:
    """Whether kernels can be built with it."""
    known = tuning.vector_width in VECTOR_WIDTHS and tuning.score_rows in SCORE_ROWS and tuning.chunk in CHUNKS
    return known and tuning.chunk % tuning.vector_width == 0


def _measured_tuning(info: DeviceInfo) -> Tuning | None:
    values = read_measured(info)
    if values is None:
        return None
    tuning = replace(
        preset_tuning(info),
        vector_width=values["vector_width"],
        score_rows=values["score_rows"],
        chunk=values["chunk"],
    )
    if not fits_kernels(tuning):
        warnings.warn(
            f"the measured tuning of {info.label} holds values that no kernel can be built with ({values}); "
            "its preset is used. Tune it again: coldstart devices --tune",
            stacklevel=2,
        )
        return None
    return tuning
