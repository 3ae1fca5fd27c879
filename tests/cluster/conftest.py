"""A cluster of two processes on this machine."""

import os
import signal
from collections.abc import Callable, Iterator

import pytest
from distributed import Client, LocalCluster

from coldstart.cluster.request import ClusterRequest


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Of two workers, which come again when they are killed."""
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, memory_limit=0, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def two_workers(client: Client) -> ClusterRequest:
    """Both of them, of one CPU thread each."""
    client.wait_for_workers(2, timeout=60)
    return ClusterRequest(client.scheduler_info()["address"], 2, threads=1)


@pytest.fixture
def kill_a_worker(client: Client) -> Callable[[], None]:
    """As if its machine went."""

    def kill() -> None:
        os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)

    return kill
