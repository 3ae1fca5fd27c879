"""kernels/peak.cl does the multiply-adds that it is timed for, at any width."""

import numpy as np
import pytest

from coldstart.engine import reference


@pytest.mark.parametrize("width", [1, 4, 8, 16])
@pytest.mark.parametrize("chains", [1, 12])
def test_multiply_add_chains(kernels, width, chains):
    given = 5, 7, 0.75, 0.5, width, chains
    expected = reference.multiply_add_chains(*given)
    np.testing.assert_allclose(kernels.multiply_add_chains(*given), expected, rtol=1e-6)
