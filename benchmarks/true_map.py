"""A simulated set in memory and its true map as the engine has it: what the benchmarks of the pose search stand on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldstart.compute.session import Session
from coldstart.demo.molecule import make_molecule, molecule_map
from coldstart.demo.simulate import clean_images, coloured_noise, random_ctf
from coldstart.engine.abinitio import AbInitio
from coldstart.engine.parts import grid_side
from coldstart.engine.slices import FourierMap
from coldstart.engine.start import initial_noise
from coldstart.engine.update import resize_maps
from coldstart.model.particles import Ctf, Particles
from coldstart.model.so3 import random_rotations
from coldstart.params import AbInitioParams

MOLECULE_SEED = 3  # the demo's molecule


@dataclass(frozen=True, slots=True)
class Stack:
    """Images in memory, as an image source."""

    images: NDArray[np.float32]

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.images[rows]


@dataclass(frozen=True, slots=True)
class Simulated:
    """Signal and noise of a set, still apart; `density` is the map whose projections the signal is."""

    signal: NDArray[np.float32]
    noise: NDArray[np.float32]
    density: NDArray[np.float32]
    matrices: NDArray[np.float64]
    shift_px: NDArray[np.float64]
    ctf: Ctf
    pixel_size_angstrom: float

    @property
    def count(self) -> int:
        return len(self.signal)

    @property
    def box_px(self) -> int:
        return int(self.signal.shape[1])


@dataclass(frozen=True, slots=True)
class Converged:
    """A run whose map is the truth: the parts of the engine, the map on the device and here, and the noise."""

    job: AbInitio
    volume: FourierMap
    noise_variance: NDArray[np.float64]
    maps: NDArray[np.float32]


def simulate(
    count: int, box_px: int, pixel_size_angstrom: float, shifts_px: tuple[float, float], seed: int = 0
) -> Simulated:
    """Images of the demo's molecule under a CTF; shifts in x and in y are uniform between these two."""
    rng = np.random.default_rng(seed)
    molecule = make_molecule(MOLECULE_SEED)
    matrices = random_rotations(rng, count)
    shift_px = rng.uniform(*shifts_px, (count, 2))
    ctf = random_ctf(rng, count)
    return Simulated(
        clean_images(molecule, matrices, shift_px, ctf, box_px, pixel_size_angstrom),
        coloured_noise(rng, count, box_px, pixel_size_angstrom),
        molecule_map(molecule, box_px, pixel_size_angstrom),
        matrices,
        shift_px,
        ctf,
        pixel_size_angstrom,
    )


def converged(simulated: Simulated, amplitude: float, radius: float, session: Session, **params: float) -> Converged:
    """A run up to a radius on the true map, the signal scaled by `amplitude`."""
    box, pixel = simulated.box_px, simulated.pixel_size_angstrom
    particles = Particles(simulated.count, box, pixel, simulated.ctf)
    finest = particles.box_angstrom / radius
    settings = AbInitioParams(max_resolution_angstrom=finest, initial_resolution_angstrom=max(35.0, finest), **params)
    images = np.float32(amplitude) * simulated.signal + simulated.noise
    job = AbInitio(particles, Stack(images), settings, session)
    volumes = resize_maps(simulated.density[None], grid_side(radius)) * np.float32(amplitude / box)
    noise = initial_noise(settings, job.preparer, np.arange(simulated.count)).background
    return Converged(job, job.on_device(volumes), noise, volumes)
