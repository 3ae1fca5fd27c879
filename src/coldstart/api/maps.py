"""Maps that go with particles."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldstart.errors import ParameterError
from coldstart.io.mrc import read_map
from coldstart.model.particles import Particles

SAME_SIZE = 0.005
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
        As `check_box_map`.
    ColdstartError
        As `read_map`.
    """
    volume, voxel_angstrom = read_map(path)
    check_box_map(volume, voxel_angstrom, particles, f"{flag} {path}")
    return volume


def check_box_map(
    volume: NDArray[np.floating], voxel_size_angstrom: float | None, particles: Particles, name: str
) -> None:
    """Refuse a map that does not go with particles.

    Parameters
    ----------
    volume : array
    voxel_size_angstrom : float or None
        None where it is not known: the map is then taken to span the box.
    particles : Particles
    name : str
        Of the map, for messages.

    Raises
    ------
    ParameterError
        If it is no cube of an even side, spans another box, or holds nothing.
    """
    n, box = volume.shape[0], particles.box_angstrom
    if volume.shape != (n, n, n) or n % 2:
        raise ParameterError(f"{name} is {volume.shape[::-1]} voxels, but must be a cube with an even side")
    extent = n * (voxel_size_angstrom or box / n)
    if abs(extent - box) > SAME_SIZE * box:
        raise ParameterError(
            f"{name} spans {extent:.1f} Å, but the particles' box is {box:.1f} Å: pad, crop or resample it to that box"
        )
    if not np.isfinite(volume).all() or not volume.any():
        raise ParameterError(f"{name} is empty or holds values that are not numbers: give another map")
