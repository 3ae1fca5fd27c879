"""The devices of this machine that jobs on the same particles are dealt out to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coldstart.model.particles import ImageSource, Particles
from coldstart.params import AbInitioParams

if TYPE_CHECKING:
    from coldstart.compute.session import Session
    from coldstart.engine.images import ImagePreparer
    from coldstart.engine.team import Crew, MakeCrew
    from coldstart.engine.worker import Worker


@dataclass(frozen=True, slots=True)
class OpenDevices:
    """Open devices, each with the images that it is given, which all jobs share.

    Attributes
    ----------
    particles, images
        As the jobs take them.
    sessions : sequence of Session
        At least one; the first is the one that a job itself works on.
    preparers : sequence of ImagePreparer
        One a device.
    """

    particles: Particles
    images: ImageSource
    sessions: Sequence[Session]
    preparers: Sequence[ImagePreparer]

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

        def gather(own: Worker) -> Crew:
            further = zip(self.sessions[1:], self.preparers[1:], strict=True)
            return DeviceCrew((own, *(Worker(self.particles, self.images, params, *pair) for pair in further)))

        return gather


@contextmanager
def open_devices(particles: Particles, images: ImageSource, params: AbInitioParams) -> Iterator[OpenDevices]:
    """Open the devices that a job asks for, and close them in the end.

    Raises
    ------
    DeviceError
        As `open_sessions`.
    """
    from coldstart.compute.session import open_sessions
    from coldstart.engine.parts import prepare_images

    with ExitStack() as opened:
        sessions = [opened.enter_context(session) for session in open_sessions(params.device, params.threads)]
        preparers = [prepare_images(particles, images, params, len(sessions)) for _ in sessions]
        yield OpenDevices(particles, images, sessions, preparers)
