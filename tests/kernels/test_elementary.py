"""Elementary functions of kernels/elementary.h beside NumPy's."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyopencl as cl
import pytest

from coldstart.compute.program import BUILD_OPTIONS, kernel_source

VECTORS = "exponential", "logarithm", "sine", "cosine"
SOURCE = "".join(
    f"""
__kernel void {name}_all(__global const float *x, __global float *y)
{{
    const int i = VW * (int)get_global_id(0);
    STORE({name}(LOAD(x + i)), y + i);
}}
"""
    for name in VECTORS
) + "".join(
    f"__kernel void {name}_all(__global const float *x, __global float *y) {{ const int i = (int)get_global_id(0); "
    f"y[i] = {name}(x[i]); }}\n"
    for name in ("reciprocal", "root")
)


@dataclass
class Functions:
    """The functions built for vectors of one width."""

    session: Any
    width: int

    def __post_init__(self) -> None:
        options = [*BUILD_OPTIONS, f"-DVW={self.width}", f"-DMULADD={self.session.tuning.muladd}"]
        source = kernel_source("elementary.h") + SOURCE
        self.program = cl.Program(self.session._context, source).build(options=options)

    def __call__(self, name: str, x: np.ndarray) -> np.ndarray:
        at = self.session.upload("x", x.astype(np.float32))
        y = self.session.upload("y", np.full(x.shape, np.nan, np.float32))
        items = len(x) // (self.width if name in VECTORS else 1)
        cl.Kernel(self.program, f"{name}_all")(self.session._queue, (items,), None, at.buffer, y.buffer)
        found: np.ndarray = self.session.download(y)
        return found


@pytest.fixture(params=[1, 4, 8])
def functions(device_session, request):
    return Functions(device_session, request.param)


def in_last_places(found, x, exact):
    """Largest error in units of the last place."""
    expected = exact(x.astype(np.float64))
    return (np.abs(found - expected) / np.spacing(np.abs(expected).astype(np.float32))).max()


@pytest.mark.parametrize(
    ("name", "exact", "low", "high"),
    [("exponential", np.exp, -87, 88), ("logarithm", np.log, 1e-37, 1e-30), ("logarithm", np.log, 0.3, 3),
     ("logarithm", np.log, 1, 3e38), ("reciprocal", np.reciprocal, 1e-37, 1), ("reciprocal", np.reciprocal, 1, 8e37),
     ("root", np.sqrt, 1e-37, 1e-30), ("root", np.sqrt, 0, 4), ("root", np.sqrt, 1, 3e38)],
)  # fmt: skip
def test_within_two_units_in_the_last_place(functions, rng, name, exact, low, high):
    x = np.append(rng.uniform(low, high, 4096 - 2), [max(low, 1e-37) if name != "exponential" else low, high])
    assert in_last_places(functions(name, x), x.astype(np.float32), exact) < 2


@pytest.mark.parametrize("reach", [0.5, 10, 1000])
def test_sine_and_cosine(functions, rng, reach):
    x = rng.uniform(-reach, reach, 4096).astype(np.float32)
    for name, exact in ("sine", np.sin), ("cosine", np.cos):
        assert np.abs(functions(name, x) - exact(x.astype(np.float64))).max() < 1e-7


def test_at_the_ends_of_the_range(functions):
    least = float(np.finfo(np.float32).min)
    for name, x, expected in (
        ("exponential", least, 0.0), ("exponential", -88.0, 0.0), ("exponential", 0.0, 1.0),
        ("exponential", np.nan, np.nan), ("logarithm", 0.0, -np.inf), ("logarithm", 1.0, 0.0), ("root", 0.0, 0.0),
    ):  # fmt: skip
        np.testing.assert_array_equal(functions(name, np.full(8, x)), np.full(8, expected, np.float32))


def test_powers_of_two_are_exact(functions):
    powers = 2.0 ** np.arange(-64, 64, 2)
    np.testing.assert_array_equal(functions("reciprocal", powers), 1 / powers)
    np.testing.assert_array_equal(functions("root", powers), np.sqrt(powers))
