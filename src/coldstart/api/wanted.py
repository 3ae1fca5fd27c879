"""The particles that a run is to use, out of the file that holds them."""

from pathlib import Path

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
    """
    particles, images = read_particles(
        path,
        data_root=data_root,
        pixel_size_angstrom=params.pixel_size_angstrom,
        use_ctf=params.ctf,
        resolution_angstrom=params.max_resolution_angstrom,
    )
    wanted = params.particles_to_use
    if wanted is None:
        return particles, images, particles.notes
    if wanted > particles.count:
        note = f"{wanted:,} particles were to be used, but the input has only {particles.count:,}."
        return particles, images, (*particles.notes, note)
    return particles.first(wanted), images, particles.notes
