"""kernels/memory.cl moves what it is timed for."""

import numpy as np
import pytest

from coldstart.engine import reference

SIDE, WIDTH, CELLS = 12, 7, 53


@pytest.fixture
def cell(rng):
    """Cells inside the table, some of them twice."""
    z, y, x = (rng.integers(0, n - 1, CELLS) for n in (SIDE, SIDE, WIDTH))
    return ((z * SIDE + y) * WIDTH + x).astype(np.int32)


@pytest.mark.parametrize("block", [1, 10])
def test_copy_vectors(device_session, rng, block):
    n = 37
    source = rng.standard_normal((n, 4)).astype(np.float32)
    target = device_session.upload("target", np.full((n, 4), np.nan, np.float32))
    device_session.program("memory.cl").launch(
        "copy_vectors", (-(-n // block),), device_session.upload("source", source), target, n, block
    )
    assert np.array_equal(device_session.download(target), reference.copy_vectors(source))


@pytest.mark.parametrize("block", [1, 10])
@pytest.mark.parametrize("n", [CELLS, 3 * CELLS - 5])
def test_read_cells(device_session, rng, cell, n, block):
    parts = rng.standard_normal((SIDE, SIDE, WIDTH, 2)).astype(np.float32)
    volume = np.ascontiguousarray(parts).view(np.complex64)[..., 0]
    value = device_session.upload("value", np.full((n, 4), np.nan, np.float32))
    device_session.program("memory.cl").launch(
        "read_cells", (-(-n // block),), device_session.upload("volume", volume), device_session.upload("cell", cell),
        value, n, block, CELLS, SIDE, WIDTH,
    )  # fmt: skip
    np.testing.assert_allclose(device_session.download(value), reference.read_cells(volume, cell, n), atol=1e-5)


@pytest.mark.parametrize(("copies", "atomic"), [(1, 0), (3, 0), (1, 1)])
def test_add_to_cells(device_session, rng, cell, copies, atomic):
    before = rng.integers(0, 1000, (copies, SIDE, SIDE, WIDTH, 3))
    accumulator = device_session.upload("accumulator", before)
    block = 4 if atomic else -(-CELLS // copies)
    device_session.program("memory.cl", ATOMIC=atomic).launch(
        "add_to_cells", (-(-CELLS // block),), device_session.upload("cell", cell), accumulator, CELLS, block, SIDE,
        WIDTH,
    )  # fmt: skip
    expected = reference.add_to_cells(cell, before.sum(axis=0))
    assert np.array_equal(device_session.download(accumulator).sum(axis=0), expected)
