"""A run from Python: what the command line calls, and what a script may call.

`reconstruct` speaks arrays and records alone; `run_job` adds the files, particles in and a run folder out.
"""

from coldstart.api.drive import OnIteration, ShouldStop, reconstruct
from coldstart.api.job import run_job

__all__ = ["OnIteration", "ShouldStop", "reconstruct", "run_job"]
