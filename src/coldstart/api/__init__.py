"""A run from Python: what the command line calls, and what a script may call.

`reconstruct` speaks arrays and records alone; `run_job` adds the files, particles in and a run folder out; `run_jobs`
runs several numbers of classes on the same particles and compares them; `run_starts` starts from several random maps
and says how far they agree; `run_halves` finds a map of each half of the particles and compares them. `resume_job` goes
on with a run that was left, and `resume_runs` with several.
`check_particles` says before a run what is wrong with the particles. `read_particles` reads what `reconstruct` takes,
from any file that the program knows. `search_poses` finds poses on a map that is there already; `pick_particles` takes
a subset of a run's particles. `map_symmetry` says which point group a map shows, and `turn_onto_axes` brings it there.
"""

from coldstart.api.check import OnCheck, OnProgress, check_particles
from coldstart.api.checkpoint import ShouldSuspend
from coldstart.api.drive import OnIteration, ShouldStop, reconstruct
from coldstart.api.halves import run_halves
from coldstart.api.job import run_job
from coldstart.api.jobs import run_jobs
from coldstart.api.pick import PickedClass, PickedParticles, copy_particles, kept_particles, pick_particles
from coldstart.api.pose_search import PoseSearchResult, search_poses
from coldstart.api.resume import resume_job
from coldstart.api.resume_runs import resume_runs
from coldstart.api.starts import run_starts
from coldstart.api.symmetry import MapSymmetry, TurnedMap, map_symmetry, turn_onto_axes
from coldstart.api.together import OnJobIteration
from coldstart.io.particle_files import read_particles
from coldstart.io.runs_plan import job_folder

__all__ = [
    "MapSymmetry",
    "OnCheck",
    "OnIteration",
    "OnJobIteration",
    "OnProgress",
    "PickedClass",
    "PickedParticles",
    "PoseSearchResult",
    "ShouldStop",
    "ShouldSuspend",
    "TurnedMap",
    "check_particles",
    "copy_particles",
    "job_folder",
    "kept_particles",
    "map_symmetry",
    "pick_particles",
    "read_particles",
    "reconstruct",
    "resume_job",
    "resume_runs",
    "run_halves",
    "run_job",
    "run_jobs",
    "run_starts",
    "search_poses",
    "turn_onto_axes",
]
