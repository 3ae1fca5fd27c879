"""Pieces of work that need nothing of each other, one at a time on each worker of a Dask cluster.

A piece runs where Dask puts it, and again elsewhere when its worker dies. It has a line to the driver: on it the piece
says how it gets on, and asks whether it should.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from queue import Empty, SimpleQueue
from typing import Any, TypeVar
from uuid import uuid4

from distributed import CancelledError, Client, Future, KilledWorker, Variable, get_client, get_worker, wait
from distributed.protocol.pickle import dumps, loads

from coldstart.compute.device import set_cpu_threads
from coldstart.errors import ClusterError

Answer = TypeVar("Answer")

SECONDS_BETWEEN_LOOKS = 0.1
"""After which the driver looks again for what the pieces said, and for what is wished of them."""


class Wish(Enum):
    """What is wished of the pieces."""

    GO_ON = "go on"
    STOP = "stop"
    SUSPEND = "suspend"


@dataclass(frozen=True, slots=True)
class Line:
    """What connects a piece of work, on its worker, with the driver.

    Attributes
    ----------
    topic : str
        Of all pieces.
    number : int
        Of this one, from 0.
    """

    topic: str
    number: int

    def tell(self, message: Any) -> None:
        """Let the driver know something that can be pickled; the scheduler remembers it, so it should be small."""
        get_worker().log_event(self.topic, (self.number, dumps(message)))

    def wish(self) -> Wish:
        """What the driver wishes at present."""
        return Wish(Variable(self.topic, client=get_client()).get())


Piece = Callable[[Line], Answer]


def spread(
    client: Client,
    pieces: Sequence[Piece[Answer]],
    threads: int | None,
    told: Callable[[int, Any], None],
    wish: Callable[[], Wish],
) -> list[Answer]:
    """Have all pieces done, and give their answers.

    Parameters
    ----------
    client : distributed.Client
    pieces : sequence of callables
        Each can be pickled, and is given its line.
    threads : int or None
        CPU threads of a worker.
    told : callable
        Given the number of a piece, from 0, and what it said; called in the thread of the caller.
    wish : callable
        Asked again and again what is wished of the pieces.

    Raises
    ------
    ClusterError
        If a piece was lost with its worker too often.
    Exception
        What the first piece that failed raised. The others are suspended before.
    """
    topic, messages = f"coldstart {uuid4()}", SimpleQueue[tuple[int, bytes]]()
    client.subscribe_topic(topic, lambda event: messages.put(event[1]))
    wishes = Variable(topic, client=client)
    wishes.set(Wish.GO_ON.value)
    lines = [Line(topic, number) for number in range(len(pieces))]
    futures = [client.submit(_done, *pair, threads, pure=False) for pair in zip(pieces, lines, strict=True)]
    known, failed = Wish.GO_ON, None
    try:
        while _pending(futures):
            _pass_on(messages, told)
            failed = failed or next((future for future in futures if future.status == "error"), None)
            wished = wish() if failed is None else Wish.SUSPEND
            if wished is not known:
                wishes.set(wished.value)
                known = wished
        _pass_on(messages, told)
        if failed is not None:
            _answer(failed)
        return [_answer(future) for future in futures]
    finally:
        client.cancel(futures)
        client.unsubscribe_topic(topic)
        wishes.delete()


def _done(piece: Piece[Answer], line: Line, threads: int | None) -> Answer:
    set_cpu_threads(threads)
    return piece(line)


def _pending(futures: Sequence[Future[Any]]) -> bool:
    """Whether some are not done; waits a moment for them."""
    try:
        return bool(wait(futures, timeout=SECONDS_BETWEEN_LOOKS).not_done)
    except TimeoutError:
        return True


def _pass_on(messages: SimpleQueue[tuple[int, bytes]], told: Callable[[int, Any], None]) -> None:
    while True:
        try:
            number, message = messages.get_nowait()
        except Empty:
            return
        told(number, loads(message))


def _answer(future: Future[Any]) -> Any:
    try:
        return future.result()
    except (CancelledError, KilledWorker) as error:
        raise ClusterError(
            f"the cluster lost a run: {error} What was done can go on from its checkpoint, with coldstart resume."
        ) from error
