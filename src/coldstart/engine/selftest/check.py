"""Whether a device computes what it should, and how fast it is at most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from coldstart.compute.device import DeviceInfo, is_emulator
from coldstart.compute.profile import required_profile
from coldstart.compute.session import Session
from coldstart.compute.tuning import Tuning
from coldstart.engine.memory import copy_rate
from coldstart.engine.peak import device_peak_gflops
from coldstart.engine.selftest.comparisons import COMPARISONS, Comparison
from coldstart.engine.selftest.kernels import DeviceKernels
from coldstart.engine.selftest.sample import Sample, make_sample
from coldstart.errors import DeviceError, KernelBuildError

Result = Literal["agrees", "differs", "does not compile", "fails"]

SEED = 20170206


@dataclass(frozen=True, slots=True)
class KernelCheck:
    """One comparison on one device.

    Attributes
    ----------
    kernels : tuple of str
    file : str
    result : {"agrees", "differs", "does not compile", "fails"}
    largest_error : float
        Largest difference from NumPy; NaN where there are no numbers.
    of_tolerance : float
        Largest difference over what is allowed there: they agree up to 1.
    message : str
        What the driver said, where it said something.
    """

    kernels: tuple[str, ...]
    file: str
    result: Result
    largest_error: float
    of_tolerance: float
    message: str = ""


@dataclass(frozen=True, slots=True)
class DeviceCheck:
    """What the self-test found.

    Attributes
    ----------
    device : DeviceInfo
    tuning : Tuning
        With which the kernels were built.
    kernels : tuple of KernelCheck
    copy_gb_per_second, peak_gflops : float or None
        As `copy_rate` and `device_peak_gflops` have them; None for emulators, and where it was not measured.
    """

    device: DeviceInfo
    tuning: Tuning
    kernels: tuple[KernelCheck, ...]
    copy_gb_per_second: float | None
    peak_gflops: float | None

    @property
    def failures(self) -> tuple[KernelCheck, ...]:
        """Comparisons that did not agree."""
        return tuple(kernel for kernel in self.kernels if kernel.result != "agrees")


def check_device(session: Session) -> DeviceCheck:
    """Compare every kernel with its twin under the session's tuning, and measure the device.

    A kernel that fails gives a row that says so; the others go on.

    Parameters
    ----------
    session : Session
        Opened with `profiling`.
    """
    profile = required_profile(session.profile)
    sample, kernels = make_sample(np.random.default_rng(SEED)), DeviceKernels(session, session.tuning)
    checks = tuple(_check(comparison, kernels, sample) for comparison in COMPARISONS)
    profile.clear()
    return DeviceCheck(session.info, session.tuning, checks, *_rates(session))


def _check(comparison: Comparison, kernels: DeviceKernels, sample: Sample) -> KernelCheck:
    import pyopencl as cl

    what = comparison.kernels, comparison.file
    try:
        outcome = comparison.run(kernels, sample, np.random.default_rng(SEED))
    except KernelBuildError as error:
        return KernelCheck(*what, "does not compile", np.nan, np.nan, str(error))
    except (DeviceError, cl.Error) as error:
        return KernelCheck(*what, "fails", np.nan, np.nan, str(error))
    return KernelCheck(*what, "agrees" if outcome.agrees else "differs", outcome.largest_error, outcome.of_tolerance)


def _rates(session: Session) -> tuple[float | None, float | None]:
    """GB/s of a copy and GFLOP/s; emulators would take minutes, and say nothing of a device."""
    import pyopencl as cl

    if is_emulator(session.info):
        return None, None
    try:
        return copy_rate(session), device_peak_gflops(session)
    except (DeviceError, cl.Error):  # the kernels' own rows say why
        return None, None
