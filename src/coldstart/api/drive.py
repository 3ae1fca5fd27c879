"""Driving the engine: open a device, take its steps, hand each one to whoever watches."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from coldstart.api.devices import open_devices
from coldstart.api.maps import read_box_map
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
    """Who takes the steps of a job; whatever a method raises ends it."""

    def opened(self, session: Session) -> None:
        """The device is open."""

    def keep(self, point: RunPoint) -> None:
        """After an iteration, before its snapshot: the job could go on from here."""

    def add(self, snapshot: Snapshot) -> None:
        """After an iteration, and as particles are posed: the maps and figures."""

    def pause(self) -> None:
        """Before the posing pass, and between its minibatches."""

    def should_stop(self) -> bool:
        """Asked after every iteration; once it says True, the job ends with what it has."""


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
        Called with the maps and figures after every iteration, and as particles are posed.
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
    return reconstruct_watched(particles, images, params, _Caller(on_iteration, should_stop))


def reconstruct_watched(
    particles: Particles,
    images: ImageSource,
    params: AbInitioParams,
    watcher: Watcher,
    point: RunPoint | None = None,
    cluster: ClusterRequest | None = None,
) -> RunResult:
    """Reconstruct as `reconstruct` does, step by step before a watcher.

    Parameters
    ----------
    particles : Particles
    images : ImageSource
    params : AbInitioParams
    watcher : Watcher
    point : RunPoint, optional
        Where the job goes on; it begins anew without one.
    cluster : ClusterRequest, optional
        Where the workers of the job are; they are the devices of this process without it.

    Raises
    ------
    ColdstartError
        As `reconstruct`.
    """
    from coldstart.engine.abinitio import abinitio

    given = params.initial_volume
    volume = None if given is None else read_box_map(Path(given), particles, "--initial-volume")
    with open_devices(particles, images, params, cluster) as devices:
        watcher.opened(devices.session)
        steps = abinitio(
            particles, images, params, devices.session, watcher.should_stop, volume, devices.preparer,
            make_crew=devices.crew_for(params), point=point, keep=watcher.keep, pause=watcher.pause,
        )  # fmt: skip
        return _take_all(steps, watcher.add)


def _take_all(steps: Generator[Snapshot, None, RunResult], on_iteration: OnIteration) -> RunResult:
    """Take every step and hand its snapshot on; return what the generator returns."""
    while True:
        try:
            snapshot = next(steps)
        except StopIteration as end:
            result: RunResult = end.value
            return result
        on_iteration(snapshot)
