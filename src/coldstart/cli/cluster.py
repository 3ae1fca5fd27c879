"""The options of a cluster, which `run` and `resume` share."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click

from coldstart.errors import ParameterError
from coldstart.params import COMPUTE

if TYPE_CHECKING:
    from coldstart.cluster.request import ClusterRequest

Command = TypeVar("Command", bound=Callable[..., Any])


def cluster_options(command: Command) -> Command:
    """Decorator that gives a command --cluster and --workers."""
    workers = click.option(
        "--workers",
        type=click.IntRange(min=1),
        default=None,
        metavar="INTEGER",
        panel=COMPUTE,
        help="Workers of the cluster, one device each.",
    )
    where = click.option(
        "--cluster",
        default=None,
        metavar="WHERE",
        panel=COMPUTE,
        help="Deal the work out to the workers of a Dask cluster: local, slurm, pbs, lsf, or a scheduler's address.",
    )
    return where(workers(command))


def cluster_request(cluster: str | None, workers: int | None, threads: int | None = None) -> "ClusterRequest | None":
    """What the options ask for; None without --cluster.

    Raises
    ------
    ParameterError
        If one of the two options is given alone.
    """
    if cluster is None and workers is None:
        return None
    if cluster is None or workers is None:
        raise ParameterError("--cluster and --workers go together: say where the workers are, and how many")
    from coldstart.cluster.request import ClusterRequest

    return ClusterRequest(cluster, workers, threads)
