"""Driving the engine: open a device, take its steps, hand each one to the caller."""

from collections.abc import Callable, Generator

from coldstart.model.particles import ImageSource, Particles
from coldstart.model.state import RunResult, Snapshot
from coldstart.params import AbInitioParams

OnIteration = Callable[[Snapshot], None]
ShouldStop = Callable[[], bool]


def reconstruct(
    particles: Particles,
    images: ImageSource,
    params: AbInitioParams,
    *,
    on_iteration: OnIteration | None = None,
    should_stop: ShouldStop | None = None,
) -> RunResult:
    """Reconstruct maps and poses from particle images.

    Parameters
    ----------
    particles : Particles
        What is known of the images.
    images : ImageSource
        Where the pixels come from.
    params : AbInitioParams
    on_iteration : callable, optional
        Called with the maps and figures after every iteration.
    should_stop : callable, optional
        Asked after every iteration; once it says True, the run ends with what it has.

    Raises
    ------
    ParameterError
        If a parameter does not fit the particles.
    ParticleFileError
        If images cannot be read.
    DeviceError
        If no OpenCL device fits the request, or it fails or has too little memory.
    """
    from coldstart.compute.session import open_session
    from coldstart.engine.abinitio import abinitio

    with open_session(params.device, params.threads) as session:
        steps = abinitio(particles, images, params, session, should_stop or _never)
        return _take_all(steps, on_iteration)


def _never() -> bool:
    return False


def _take_all(steps: Generator[Snapshot, None, RunResult], on_iteration: OnIteration | None) -> RunResult:
    """Take every step and hand its snapshot on; return what the generator returns."""
    while True:
        try:
            snapshot = next(steps)
        except StopIteration as end:
            result: RunResult = end.value
            return result
        if on_iteration is not None:
            on_iteration(snapshot)
