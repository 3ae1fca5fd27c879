"""What is random in a run: which particles a minibatch holds, how the grid is turned, and the start.

Generators are counter-based: each draw has its own counter, made of its purpose and its number, so that it does not
depend on what was drawn before.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from coldstart.model.so3 import random_rotations

_START, _EPOCH, _TURN, _SEARCH, _AUDIT, _CLEAR_EPOCH, _LUCK = 1, 2, 3, 4, 5, 6, 7


class Uniform(Protocol):
    """Who draws uniform random numbers."""

    def random(self, size: int) -> NDArray[np.float64]:
        """(size,) float64 in [0, 1)."""


@dataclass(frozen=True, slots=True)
class ShareOfDraws:
    """Of the numbers that a generator draws for a minibatch, those of a share: the same however it is split.

    Attributes
    ----------
    generator : numpy.random.Generator
    positions : (b,) int64
        Of the share's images in the minibatch.
    images : int
        Of the minibatch.
    """

    generator: np.random.Generator
    positions: NDArray[np.int64]
    images: int

    def random(self, size: int) -> NDArray[np.float64]:
        """As many for each image of the share, (size,) float64."""
        each = size // len(self.positions)
        return self.generator.random((self.images, each))[self.positions].ravel()


@dataclass(frozen=True, slots=True)
class Sampler:
    """The random choices of one run.

    Attributes
    ----------
    seed : int
    count : int
        Particles that may be drawn: rows 0 to count - 1.
    clear : (M,) int64 or None
        Rows that are drawn early in the run; all where it is None.
    """

    seed: int
    count: int
    clear: NDArray[np.int64] | None = None

    def start(self, number: int) -> np.random.Generator:
        """Generator of the random start of a class, or of one of its later starts."""
        return self._generator(_START, number)

    def turn(self, iteration: int) -> NDArray[np.float64]:
        """(3, 3) float64: rotation of the whole grid in an iteration, so that its points are never the same twice."""
        return np.asarray(random_rotations(self._generator(_TURN, iteration), 1)[0])

    def search(self, iteration: int) -> np.random.Generator:
        """Generator of an iteration's samples of broad posteriors."""
        return self._generator(_SEARCH, iteration)

    def audited(self, iteration: int, rows: NDArray[np.int64], share: float) -> NDArray[np.int64]:
        """The particles of an iteration whose search is audited: a share of them, at least one; ascending."""
        count = max(1, round(share * len(rows)))
        return np.sort(self._generator(_AUDIT, iteration).choice(rows, count, replace=False))

    def draw(self, visits: int, size: int) -> NDArray[np.int64]:
        """The particles of visits [visits, visits + size): every epoch is a new permutation of all.

        Returns
        -------
        (size,) int64
        """
        return self._drawn(_EPOCH, None, self.count, visits, size)

    def draw_clear(self, visits: int, size: int) -> NDArray[np.int64]:
        """As `draw`, of the particles that are drawn early, with visits and permutations of their own."""
        count = self.count if self.clear is None else len(self.clear)
        return self._drawn(_CLEAR_EPOCH, self.clear, count, visits, size)

    def seen(self, visits: int, clear_visits: int) -> NDArray[np.int64]:
        """Every particle among the first `visits` of `draw` and `clear_visits` of `draw_clear`, ascending."""
        late = self.draw(0, min(visits, self.count))
        early = self.draw_clear(0, min(clear_visits, self.count if self.clear is None else len(self.clear)))
        return np.union1d(late, early)

    def draw_some(self, visits: int, size: int, chance: NDArray[np.float64]) -> tuple[NDArray[np.int64], int]:
        """The particles from visit `visits` on that are not passed over.

        Parameters
        ----------
        visits, size : int
            As in `draw`.
        chance : (count,) float64
            How probable it is, in (0, 1], that a particle whose turn it is is drawn.

        Returns
        -------
        rows : (size,) int64
        visits : int
            From which the next draw goes on.
        """
        rows = np.zeros(0, np.int64)
        while True:
            candidates = self.draw(visits, size)
            drawn = self._luck(visits, size) < chance[candidates]
            last = np.searchsorted(np.cumsum(drawn), size - len(rows)) + 1  # of the visit that fills the minibatch
            rows = np.concatenate([rows, candidates[:last][drawn[:last]]])
            visits += min(int(last), size)
            if len(rows) == size:
                return rows, visits

    def _drawn(
        self, purpose: int, rows: NDArray[np.int64] | None, count: int, visits: int, size: int
    ) -> NDArray[np.int64]:
        """Of `count` particles, which are the first ones or these rows."""
        epoch, place = np.divmod(np.arange(visits, visits + size), count)
        orders = {int(e): _epoch_order(self.seed, purpose, count, int(e)) for e in np.unique(epoch)}
        drawn = np.array([orders[int(e)][p] for e, p in zip(epoch, place, strict=True)], dtype=np.int64)
        return drawn if rows is None else rows[drawn]

    def _luck(self, visits: int, size: int) -> NDArray[np.float64]:
        """A number in [0, 1) for each of the visits [visits, visits + size)."""
        visit = np.arange(visits, visits + size)
        numbers = {int(e): self._generator(_LUCK, int(e)).random(self.count) for e in np.unique(visit // self.count)}
        return np.array([numbers[int(v) // self.count][v % self.count] for v in visit])

    def _generator(self, purpose: int, number: int) -> np.random.Generator:
        return _generator(self.seed, purpose, number)


def _generator(seed: int, purpose: int, number: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, number, purpose]))


@lru_cache(maxsize=4)
def _epoch_order(seed: int, purpose: int, count: int, epoch: int) -> NDArray[np.int64]:
    """The particles of an epoch in their order: of millions it takes a while, and every iteration wants it twice."""
    order = _generator(seed, purpose, epoch).permutation(count)
    order.flags.writeable = False
    return order
