"""The devices that a job is dealt out to: those of this process, or the workers of a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coldstart.model.particles import ImageSource, Particles
from coldstart.params import AbInitioParams

if TYPE_CHECKING:
    from distributed import Client

    from coldstart.cluster.request import ClusterRequest
    from coldstart.compute.session import Session
    from coldstart.engine.images import ImagePreparer
    from coldstart.engine.team import Crew, MakeCrew
    from coldstart.engine.worker import Worker


@dataclass(frozen=True, slots=True)
class DaskWorkers:
    """The workers of a cluster.

    Attributes
    ----------
    client : distributed.Client
    request : ClusterRequest
    """

    client: Client
    request: ClusterRequest

    def crew_for(self, particles: Particles, images: ImageSource, params: AbInitioParams) -> MakeCrew:
        """Gathers the workers of a job."""
        from coldstart.cluster.crew import DaskCrew
        from coldstart.cluster.remote import RemoteJob

        job = RemoteJob(particles, images, params, self.request.worker_threads)
        return lambda own: DaskCrew(self.client, job, self.request.workers)


def _opened(request: ClusterRequest) -> AbstractContextManager[Client]:
    from coldstart.cluster.request import open_cluster

    return open_cluster(request)


@dataclass(frozen=True, slots=True)
class OpenDevices:
    """Open devices, each with the images that it is given.

    Attributes
    ----------
    particles, images
        As the job takes them.
    sessions : sequence of Session
        At least one; the first is the one that the job itself works on.
    preparers : sequence of ImagePreparer
        One a device.
    cluster : DaskWorkers or None
        The workers that minibatches are dealt out to, in place of these devices.
    """

    particles: Particles
    images: ImageSource
    sessions: Sequence[Session]
    preparers: Sequence[ImagePreparer]
    cluster: DaskWorkers | None = None

    @property
    def session(self) -> Session:
        """The first."""
        return self.sessions[0]

    @property
    def preparer(self) -> ImagePreparer:
        """Of the first device."""
        return self.preparers[0]

    def crew_for(self, params: AbInitioParams) -> MakeCrew:
        """Gathers the workers of a job, one a device."""
        from coldstart.engine.team import DeviceCrew
        from coldstart.engine.worker import Worker

        if self.cluster is not None:
            return self.cluster.crew_for(self.particles, self.images, params)

        def gather(own: Worker) -> Crew:
            further = zip(self.sessions[1:], self.preparers[1:], strict=True)
            return DeviceCrew((own, *(Worker(self.particles, self.images, params, *pair) for pair in further)))

        return gather


@contextmanager
def open_devices(
    particles: Particles, images: ImageSource, params: AbInitioParams, cluster: ClusterRequest | None = None
) -> Iterator[OpenDevices]:
    """Open the devices that a job asks for, and close them in the end.

    Raises
    ------
    DeviceError
        As `open_sessions`.
    ClusterError
        As `open_cluster`.
    """
    from coldstart.compute.session import open_sessions
    from coldstart.engine.parts import prepare_images

    with ExitStack() as opened:
        sessions = [opened.enter_context(session) for session in open_sessions(params.device, params.threads)]
        preparers = [prepare_images(particles, images, params, len(sessions)) for _ in sessions]
        workers = None if cluster is None else DaskWorkers(opened.enter_context(_opened(cluster)), cluster)
        yield OpenDevices(particles, images, sessions, preparers, workers)
