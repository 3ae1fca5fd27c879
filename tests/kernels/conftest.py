"""The kernels on every OpenCL device that is found, under the names and arguments of their NumPy twins."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest

from coldstart.compute.device import DeviceInfo, is_emulator, list_devices
from coldstart.compute.session import Session, open_session
from coldstart.engine import reference
from coldstart.engine.selftest.kernels import DeviceKernels
from coldstart.engine.selftest.sample import Sample, make_sample


@dataclass(frozen=True)
class Case(Sample):
    """A sample whose entries can be made to stand out."""

    def poisoned(self, values: np.ndarray, entries: np.ndarray | slice) -> np.ndarray:
        """A copy with 1e6 in some entries of its rows."""
        out = values.copy()
        out[..., entries] = 1e6
        return out


SHAPES: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "flat": lambda rng, n: np.zeros(n),
    "narrow": lambda rng, n: rng.normal(-300, 0.3, n),
    "wide": lambda rng, n: rng.normal(-300, 5, n),
    "wider": lambda rng, n: rng.normal(-300, 8, n),
    "ramp": lambda rng, n: -0.01 * np.arange(n),
    "rising ramp": lambda rng, n: 0.1 * np.arange(n),
    "peak first": lambda rng, n: np.append(0.0, np.full(n - 1, -9.0)),
    "peak last": lambda rng, n: np.append(np.full(n - 1, -9.0), 0.0),
    "two levels": lambda rng, n: np.where(np.arange(n) % 10, -2.0, 0.0),
    "on the bins' edges": lambda rng, n: -reference.RANGE / reference.BINS * rng.integers(0, 200, n),
    "exponential": lambda rng, n: -rng.exponential(3.0, n),
}


@pytest.fixture(params=SHAPES)
def shape(request: pytest.FixtureRequest) -> Callable[[np.random.Generator, int], np.ndarray]:
    """Log weights of a row, in turn of every shape."""
    return SHAPES[request.param]


@pytest.fixture
def rows_of_all_shapes(rng: np.random.Generator) -> Callable[[list[int]], tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rows of every shape and length, with offsets up to the ends of their range: row_start, offset, value."""

    def make(lengths: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows = [of_shape(rng, n) for of_shape in SHAPES.values() for n in lengths]
        offset = rng.random(len(rows), dtype=np.float32)
        offset[::5], offset[1::5] = 0.0, np.float32(1 - 2.0**-24)
        start = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int32)
        return start, offset, np.concatenate(rows).astype(np.float32)

    return make


ASKED_FOR = os.environ.get("COLDSTART_TEST_DEVICE")
"""Part of the name, platform or driver of the only devices to test, emulators too, which are else left out."""


def is_tested(info: DeviceInfo) -> bool:
    text = f"{info.label} {info.driver}"
    return info.usable and (ASKED_FOR in text if ASKED_FOR else not is_emulator(info))


USABLE = [info for info in list_devices() if is_tested(info)]
NO_DEVICE = pytest.param(None, marks=pytest.mark.skip(reason="there is no usable OpenCL device"), id="no device")


@pytest.fixture(scope="session", params=[pytest.param(i.index, id=i.label) for i in USABLE] or [NO_DEVICE])
def device_session(request: pytest.FixtureRequest) -> Iterator[Session]:
    """One session a device."""
    with open_session(str(request.param)) as session:
        yield session


@pytest.fixture(params=["preset", "scalar"])
def kernels(device_session: Session, request: pytest.FixtureRequest) -> DeviceKernels:
    """Under the device's own tile sizes, and under those of a GPU: no vectors, and atomic sums."""
    tuning = device_session.tuning
    if request.param == "scalar":
        tuning = replace(tuning, vector_width=1, score_rows=4, chunk=16, muladd=0, atomic=True)
    return DeviceKernels(device_session, tuning)


@pytest.fixture
def case(rng: np.random.Generator) -> Case:
    """5 images, 7 shifts, 11 rotations and 16 directions of 3 classes."""
    return Case(**vars(make_sample(rng)))
