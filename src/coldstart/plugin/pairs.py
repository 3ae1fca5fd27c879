"""Particles beside what the map shows under their poses: the pixels and the figures, without a widget."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldstart.errors import ColdstartError, ParticleFileError
from coldstart.io.mrc import MrcStackSource
from coldstart.io.particle_files import read_particles
from coldstart.model.ctf import take_rows
from coldstart.model.particles import Particles
from coldstart.model.projection import fourier_radius, image_correlation, low_passed, normalized_images
from coldstart.plugin.run_layers import RunData


@dataclass(frozen=True, slots=True)
class Pair:
    """A particle and its match.

    Attributes
    ----------
    row : int
        In the table, from 0.
    class_number : int
    image : (n, n) float32, [y, x]
        Normalised: background of mean 0 and variance 1, particles bright.
    smooth_image : (n, n) float32
        The same to the resolution of the run.
    projection, seen_projection : (n, n) float32
        The map of its class under its pose and origin; and the same as the microscope shows it, with the CTF.
    correlation : float
        Of `smooth_image` and `seen_projection` within a circle.
    """

    row: int
    class_number: int
    image: NDArray[np.float32]
    smooth_image: NDArray[np.float32]
    projection: NDArray[np.float32]
    seen_projection: NDArray[np.float32]
    correlation: float


class PairMaker:
    """Makes pairs of a run; the stacks are opened at the first one."""

    def __init__(self, data: RunData) -> None:
        self._data = data
        self._opened: tuple[Particles, MrcStackSource] | None = None

    def pairs(self, rows: NDArray[np.int64]) -> list[Pair]:
        """The pairs of these particles.

        Parameters
        ----------
        rows : (M,) int64
            In the table, from 0.

        Raises
        ------
        ColdstartError
            If there are no poses, or images or maps cannot be read.
        """
        table, euler = self._data.table, self._data.euler_deg
        if table is None or euler is None:
            raise ParticleFileError("this run has no table with poses, so there is nothing to compare.")
        particles, source = self._open()
        params = self._data.run.params
        images = normalized_images(source.peek(rows), invert=params is not None and params.invert)
        classes = table.class_number[rows]
        plain, seen = np.empty_like(images), np.empty_like(images)
        for number in np.unique(classes).tolist():
            mine = np.flatnonzero(classes == number)
            projector = self._data.projector(number)
            _check_box(projector.box_px, particles)
            poses = euler[rows[mine]], table.origin_angstrom[rows[mine]]
            plain[mine] = projector.project(*poses)
            ctf = None if particles.ctf is None else take_rows(particles.ctf, rows[mine])
            seen[mine] = plain[mine] if ctf is None else projector.project(*poses, ctf)
        smooth = low_passed(images, self._radius(particles))
        correlation = image_correlation(smooth, seen)
        numbered = zip(rows.tolist(), classes.tolist(), strict=True)
        return [
            Pair(row, number, images[i], smooth[i], plain[i], seen[i], float(correlation[i]))
            for i, (row, number) in enumerate(numbered)
        ]

    def _radius(self, particles: Particles) -> int:
        summary = self._data.run.summary
        resolution = None if summary is None else summary.resolution_angstrom
        return fourier_radius(particles.box_px, particles.pixel_size_angstrom, resolution)

    def _open(self) -> tuple[Particles, MrcStackSource]:
        if self._opened is None:
            assert self._data.table is not None
            params, path = self._data.run.params, self._data.table.path
            with_ctf = params is None or params.ctf
            flipped = params is not None and params.phase_flipped
            try:
                self._opened = read_particles(path, use_ctf=with_ctf, phase_flipped=flipped)
            except ColdstartError:
                if params is not None:
                    raise
                self._opened = read_particles(path, use_ctf=False)
        return self._opened


def _check_box(box_px: int, particles: Particles) -> None:
    if box_px != particles.box_px:
        raise ParticleFileError(
            f"the map has a box of {box_px} px, the images one of {particles.box_px} px: they are not of one run."
        )
