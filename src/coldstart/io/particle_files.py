"""Particles out of any file that the program reads: the one place that tells the formats apart."""

from pathlib import Path

from coldstart.errors import ParticleFileError
from coldstart.io.cryosparc_read import read_cryosparc
from coldstart.io.mrc import MrcStackSource
from coldstart.io.plain_stacks import read_plain_stacks
from coldstart.io.star import read_star
from coldstart.io.suffixes import CRYOSPARC_SUFFIXES, STACK_SUFFIXES, ends_in
from coldstart.model.particles import Particles

DEFAULT_RESOLUTION_ANGSTROM = 12.0


def read_particles(
    path: Path,
    *,
    data_root: Path | None = None,
    pixel_size_angstrom: float | None = None,
    use_ctf: bool = True,
    phase_flipped: bool = False,
    resolution_angstrom: float = DEFAULT_RESOLUTION_ANGSTROM,
) -> tuple[Particles, MrcStackSource]:
    """Read what is known of each particle, and open the stacks that hold the images.

    Parameters
    ----------
    path : Path
        A RELION STAR file (.star, also with .gz); a cryoSPARC dataset (.cs) or group (.csg); or a plain stack (.mrcs,
        .mrc, also with .gz) or a folder of stacks, whose images carry no CTF.
    data_root : Path, optional
        Folder that image names are relative to, tried before the table's own folder and those above it.
    pixel_size_angstrom : float, optional
        Takes the place of the pixel size in the table or the header.
    use_ctf : bool
        Without it, CTF columns are neither needed nor read.
    phase_flipped : bool
        The images' phases were flipped by their CTFs, whatever the table says of it; they are flipped back as they
        are read. Nothing is done without a CTF.
    resolution_angstrom : float
        At which `Particles.notes` says how much the aberrations matter that are not corrected.

    Returns
    -------
    particles : Particles
        Rows in the order of the file.
    source : MrcStackSource
        The images of these rows.

    Raises
    ------
    ParticleFileError
        If the table or a stack is missing, not readable, incomplete, or contradicts itself.
    """
    path = Path(path)
    try:
        if path.is_dir() or ends_in(path, STACK_SUFFIXES):
            return read_plain_stacks(path, pixel_size_angstrom=pixel_size_angstrom, use_ctf=use_ctf)
        read = read_cryosparc if ends_in(path, CRYOSPARC_SUFFIXES) else read_star
        return read(
            path,
            data_root=data_root,
            pixel_size_angstrom=pixel_size_angstrom,
            use_ctf=use_ctf,
            phase_flipped=phase_flipped,
            resolution_angstrom=resolution_angstrom,
        )
    except OSError as error:
        # A link that leads to itself, a folder that may not be searched.
        raise ParticleFileError(f"{path} cannot be read: {error.strerror or error}.") from error
