"""Work on one thread of BLAS."""

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS to one thread, as a context or a decorator.

    Maps are compared by products of thin matrices, over which its threads wait for each other longer than they work.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        yield
