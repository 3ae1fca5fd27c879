"""Maps that go with particles."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldstart.errors import ParameterError
from coldstart.io.mrc import read_map
from coldstart.model.particles import Particles

SAME_SIZE = 0.01
"""Relative difference up to which a map and a box are of one size."""


def read_box_map(path: Path, particles: Particles, flag: str) -> NDArray[np.float32]:
    """The map of a file over the particles' box, (n, n, n) float32, [z, y, x].

    Parameters
    ----------
    path : Path
    particles : Particles
    flag : str
        The option that gave the path, for messages.

    Raises
    ------
    ParameterError
        If it is no cube of an even side, spans another box, or holds nothing.
    ColdstartError
        As `read_map`.
    """
    volume, voxel_angstrom = read_map(path)
    n, box = volume.shape[0], particles.box_angstrom
    if volume.shape != (n, n, n) or n % 2:
        raise ParameterError(f"{flag} {path} is {volume.shape[::-1]} voxels, but must be a cube with an even side")
    extent = n * (voxel_angstrom or box / n)
    if abs(extent - box) > SAME_SIZE * box:
        raise ParameterError(
            f"{flag} {path} spans {extent:.1f} Å, but the particles' box is {box:.1f} Å: give a map over the same box"
        )
    if not np.isfinite(volume).all() or not volume.any():
        raise ParameterError(f"{flag} {path} is empty or holds values that are not numbers: give another map")
    return volume
