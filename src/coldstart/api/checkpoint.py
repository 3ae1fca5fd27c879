"""Checkpoints of a job: what is in them, how often they are written, and how a run is left.

A checkpoint is the record that passes from iteration to iteration, with the figures of the iterations so far and what
the run was given. Random numbers have their own counters (engine/sampling.py), so that nothing else is needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from coldstart import __version__
from coldstart.api.usage import Usage, Used
from coldstart.errors import ChangedDeviceError, RunSuspended
from coldstart.io.checkpoint import read_record, write_records
from coldstart.io.inputs import Inputs
from coldstart.io.run_paths import resume_command
from coldstart.params import AbInitioParams

if TYPE_CHECKING:
    from coldstart.compute.session import Session
    from coldstart.engine.parts import RunPoint

ShouldSuspend = Callable[[], bool]

INTERVAL_SECONDS = 20.0
"""Least time from one checkpoint to the next."""

MOST_SHARE = 0.03
"""Most of a run's time that goes into checkpoints: where they take long, they are written more seldom."""

JOB, POINT = "job", "point"


@dataclass(frozen=True, slots=True)
class Environment:
    """What besides particles and parameters decides the bytes of a result.

    Attributes
    ----------
    coldstart, numpy, scipy, finufft : str
        Versions.
    device, driver, tuning : str
        The device, the version of its driver, and the tile sizes of the kernels on it.
    """

    coldstart: str
    numpy: str
    scipy: str
    finufft: str
    device: str
    driver: str
    tuning: str

    @classmethod
    def of(cls, session: Session) -> Environment:
        """That of this process and its device."""
        info = session.info
        return cls(
            coldstart=__version__,
            numpy=np.__version__,
            scipy=version("scipy"),
            finufft=version("finufft"),
            device=info.label,
            driver=info.driver,
            tuning=session.tuning.of_bits,
        )

    def differences(self, now: Environment) -> list[str]:
        """What is not the same now, as 'numpy 2.0, now 2.1'."""
        names = (name for name in self.__dataclass_fields__ if getattr(self, name) != getattr(now, name))
        return [f"{name} {getattr(self, name)}, now {getattr(now, name)}" for name in names]


@dataclass(frozen=True, slots=True)
class JobCheckpoint:
    """What a job was given and has used; the point that it goes on from is beside it in the file.

    Attributes
    ----------
    params : AbInitioParams
    inputs : Inputs
    environment : Environment
    used : Used
    changes : tuple of str
        What had changed when the run was taken up all the same, for its notes.
    """

    params: AbInitioParams
    inputs: Inputs
    environment: Environment
    used: Used
    changes: tuple[str, ...]


def read_job(path: Path) -> JobCheckpoint:
    """All of a checkpoint but its point.

    Raises
    ------
    OutputError
        As `read_record`.
    """
    return read_record(path, JOB, JobCheckpoint)


def read_point(path: Path) -> RunPoint:
    """The point that the job goes on from.

    Raises
    ------
    OutputError
        As `read_record`.
    """
    from coldstart.engine.parts import RunPoint

    return read_record(path, POINT, RunPoint)


@dataclass(slots=True)
class CheckpointKeeper:
    """Has the point that a job could go on from, and writes it often enough.

    Attributes
    ----------
    path : Path
        The checkpoint, in the job's folder, which is there before anything is written.
    params, inputs, usage
        As in `JobCheckpoint`, with what is used so far.
    should_suspend : callable or None
        Asked after every iteration, and between the minibatches of the posing pass.
    earlier : Environment or None
        Of the run that is taken up.
    accept_changes : bool
        Whether it is taken up on another device or by another version.
    changes : tuple of str
        As in `JobCheckpoint`.
    point : RunPoint or None
        The latest.
    written : int
        Iterations in the file; 0 where there is none.
    """

    path: Path
    params: AbInitioParams
    inputs: Inputs
    usage: Usage
    should_suspend: ShouldSuspend | None = None
    earlier: Environment | None = None
    accept_changes: bool = False
    changes: tuple[str, ...] = ()
    point: RunPoint | None = None
    written: int = 0
    clock: Callable[[], float] = time.monotonic
    _environment: Environment | None = None
    _due_at: float = field(default=0.0)

    def opened(self, session: Session) -> None:
        """Take note of the device, and refuse to go on where the run would no longer be the same.

        Raises
        ------
        ChangedDeviceError
            If device, driver or a version is another one, unless that is accepted.
        """
        self._environment = Environment.of(session)
        differences = [] if self.earlier is None else self.earlier.differences(self._environment)
        if not differences:
            return
        if not self.accept_changes:
            raise ChangedDeviceError(
                f"the run would not go on as it began: {'; '.join(differences)}.",
                "Take it up as it was (the parameter device is kept), or say --accept-changes: the result may then "
                "differ from that of an unbroken run.",
            )
        self.changes = (*self.changes, f"The run was taken up although this had changed: {'; '.join(differences)}.")

    def keep(self, point: RunPoint) -> None:
        """Take note of a point, which is written when that is due."""
        self.point = point

    def after_iteration(self) -> None:
        """Write the point if it is time, or if the run is to be left.

        Raises
        ------
        RunSuspended
            If the run is to be left.
        OutputError
            If the checkpoint cannot be written.
        """
        if self.clock() >= self._due_at:
            self.write()
        self._leave_if_asked()

    def pause(self) -> None:
        """Before and during the posing pass: all that came before it is kept.

        Raises
        ------
        RunSuspended, OutputError
            As `after_iteration`.
        """
        self.write()
        self._leave_if_asked()

    def write(self) -> None:
        """Write the latest point, unless there is none or that is done."""
        if self.point is None or len(self.point.history) == self.written or self._environment is None:
            return
        began = self.clock()
        job = JobCheckpoint(
            params=self.params,
            inputs=self.inputs,
            environment=self._environment,
            used=self.usage.so_far(),
            changes=self.changes,
        )
        write_records(self.path, {JOB: job, POINT: self.point})
        self.written = len(self.point.history)
        ended = self.clock()
        self._due_at = ended + max(INTERVAL_SECONDS, (ended - began) / MOST_SHARE)

    def _leave_if_asked(self) -> None:
        if self.should_suspend is None or not self.should_suspend():
            return
        self.write()
        raise RunSuspended(
            f"The run was suspended after iteration {self.written}. It goes on with: {resume_command(self.path.parent)}"
        )
