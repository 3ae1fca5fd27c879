"""What a user asks of a cluster, and the Dask cluster that answers it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from coldstart.errors import ClusterError

if TYPE_CHECKING:
    from distributed import Client

LOCAL = "local"
QUEUES = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "lsf": "LSFCluster"}
"""Batch systems, and what dask-jobqueue has for them."""

ONE_DEVICE = {"processes": 1, "job_name": "coldstart"}
"""Settings of a job: it has one worker, however many cores."""

INSTALL_HINT = "pip install 'napari-coldstart[cluster]'"
QUIET = {
    "distributed.admin.tick.interval": "1s",
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.monitor-interval": "1s",
    "distributed.nanny.pre-spawn-environ": dict.fromkeys(
        ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), 1
    ),
}
"""Dask's configuration for processes of this machine. By default it looks after a worker some hundred times a second,
and has one give memory back that it wants again in the next step."""

SECONDS_FOR_SCHEDULER = 20
"""In which a scheduler has to answer."""

SECONDS_FOR_WORKERS = 600
"""In which the first worker has to appear; a queue may be long."""


@dataclass(frozen=True, slots=True)
class ClusterRequest:
    """Where the workers of a job are, and how many there are to be.

    Attributes
    ----------
    where : str
        "local" for processes of this machine; "slurm", "pbs" or "lsf" for jobs of a batch system, one a worker; or the
        address of a Dask scheduler that runs already.
    workers : int
    threads : int or None
        CPU threads of each worker, where its device is the CPU.
    """

    where: str
    workers: int
    threads: int | None = None

    @property
    def worker_threads(self) -> int | None:
        """CPU threads of a worker: on this machine an even share, where nothing is asked for."""
        if self.threads is None and self.where == LOCAL:
            return max((os.cpu_count() or 1) // self.workers, 1)
        return self.threads


@contextmanager
def open_cluster(request: ClusterRequest) -> Iterator[Client]:
    """Start the workers of a job, or find them, and in the end let go of those that were started.

    What a batch system needs to know (queue, project, time, memory, a GPU for each job) is told to dask-jobqueue in
    its own configuration, ~/.config/dask/jobqueue.yaml.

    Raises
    ------
    ClusterError
        If the extra is not installed, the cluster does not answer, or no worker appears.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ClusterError(f"--cluster needs Dask: {INSTALL_HINT}") from error
    if request.where == LOCAL:
        with _local_cluster(request) as cluster, Client(cluster) as client:
            yield _with_workers(client, request)
    elif request.where in QUEUES:
        with _queue_cluster(request) as cluster, Client(cluster) as client:
            yield _with_workers(client, request)
    else:
        try:
            client = Client(request.where, timeout=SECONDS_FOR_SCHEDULER)
        except (OSError, ValueError) as error:
            raise ClusterError(
                f"--cluster {request.where!r}: no Dask scheduler answers there ({error}). Give an address such as "
                f"tcp://host:8786, or one of {', '.join([LOCAL, *QUEUES])}."
            ) from error
        with client:
            yield _with_workers(client, request)


def job_script(where: str, scheduler: str, **settings: Any) -> str:
    """The script that a batch system is given for each worker.

    Parameters
    ----------
    where : str
        One of `QUEUES`.
    scheduler : str
        Address of the scheduler.
    settings
        Of dask-jobqueue, over those of its configuration.
    """
    job = _queue_class(where).job_cls(scheduler=scheduler, name="coldstart", **ONE_DEVICE, **settings)
    return str(job.job_script())


def _local_cluster(request: ClusterRequest) -> Any:
    import dask
    from distributed import LocalCluster

    with dask.config.set(QUIET):
        return LocalCluster(
            n_workers=request.workers, threads_per_worker=1, processes=True, memory_limit=0, dashboard_address=":0",
            preload="coldstart.cluster.preload",
        )  # fmt: skip


def _queue_cluster(request: ClusterRequest) -> Any:
    try:
        cluster = _queue_class(request.where)(**ONE_DEVICE)
    except (TypeError, ValueError) as error:
        raise ClusterError(
            f"--cluster {request.where}: {error}. Say so in ~/.config/dask/jobqueue.yaml, as dask-jobqueue's "
            "documentation shows."
        ) from error
    cluster.adapt(minimum_jobs=request.workers, maximum_jobs=request.workers)  # those that die are replaced
    return cluster


def _queue_class(where: str) -> Any:
    try:
        import dask_jobqueue
    except ImportError as error:
        raise ClusterError(f"--cluster {where} needs dask-jobqueue: {INSTALL_HINT}") from error
    return getattr(dask_jobqueue, QUEUES[where])


def _with_workers(client: Client, request: ClusterRequest) -> Client:
    try:
        client.wait_for_workers(request.workers, timeout=SECONDS_FOR_WORKERS)
    except TimeoutError as error:
        there = len(client.nthreads())
        raise ClusterError(
            f"--cluster {request.where}: after {SECONDS_FOR_WORKERS} s there are {there} workers, not "
            f"{request.workers}. Ask for fewer with --workers, or look at the queue."
        ) from error
    return client
