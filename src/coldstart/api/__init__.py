"""A run from Python: what the command line calls, and what a script may call.

`reconstruct` speaks arrays and records alone; `run_job` adds the files, particles in and a run folder out; `run_jobs`
runs several numbers of classes on the same particles and compares them.
`search_poses` finds poses on a map that is there already; `pick_particles` takes a subset of a run's particles.
"""

from coldstart.api.drive import OnIteration, ShouldStop, reconstruct
from coldstart.api.job import run_job
from coldstart.api.jobs import OnJobIteration, job_folder, run_jobs
from coldstart.api.pick import PickedClass, PickedParticles, pick_particles
from coldstart.api.pose_search import PoseSearchResult, search_poses

__all__ = [
    "OnIteration",
    "OnJobIteration",
    "PickedClass",
    "PickedParticles",
    "PoseSearchResult",
    "ShouldStop",
    "job_folder",
    "pick_particles",
    "reconstruct",
    "run_job",
    "run_jobs",
    "search_poses",
]
