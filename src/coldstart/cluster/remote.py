"""What runs in the processes of a cluster: a device there, with the images that it was given before."""

from __future__ import annotations

from dataclasses import dataclass

from coldstart.compute.device import set_cpu_threads
from coldstart.compute.session import open_session
from coldstart.engine.share import Evidence, Look, Part, Spread
from coldstart.engine.worker import Worker
from coldstart.model.particles import ImageSource, Particles
from coldstart.params import AbInitioParams


@dataclass(frozen=True, slots=True)
class RemoteJob:
    """A job as every worker has it.

    Attributes
    ----------
    particles : Particles
    images : ImageSource
        Read by each worker for itself, from the same paths.
    params : AbInitioParams
    threads : int or None
        CPU threads.
    """

    particles: Particles
    images: ImageSource
    params: AbInitioParams
    threads: int | None


class RemoteWorker:
    """A worker on the device of its process. Dask keeps it there as an actor."""

    def __init__(self, job: RemoteJob) -> None:
        set_cpu_threads(job.threads)
        self._session = open_session(job.params.device)
        self._worker = Worker(job.particles, job.images, job.params, self._session)

    def label(self) -> str:
        """Name of the device."""
        return self._session.info.label

    def expect(self, look: Look) -> Evidence:
        """The E-step of a share."""
        return self._worker.expect(look)

    def maximise(self, spread: Spread) -> tuple[Part, int, str]:
        """The M-step of the share that was looked at last, the most memory in use so far, and the worker's note."""
        return self._worker.maximise(spread), self._session.peak_bytes, self._worker.note
