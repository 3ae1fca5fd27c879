"""Driving the engine: open a device, take its steps, hand each one to the caller."""

from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from pathlib import Path

from coldstart.api.maps import read_box_map
from coldstart.errors import ParameterError
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
    (result,) = reconstruct_each(
        particles,
        images,
        (params,),
        on_iteration=None if on_iteration is None else lambda _, snapshot: on_iteration(snapshot),
        should_stop=should_stop,
    )
    return result


def reconstruct_each(
    particles: Particles,
    images: ImageSource,
    jobs: Sequence[AbInitioParams],
    *,
    on_iteration: Callable[[int, Snapshot], None] | None = None,
    should_stop: ShouldStop | None = None,
) -> Iterator[RunResult]:
    """Reconstruct the same particles several times, as `reconstruct` does, reading and transforming the images once.

    Parameters
    ----------
    particles : Particles
    images : ImageSource
    jobs : sequence of AbInitioParams
        At least one; they may differ in the number of classes alone.
    on_iteration : callable, optional
        As in `reconstruct`, with the number of the job, from 0, before the snapshot.
    should_stop : callable, optional
        Once it says True, the job that runs ends with what it has, and is the last.

    Yields
    ------
    RunResult
        One a job, in their order.

    Raises
    ------
    ColdstartError
        As `reconstruct`.
    """
    from coldstart.compute.session import open_session
    from coldstart.engine.abinitio import abinitio
    from coldstart.engine.parts import prepare_images

    first = jobs[0]
    if any(job.model_copy(update={"classes": first.classes}) != first for job in jobs):
        raise ParameterError("jobs that share their images may differ in the number of classes alone")
    given = first.initial_volume
    volume = None if given is None else read_box_map(Path(given), particles, "--initial-volume")
    preparer = prepare_images(particles, images, first)
    with open_session(first.device, first.threads) as session:
        for number, params in enumerate(jobs):
            steps = abinitio(particles, images, params, session, should_stop or _never, volume, preparer)
            result = _take_all(steps, None if on_iteration is None else partial(on_iteration, number))
            yield result
            if result.stopped_early:
                return


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
