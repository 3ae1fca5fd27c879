"""The workers of a job on a Dask cluster. One that dies is replaced, and its share is done again.

Every request says all that its answer depends on, but for the images, which every worker reads for itself, and for what
the requests before it in the same step have left. So whoever takes a dead worker's place is given these again, and
answers with the same bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from distributed import CancelledError, Client, KilledWorker

from coldstart.cluster.remote import RemoteJob, RemoteWorker
from coldstart.engine.share import Evidence, Look, Part, Sight, Spread
from coldstart.engine.team import devices_label
from coldstart.errors import ClusterError

Answer = TypeVar("Answer")

SECONDS_FOR_REPLACEMENT = 600
"""In which a worker has to appear where none is left."""

MOST_LOSSES = 100
"""Workers that a job may lose: where they die as fast as they come, something else is wrong."""

SECONDS_BETWEEN_LOOKS = 2.0
"""After which it is asked whether a worker that gets ready is still there."""

_LOST = (OSError, EOFError, CancelledError, KilledWorker)
"""What Dask raises when a worker is gone."""


class DaskCrew:
    """Workers in the processes of a cluster, one device each."""

    def __init__(self, client: Client, job: RemoteJob, workers: int) -> None:
        self._client, self._job = client, job
        self._losses = 0
        self._addresses = sorted(client.nthreads())[:workers]
        sent = [self._sent_for(address) for address in self._addresses]
        self._actors = [self._ready(*pair) for pair in zip(self._addresses, sent, strict=True)]
        self._labels = [str(actor.label().result()) for actor in self._actors]
        self._sights: list[Sight | None] = [None] * workers
        self._looks: list[Look | None] = [None] * workers
        self._peak_bytes = 0
        self._notes = [""] * workers

    @property
    def size(self) -> int:
        """Number of workers."""
        return len(self._actors)

    @property
    def label(self) -> str:
        """Their devices, as the run began."""
        return devices_label(self._labels)

    @property
    def peak_bytes(self) -> int:
        """Most memory in use on one of their devices so far."""
        return self._peak_bytes

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to say to the user."""
        return tuple(note for note in self._notes if note)

    def expect(self, looks: Sequence[Look | None]) -> list[Evidence | None]:
        """The E-step of each share."""
        for number, look in enumerate(looks):
            if look is not None and look.sight is not None:
                self._sights[number] = look.sight
        self._looks = list(looks)
        self._spread_out()
        under_way = [self._sent(number, "expect", look) for number, look in enumerate(self._looks)]
        return [
            None if look is None else self._answer(number, sent, partial(self._looked_again, number))
            for number, (look, sent) in enumerate(zip(looks, under_way, strict=True))
        ]

    def maximise(self, spreads: Sequence[Spread | None]) -> list[Part | None]:
        """The M-step of the shares whose E-step was taken last."""
        under_way = [self._sent(number, "maximise", spread) for number, spread in enumerate(spreads)]
        parts: list[Part | None] = []
        for number, (spread, sent) in enumerate(zip(spreads, under_way, strict=True)):
            if spread is None:
                parts.append(None)
                continue
            part, peak, note = self._answer(number, sent, partial(self._spread_again, number, spread))
            self._peak_bytes = max(self._peak_bytes, peak)
            self._notes[number] = note
            parts.append(part)
        return parts

    def _sent(self, number: int, step: str, request: Look | Spread | None) -> Any:
        """A request under way; what it raises is raised when its answer is waited for."""
        return None if request is None else getattr(self._actors[number], step)(request)

    def _answer(self, number: int, sent: Any, again: Callable[[], Answer]) -> Answer:
        """The answer of a worker, or if that is lost, of the one that takes its place."""
        try:
            answer: Answer = sent.result()
            return answer
        except _LOST:
            pass
        while True:
            self._replace(number)
            try:
                return again()
            except _LOST:
                continue

    def _looked_again(self, number: int) -> Evidence:
        look = self._looks[number]
        if look is None:
            raise ValueError("a share without images has no answer")
        evidence: Evidence = self._actors[number].expect(replace(look, sight=self._sights[number])).result()
        return evidence

    def _spread_again(self, number: int, spread: Spread) -> tuple[Part, int, str]:
        self._looked_again(number)
        answer: tuple[Part, int, str] = self._actors[number].maximise(spread).result()
        return answer

    def _replace(self, number: int) -> None:
        """Let another worker have the share of a dead one: one without a share if there is one, else the least busy."""
        self._losses += 1
        if self._losses > MOST_LOSSES:
            raise ClusterError(
                f"the job has lost {self._losses} workers of the cluster: look at their logs. The run can go on from "
                "its checkpoint."
            )
        dead, end = self._addresses[number], time.monotonic() + SECONDS_FOR_REPLACEMENT
        while time.monotonic() < end:
            there = [address for address in sorted(self._client.nthreads()) if address != dead]
            for address in sorted(there, key=self._addresses.count):
                try:
                    self._engage(number, address)
                except _LOST:
                    continue
                return
            time.sleep(0.2)
        raise ClusterError(
            "the job has lost all workers of the cluster. The run can go on from its checkpoint, with coldstart resume."
        )

    def _spread_out(self) -> None:
        """Where a worker has the share of a dead one too, give one to a worker that has come in the meantime."""
        for number, address in enumerate(self._addresses):
            if self._addresses.count(address) > 1:
                free = sorted(set(self._client.nthreads()) - set(self._addresses))
                look = self._looks[number]
                if not free or look is None:
                    return
                try:
                    self._engage(number, free[0])
                except _LOST:
                    return
                self._looks[number] = replace(look, sight=self._sights[number])

    def _engage(self, number: int, address: str) -> None:
        """Let the process at this address have a share from now on."""
        self._actors[number] = self._ready(address, self._sent_for(address))
        self._addresses[number] = address

    def _sent_for(self, address: str) -> Any:
        """A worker in the process at this address, which gets ready."""
        try:
            job = self._client.scatter(self._job, workers=[address], hash=False)
        except KeyError:  # the scheduler knows it no longer
            raise _gone(address) from None
        return self._client.submit(RemoteWorker, job, actor=True, workers=[address], pure=False)

    def _ready(self, address: str, sent: Any) -> Any:
        """The worker once it is ready."""
        while True:
            try:
                return sent.result(timeout=SECONDS_BETWEEN_LOOKS)
            except TimeoutError:
                if address not in self._client.nthreads():
                    raise _gone(address) from None


def _gone(address: str) -> ConnectionError:
    return ConnectionError(f"the worker at {address} is gone")
