"""The particles that a run is to use, out of the file that holds them."""

from pathlib import Path

import numpy as np

from coldstart.errors import ParameterError
from coldstart.io.half_sets import half_sets
from coldstart.io.mrc import MrcStackSource
from coldstart.io.particle_files import read_particles
from coldstart.model.particles import Particles
from coldstart.params import AbInitioParams


def read_wanted(
    path: Path, params: AbInitioParams, data_root: Path | None
) -> tuple[Particles, MrcStackSource, tuple[str, ...]]:
    """The particles to use and their images, and notes on how they were read, or where there are fewer than wanted.

    Raises
    ------
    ParticleFileError
        As `read_particles`.
    ParameterError
        If the half set that is wanted has no particle.
    """
    particles, images = read_particles(
        path,
        data_root=data_root,
        pixel_size_angstrom=params.pixel_size_angstrom,
        use_ctf=params.ctf,
        phase_flipped=params.phase_flipped,
        resolution_angstrom=params.max_resolution_angstrom,
    )
    wanted, notes = params.particles_to_use, particles.notes
    if wanted is not None and wanted > particles.count:
        notes = (*notes, f"{wanted:,} particles were to be used, but the input has only {particles.count:,}.")
    elif wanted is not None:
        particles = particles.first(wanted)
    if params.half is None:
        return particles, images, notes
    rows = np.flatnonzero(half_sets(particles) == params.half)
    if not len(rows):
        raise ParameterError(f"half set {params.half} has no particle: leave --half away, or give more particles.")
    return particles.take(rows), images.take(rows), notes
