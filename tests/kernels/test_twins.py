"""Every kernel computes what its NumPy twin says, and the same bytes each time."""

import re
from pathlib import Path

import numpy as np
import pytest

from coldstart.engine.selftest.check import SEED
from coldstart.engine.selftest.comparisons import COMPARISONS, judge
from coldstart.engine.selftest.kernels import MACROS


@pytest.mark.parametrize("comparison", COMPARISONS, ids=lambda comparison: comparison.name)
def test_kernel_and_twin(kernels, case, comparison, record_property):
    outcome = comparison.run(kernels, case, np.random.default_rng(SEED))
    record_property("kernels", ", ".join(comparison.kernels))
    record_property("of_tolerance", outcome.of_tolerance)
    assert outcome.agrees, f"largest error {outcome.largest_error:.3g}, {outcome.of_tolerance:.3g} times the tolerance"
    again = comparison.run(kernels, case, np.random.default_rng(SEED))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(outcome.found, again.found, strict=True))


def test_every_kernel_is_compared_once(repository: Path):
    defined = {
        (path.name, kernel)
        for path in (repository / "kernels").glob("*.cl")
        for kernel in re.findall(r"__kernel void (\w+)", path.read_text(encoding="utf-8"))
    }
    compared = [(comparison.file, kernel) for comparison in COMPARISONS for kernel in comparison.kernels]
    assert sorted(compared) == sorted(defined)
    assert set(MACROS) == {file for file, _ in defined}


def test_what_differs_is_seen():
    expected = (np.array([1.0, 100.0]), np.array([0, 1]))
    same = np.array([1.0, 100.0], np.float32), np.array([0, 1], np.int32)
    assert judge(same, expected, 0.0, 0.0).agrees
    near = judge((same[0] + [0.001, 0.1], same[1]), expected, 1e-4, 2e-3)
    assert near.agrees
    assert near.largest_error == pytest.approx(0.1)
    assert near.of_tolerance == pytest.approx(0.1 / 0.2001)
    assert not judge((same[0] + [0.0, 0.3], same[1]), expected, 1e-4, 2e-3).agrees
    assert not judge((same[0], same[1] + [1, 0]), expected, 0.0, 0.5).agrees
    assert not judge((same[0] * [1, np.nan], same[1]), expected, 1.0, 1.0).agrees
    assert not judge((same[0][:1], same[1]), expected, 1.0, 1.0).agrees
