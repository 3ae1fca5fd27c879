"""Types of the twins, and the layouts of arrays that several of them read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Real = NDArray[np.float64]
Complex = NDArray[np.complex128]

LANES = 8
"""Half rings are padded to a multiple of this, and whole turns repeat as many points."""


def complex_rows(planes: Array) -> Complex:
    """(..., 2, stride) planes as (..., stride) complex128."""
    planes = np.asarray(planes, dtype=np.float64)
    return np.asarray(planes[..., 0, :] + 1j * planes[..., 1, :])


def ring_ends(rings: Array) -> NDArray[np.int64]:
    """Ends of the rings in rows."""
    return np.asarray(rings[:, 0] + -(-rings[:, 1] // LANES) * LANES)
