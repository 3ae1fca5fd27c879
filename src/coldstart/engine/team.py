"""The workers of a run: a minibatch is dealt out to them, and their answers put together.

What comes out has the same bits however many workers there are: sums are of whole numbers, and figures of images are
put in the order of the minibatch before anything is made of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from coldstart.engine.expectation import Blending, class_evidence, damping
from coldstart.engine.share import Evidence, Grid, Look, Part, Sight, Spread
from coldstart.engine.worker import Worker

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class Crew(Protocol):
    """Who takes the requests: one a worker, None for those that have nothing to do."""

    @property
    def size(self) -> int:
        """Number of workers."""

    @property
    def label(self) -> str:
        """Their devices, for logs and reports."""

    @property
    def peak_bytes(self) -> int:
        """Most memory in use on one of their devices so far."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to say to the user: devices on which a share did not fit."""

    def expect(self, looks: Sequence[Look | None]) -> list[Evidence | None]:
        """The E-step of each share."""

    def maximise(self, spreads: Sequence[Spread | None]) -> list[Part | None]:
        """The M-step of the shares whose E-step was taken last."""


MakeCrew = Callable[[Worker], Crew]
"""Of the run's own worker."""


class DeviceCrew:
    """Workers on the devices of this machine, each with a thread of its own but the first."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = tuple(workers)
        self._threads = ThreadPoolExecutor(max(len(workers) - 1, 1), thread_name_prefix="device")

    @property
    def size(self) -> int:
        """Number of workers."""
        return len(self._workers)

    @property
    def label(self) -> str:
        """Their devices."""
        return devices_label([worker.session.info.label for worker in self._workers])

    @property
    def peak_bytes(self) -> int:
        """Most memory in use on one of their devices so far."""
        return max(worker.session.peak_bytes for worker in self._workers)

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to say to the user."""
        return tuple(worker.note for worker in self._workers if worker.note)

    def expect(self, looks: Sequence[Look | None]) -> list[Evidence | None]:
        """The E-step of each share."""
        return self._each(lambda worker, look: worker.expect(look), looks)

    def maximise(self, spreads: Sequence[Spread | None]) -> list[Part | None]:
        """The M-step of each share."""
        return self._each(lambda worker, spread: worker.maximise(spread), spreads)

    def _each(
        self, take: Callable[[Worker, Request], Answer], requests: Sequence[Request | None]
    ) -> list[Answer | None]:
        pairs = list(zip(self._workers, requests, strict=True))
        others = [None if request is None else self._threads.submit(take, worker, request)
                  for worker, request in pairs[1:]]  # fmt: skip
        worker, request = pairs[0]
        own = None if request is None else take(worker, request)
        return [own, *(None if other is None else other.result() for other in others)]


def devices_label(labels: Sequence[str]) -> str:
    """Names of devices, those of the same name counted."""
    counts = {label: labels.count(label) for label in labels}
    return ", ".join(label if count == 1 else f"{count} × {label}" for label, count in counts.items())


def deal(rows: NDArray[np.int64], workers: int) -> list[NDArray[np.int64]]:
    """Positions of a minibatch's particles that each worker gets, ascending, as many for each as can be.

    A particle belongs to one worker by its number, so that this one's memory of prepared images serves it again; what
    exceeds a worker's even share goes to those that have room.
    """
    owner = rows % workers
    most = -(-len(rows) // workers)
    own = [np.flatnonzero(owner == worker) for worker in range(workers)]
    spare = np.sort(np.concatenate([positions[most:] for positions in own]))
    shares, begin = [], 0
    for positions in own:
        end = begin + max(most - len(positions), 0)
        shares.append(np.sort(np.concatenate([positions[:most], spare[begin:end]])))
        begin = end
    return shares


@dataclass(frozen=True, slots=True)
class Searched:
    """A whole minibatch between its E-step and its M-step.

    Attributes
    ----------
    positions : list of (b,) int64
        Of each share.
    map_evidence : (B, K) float64
    image_bound, weight_bound : float
    blending : Blending
    """

    positions: list[NDArray[np.int64]]
    map_evidence: NDArray[np.float64]
    image_bound: float
    weight_bound: float
    blending: Blending


class Team:
    """Takes the steps of whole minibatches."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew
        self._sight: Sight | None = None
        self._shown: set[int] = set()

    def expect(
        self, sight: Sight, rows: NDArray[np.int64], following: NDArray[np.int64], search: int | None,
        blending: Blending,
    ) -> Searched:  # fmt: skip
        """The E-step of a minibatch of these particles; `following` are read ahead."""
        if sight is not self._sight:
            self._sight, self._shown = sight, set()
        positions, ahead = deal(rows, self.crew.size), deal(following, self.crew.size)
        looks = [
            Look(
                None if number in self._shown else sight, rows[own], own, len(rows), following[next_own], search,
                blending.apart,
            ) if len(own) else None
            for number, (own, next_own) in enumerate(zip(positions, ahead, strict=True))
        ]  # fmt: skip
        self._shown |= {number for number, look in enumerate(looks) if look is not None}
        answers = [answer for answer in self.crew.expect(looks) if answer is not None]
        busy = [own for own in positions if len(own)]
        order = np.argsort(np.concatenate(busy))
        return Searched(
            positions,
            np.concatenate([answer.map_evidence for answer in answers])[order],
            max(answer.image_bound for answer in answers),
            max(answer.weight_bound for answer in answers),
            blending,
        )

    def maximise(self, searched: Searched, grid: Grid | None, *, used: bool | None = None) -> Part:
        """The M-step of the minibatch whose E-step was taken last.

        Parameters
        ----------
        searched : Searched
        grid : Grid or None
            None where no sums are wanted.
        used : bool or None
            What the table of poses is to say of these particles; None where none is wanted.
        """
        blending, lowered = searched.blending, 0.0
        if blending.sink is not None:
            lowered = damping(class_evidence(searched.map_evidence, blending), blending.sink)
        images = len(searched.map_evidence)
        spread = Spread(blending, lowered, images, searched.image_bound, searched.weight_bound, grid, used)
        answers = self.crew.maximise([spread if len(own) else None for own in searched.positions])
        parts = [part for part in answers if part is not None]
        return Part.join(parts, [own for own in searched.positions if len(own)])
