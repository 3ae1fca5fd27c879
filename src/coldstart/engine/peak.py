"""What a device can do at most, and NumPy beside it: the measures of the kernels. Owns kernels/peak.cl."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import numpy as np

from coldstart.compute.profile import required_profile
from coldstart.compute.session import Session

CHAINS = 12
WIDTHS = (1, 4, 8, 16)
LEAST_SECONDS = 2e-3
REPEATS = 5
COLUMNS = 8192


@dataclass(frozen=True, slots=True)
class MatrixProduct:
    """A product of float32 matrices by NumPy.

    Attributes
    ----------
    gflops : float
        1e9 floating-point operations a second.
    cores : float
        Processor seconds a second: how many cores NumPy's library kept busy.
    """

    gflops: float
    cores: float


def device_peak_gflops(session: Session) -> float:
    """Multiply-adds on registers that all units of a device do, in 1e9 floating-point operations a second.

    Parameters
    ----------
    session : Session
        Opened with `profiling`.
    """
    profile, info = required_profile(session.profile), session.info
    width = max(w for w in WIDTHS if w <= max(info.vector_width, 1))
    items = info.compute_units * (4 if info.kind == "CPU" else 2048)
    program = session.program("peak.cl", WIDTH=width, CHAINS=CHAINS, MULADD=session.tuning.muladd)
    sums = session.array("peak", (items, width), np.float32)

    def seconds(rounds: int) -> float:
        program.launch("multiply_add_chains", (items,), sums, items, rounds, 0.999, 0.001)
        return profile.launches.pop().seconds

    rounds = 1024
    while seconds(rounds) < LEAST_SECONDS:
        rounds *= 2
    fastest = min(seconds(rounds) for _ in range(REPEATS))
    return 2e-9 * rounds * CHAINS * width * items / fastest


def numpy_product(rows: int, inner: int) -> MatrixProduct:
    """NumPy's rate for (rows, inner) times (inner, COLUMNS) in float32, the best of some repeats."""
    rng = np.random.default_rng(0)
    left, right = (rng.standard_normal(shape, dtype=np.float32) for shape in ((rows, inner), (inner, COLUMNS)))
    out = left @ right
    repeats = max(1, int(LEAST_SECONDS * 5e10 / (2.0 * out.size * inner)))
    best = (np.inf, 0.0)
    for _ in range(REPEATS):
        wall, busy = time.perf_counter(), time.process_time()
        for _ in range(repeats):
            np.matmul(left, right, out=out)
        best = min(best, (time.perf_counter() - wall, time.process_time() - busy))
    flop = 2e-9 * repeats * out.size * inner
    return MatrixProduct(flop / best[0], min(best[1] / best[0], float(os.cpu_count() or 1)))
