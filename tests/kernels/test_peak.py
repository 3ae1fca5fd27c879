"""kernels/peak.cl does the multiply-adds that it is timed for."""

import numpy as np
import pytest

from coldstart.engine import reference


@pytest.mark.parametrize("width", [1, 4, 8, 16])
@pytest.mark.parametrize("chains", [1, 12])
def test_multiply_add_chains(device_session, width, chains):
    items, rounds, factor, addend = 5, 7, 0.75, 0.5
    sums = device_session.upload("sums", np.full((items, width), np.nan, np.float32))
    built = device_session.program("peak.cl", WIDTH=width, CHAINS=chains, MULADD=device_session.tuning.muladd)
    built.launch("multiply_add_chains", (items,), sums, rounds, factor, addend)
    expected = reference.multiply_add_chains(items, rounds, factor, addend, width, chains)
    np.testing.assert_allclose(device_session.download(sums), expected, rtol=1e-6)
