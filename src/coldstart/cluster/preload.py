"""What a worker's process on this machine does before anything else; Dask loads it there by its name."""

import signal


def dask_setup(worker: object) -> None:
    """Leave Ctrl-C, which the terminal sends to all processes of a run, to the driver."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
