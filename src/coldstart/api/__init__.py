"""A run from Python: what the command line calls, and what a script may call.

`reconstruct` speaks arrays and records alone; `run_job` adds the files, particles in and a run folder out.
`search_poses` finds poses on a map that is there already.
"""

from coldstart.api.drive import OnIteration, ShouldStop, reconstruct
from coldstart.api.job import run_job
from coldstart.api.pose_search import PoseSearchResult, search_poses

__all__ = ["OnIteration", "PoseSearchResult", "ShouldStop", "reconstruct", "run_job", "search_poses"]
