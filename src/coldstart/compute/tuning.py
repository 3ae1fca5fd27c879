"""Tile sizes and vector widths by type of device.

CPUs run work-groups of one item with explicit vectors and no local memory; GPUs one float an item.
"""

from __future__ import annotations

from dataclasses import dataclass

from coldstart.compute.device import DeviceInfo


@dataclass(frozen=True, slots=True)
class Tuning:
    """Macros of the kernels.

    Attributes
    ----------
    vector_width : int
        VW, floats in a vector.
    score_rows, score_columns : int
        TM and TN, shifts and rotations in a work-item's tile of the score product.
    chunk : int
        CHUNK, coefficients that a work-item holds at a time.
    muladd : int
        1 where `a*b+c` is one instruction and `fma()` is a slow library call.
    copies : int
        Private accumulators of the back-projection.
    atomic : bool
        Whether work-items share an accumulator and add atomically, as on GPUs.
    """

    vector_width: int
    score_rows: int
    score_columns: int
    chunk: int
    muladd: int
    copies: int
    atomic: bool


def tuning_for(info: DeviceInfo) -> Tuning:
    """The preset for a device.

    PoCL's fma() is a call into a library built for another instruction set where its compiler is older than the CPU,
    and vectors of 16 are then passed wrongly; vectors of 8 and contracted products work on every x86 CPU with AVX2.
    """
    if info.kind == "CPU":
        width = 8 if info.vector_width >= 8 else 4
        return Tuning(
            vector_width=width,
            score_rows=4,
            score_columns=3 * width,
            chunk=32,
            muladd=int(info.is_pocl),
            copies=min(info.compute_units, 16),
            atomic=False,
        )
    return Tuning(vector_width=1, score_rows=4, score_columns=1, chunk=16, muladd=0, copies=1, atomic=True)
