"""BLAS is kept to one thread, and gets back what it had."""

from collections.abc import Iterator

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from coldstart.model.one_thread import one_blas_thread


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    np.eye(2) @ np.eye(2)
    with threadpool_limits(limits=2, user_api="blas"):
        if blas_threads() != {2}:
            pytest.skip("NumPy's BLAS has threads of a kind that is not limited")
        yield


def test_one_thread_within_and_as_many_as_before_after() -> None:
    with one_blas_thread():
        assert blas_threads() == {1}
    assert blas_threads() == {2}


def test_a_function_that_fails_gives_the_threads_back() -> None:
    @one_blas_thread()
    def fail() -> None:
        assert blas_threads() == {1}
        raise ValueError("on purpose")

    for _ in range(2):
        with pytest.raises(ValueError, match="on purpose"):
            fail()
    assert blas_threads() == {2}
