"""Driving the engine: open a device, take its steps, hand each one to whoever watches."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from coldstart.api.devices import open_devices
from coldstart.api.maps import read_box_map
from coldstart.errors import ParameterError
from coldstart.model.particles import ImageSource, Particles
from coldstart.model.state import RunResult, Snapshot
from coldstart.params import AbInitioParams

if TYPE_CHECKING:
    from coldstart.cluster.request import ClusterRequest
    from coldstart.compute.session import Session
    from coldstart.engine.parts import RunPoint

OnIteration = Callable[[Snapshot], None]
ShouldStop = Callable[[], bool]


class Watcher(Protocol):
    """Who takes the steps of jobs; whatever a method raises ends the job."""

    def opened(self, session: Session) -> None:
        """The device is open."""

    def keep(self, point: RunPoint) -> None:
        """After an iteration, before its snapshot: the job could go on from here."""

    def add(self, snapshot: Snapshot) -> None:
        """After an iteration: its maps and figures."""

    def pause(self) -> None:
        """Before the posing pass, and between its minibatches."""

    def should_stop(self) -> bool:
        """Asked after every iteration; once it says True, the job ends with what it has, and is the last."""


@dataclass(frozen=True, slots=True)
class _Caller:
    """A watcher that hands snapshots on, and keeps nothing."""

    on_iteration: OnIteration | None
    stop: ShouldStop | None

    def opened(self, session: Session) -> None:
        pass

    def keep(self, point: RunPoint) -> None:
        pass

    def add(self, snapshot: Snapshot) -> None:
        if self.on_iteration is not None:
            self.on_iteration(snapshot)

    def pause(self) -> None:
        pass

    def should_stop(self) -> bool:
        return self.stop is not None and self.stop()


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
    (result,) = reconstruct_each(particles, images, (params,), _Caller(on_iteration, should_stop))
    return result


def reconstruct_each(
    particles: Particles,
    images: ImageSource,
    jobs: Sequence[AbInitioParams],
    watcher: Watcher,
    point: RunPoint | None = None,
    cluster: ClusterRequest | None = None,
) -> Iterator[RunResult]:
    """Reconstruct the same particles several times, as `reconstruct` does, reading and transforming the images once.

    Parameters
    ----------
    particles : Particles
    images : ImageSource
    jobs : sequence of AbInitioParams
        At least one; they may differ in the number of classes alone.
    watcher : Watcher
        A job that it stops is the last.
    point : RunPoint, optional
        Where the first job goes on; it begins anew without one.
    cluster : ClusterRequest, optional
        Where the workers of the jobs are; they are the devices of this process without it.

    Yields
    ------
    RunResult
        One a job, in their order.

    Raises
    ------
    ColdstartError
        As `reconstruct`.
    """
    from coldstart.engine.abinitio import abinitio

    first = jobs[0]
    if any(job.model_copy(update={"classes": first.classes}) != first for job in jobs):
        raise ParameterError("jobs that share their images may differ in the number of classes alone")
    given = first.initial_volume
    volume = None if given is None else read_box_map(Path(given), particles, "--initial-volume")
    with open_devices(particles, images, first, cluster) as devices:
        watcher.opened(devices.session)
        for params in jobs:
            steps = abinitio(
                particles, images, params, devices.session, watcher.should_stop, volume, devices.preparer,
                make_crew=devices.crew_for(params), point=point, keep=watcher.keep, pause=watcher.pause,
            )  # fmt: skip
            result = _take_all(steps, watcher.add)
            yield result
            if result.stopped_early:
                return
            point = None


def _take_all(steps: Generator[Snapshot, None, RunResult], on_iteration: OnIteration) -> RunResult:
    """Take every step and hand its snapshot on; return what the generator returns."""
    while True:
        try:
            snapshot = next(steps)
        except StopIteration as end:
            result: RunResult = end.value
            return result
        on_iteration(snapshot)
