"""How fast memory is at most, copied and in the patterns of slices and of back-projection. Owns kernels/memory.cl.

Slicing and back-projection move much and compute little: what bounds them is the time of a kernel that moves the same
bytes in the same pattern and does next to nothing else (docs/benchmarks.md, "Kernels against the device").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldstart.compute.profile import Launch, required_profile
from coldstart.compute.program import Program
from coldstart.compute.session import Session
from coldstart.engine.rings import FINEST_LEVEL
from coldstart.engine.work import (
    INSERTED_BYTES,
    SLICED_BYTES,
    Planes,
    Visits,
    insertion_visits,
    slicing_visits,
)
from coldstart.model.pose_grid import rotation_grid

COPY_BYTES = 256 * 2**20
"""A buffer that no cache holds."""

INDEX_BYTES = 4
"""The number of a cell, which is read before it."""

VECTOR_BYTES = 16
CPU_BLOCK = 4096
SLICES = 256
REPEATS = 5


def memory_rates(session: Session, launches: Sequence[Launch], planes: Planes) -> dict[str, float]:
    """Bytes read and written, in 1e9 a second.

    Parameters
    ----------
    session : Session
        Opened with `profiling`.
    launches : sequence of Launch
        Among them make_slices and insert_slices, in whose patterns it is measured.
    planes : tuple of PolarPlane
        Of the levels from 0 to the finest one.

    Returns
    -------
    dict of str to float
        Of "copy", from one large buffer to another, "make_slices" and "insert_slices".
    """
    slicing, insertion = slicing_visits(launches, planes), insertion_visits(launches, planes)
    return {
        "copy": copy_rate(session),
        "make_slices": slicing_rate(session, slicing),
        "insert_slices": insertion_rate(session, insertion),
    }


def copy_rate(session: Session) -> float:
    """Bytes read and written, in 1e9 a second, as one large buffer is copied to another.

    Parameters
    ----------
    session : Session
        Opened with `profiling`.
    """
    n = min(COPY_BYTES, session.info.max_alloc_bytes, session.info.global_bytes // 8) // VECTOR_BYTES
    block = _block(session)
    source, target = (session.array(name, (n, 4), np.float32) for name in ("copied from", "copied to"))
    session.zero(source)  # pages that nobody has written to are not in memory
    seconds = _fastest(session, session.program("memory.cl"), "copy_vectors", -(-n // block), source, target, n, block)
    return 1e-9 * 2 * VECTOR_BYTES * n / seconds


def slicing_rate(session: Session, visits: Visits) -> float:
    """Bytes read and written, in 1e9 a second, in the pattern of make_slices."""
    cells, shape, block = visited_cells(visits), (visits.side, visits.side, visits.width), _block(session)
    points = int(cells.shape[1])
    n = points * max(min(visits.slices, session.info.max_alloc_bytes // (VECTOR_BYTES * points)), 1)
    volume = session.zero(session.array("table of cells", shape, np.complex64))
    index, value = session.upload("cells", cells), session.array("values of cells", (n, 4), np.float32)
    seconds = _fastest(
        session, session.program("memory.cl"), "read_cells", -(-n // block), volume, index, value, n, block,
        cells.size, *shape[1:],
    )  # fmt: skip
    return 1e-9 * (SLICED_BYTES + INDEX_BYTES) * n / seconds


def insertion_rate(session: Session, visits: Visits) -> float:
    """Bytes read and written, in 1e9 a second, in the pattern of insert_slices."""
    cells, shape, tuning = visited_cells(visits), (visits.side, visits.side, visits.width), session.tuning
    block = 1 if tuning.atomic else -(-cells.size // tuning.copies)
    accumulator = session.zero(session.array("sums of cells", (tuning.copies, *shape, 3), np.int64))
    seconds = _fastest(
        session, session.program("memory.cl", ATOMIC=int(tuning.atomic)), "add_to_cells", -(-cells.size // block),
        session.upload("cells", cells), accumulator, cells.size, block, *shape[1:],
    )  # fmt: skip
    return 1e-9 * (INSERTED_BYTES + INDEX_BYTES) * cells.size / seconds


def visited_cells(visits: Visits) -> NDArray[np.int32]:
    """(slices, points) int32: index of the lowest corner of the cell of each point of slices all over the sphere.

    The table is taken to be as wide as the last ring needs.
    """
    grid, side = rotation_grid(FINEST_LEVEL), visits.side
    chosen = np.linspace(0, grid.directions, min(visits.slices, SLICES), endpoint=False).astype(np.int64)
    rotations = grid.matrices((chosen * grid.in_plane).astype(np.int32), np.eye(3))[:, None]
    scale = (side // 2 - 2) / visits.rings
    points = visits.plane.points[visits.plane.ring[visits.plane.points] <= visits.rings]
    kx, ky = (scale * visits.plane.frequencies[points]).T
    found = kx[:, None] * rotations[..., 0, :] + ky[:, None] * rotations[..., 1, :]
    found *= np.where(found[..., :1] < 0, -1.0, 1.0)
    x, y, z = np.moveaxis(np.floor(found + np.array([0, side // 2, side // 2])).astype(np.int32), -1, 0)
    return np.asarray((z * side + y) * visits.width + x, dtype=np.int32)


def _block(session: Session) -> int:
    """Vectors or cells in a row that a work-item takes: many on a CPU; on a GPU neighbours read neighbours."""
    return CPU_BLOCK if session.info.kind == "CPU" else 1


def _fastest(session: Session, program: Program, kernel: str, items: int, *args: Any) -> float:
    """Seconds on the device of the fastest of some launches, which are not noted; the first warms up."""
    launches, seconds = required_profile(session.profile).launches, []
    for _ in range(1 + REPEATS):
        program.launch(kernel, (items,), *args)
        seconds.append(launches.pop().seconds)
    return float(min(seconds[1:]))
