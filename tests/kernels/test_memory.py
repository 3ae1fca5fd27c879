"""Where a work-item has a copy of its own, copies add up to the sum that one copy would hold."""

import numpy as np

from coldstart.engine import reference
from coldstart.engine.selftest.inputs import cells_of_a_table

SIDE, WIDTH, CELLS, COPIES = 12, 7, 53, 3


def test_copies_add_up(device_session, rng):
    before = rng.integers(0, 1000, (COPIES, SIDE, SIDE, WIDTH, 3))
    cell = cells_of_a_table(rng, SIDE, WIDTH, CELLS)
    sums, block = device_session.upload("sums", before), -(-CELLS // COPIES)
    device_session.program("memory.cl", ATOMIC=0).launch(
        "add_to_cells", (COPIES,), device_session.upload("cell", cell), sums, CELLS, block, SIDE, WIDTH
    )
    expected = reference.add_to_cells(cell, before.sum(axis=0))
    assert np.array_equal(device_session.download(sums).sum(axis=0), expected)
