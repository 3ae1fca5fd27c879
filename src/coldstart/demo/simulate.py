"""Images of the made-up molecule: projections times CTF, shifted, under coloured noise.

Conventions are RELION's: particles are white, a particle moved by +t has the origin -t, and the noise has mean 0 and
standard deviation 1 over the box.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldstart.demo.molecule import Molecule, molecule_slices, slice_frequencies
from coldstart.model.ctf import evaluate_ctf, take_rows
from coldstart.model.particles import Ctf
from coldstart.model.so3 import random_rotations

VOLTAGE_KV = 300.0
CS_MM = 2.7
AMPLITUDE_CONTRAST = 0.1
_DEFOCUS_ANGSTROM = (8000.0, 25000.0)
_ASTIGMATISM_ANGSTROM = 400.0
_SHIFT_SIGMA_PX = 2.0
# Further than this no default search would look.
_SHIFT_LIMIT_PX = 4.0
_BATCH = 100


@dataclass(frozen=True, slots=True)
class SimulatedSet:
    """Images, and what was true of them.

    Attributes
    ----------
    images : (N, box, box) float32, [y, x]
        White particles; noise of mean 0 and standard deviation 1.
    matrices : (N, 3, 3) float64
        RELION rotation matrices, map frame to image frame.
    shift_px : (N, 2) float64
        How far the particle was moved along x and y: RELION's origin is the opposite.
    ctf : Ctf
    """

    images: NDArray[np.float32]
    matrices: NDArray[np.float64]
    shift_px: NDArray[np.float64]
    ctf: Ctf


def simulate_set(
    molecule: Molecule, count: int, box_px: int, pixel_size_angstrom: float, snr: float, seed: int
) -> SimulatedSet:
    """Images of the molecule from random directions.

    Parameters
    ----------
    molecule : Molecule
    count, box_px, pixel_size_angstrom : int, int, float
        Number of images, their side in pixels (even), and Å a pixel.
    snr : float
        Variance of the signal over that of the noise, both over the whole box.
    seed : int
        The same seed gives the same set.
    """
    rng = np.random.default_rng(seed)
    matrices = random_rotations(rng, count)
    shift_px = rng.normal(0.0, _SHIFT_SIGMA_PX, (count, 2)).clip(-_SHIFT_LIMIT_PX, _SHIFT_LIMIT_PX)
    ctf = random_ctf(rng, count)
    signal = clean_images(molecule, matrices, shift_px, ctf, box_px, pixel_size_angstrom)
    signal *= np.sqrt(snr) / signal.std()
    return SimulatedSet(signal + coloured_noise(rng, count, box_px, pixel_size_angstrom), matrices, shift_px, ctf)


def random_ctf(rng: np.random.Generator, count: int) -> Ctf:
    """CTFs of one microscope, with the defocus and the astigmatism of each image at random."""
    defocus_u = rng.uniform(*_DEFOCUS_ANGSTROM, count)
    constants = (VOLTAGE_KV, CS_MM, AMPLITUDE_CONTRAST, 0.0, 0.0, 1.0, 0.0)
    return Ctf(
        defocus_u,
        defocus_u - rng.uniform(0.0, _ASTIGMATISM_ANGSTROM, count),
        rng.uniform(0.0, 180.0, count),
        *(np.full(count, value) for value in constants),
    )


def clean_images(
    molecule: Molecule,
    matrices: NDArray[np.float64],
    shift_px: NDArray[np.float64],
    ctf: Ctf | None,
    box_px: int,
    pixel_size_angstrom: float,
) -> NDArray[np.float32]:
    """Projections without noise, in the molecule's own grey scale; `ctf` None leaves them unmodulated.

    The other parameters are those of `SimulatedSet`. Returns (N, box, box) float32, [y, x].
    """
    images = np.empty((len(matrices), box_px, box_px), dtype=np.float32)
    kx, ky = slice_frequencies(box_px)
    for start in range(0, len(matrices), _BATCH):
        rows = np.arange(start, min(start + _BATCH, len(matrices)))
        slices = molecule_slices(molecule, matrices[rows], box_px, pixel_size_angstrom)
        turns = shift_px[rows, 0, None, None] * kx + shift_px[rows, 1, None, None] * ky
        slices = slices * np.exp((-2j * np.pi / box_px) * turns)
        if ctf is not None:
            transfer = evaluate_ctf(take_rows(ctf, rows), kx.ravel(), ky.ravel(), box_px * pixel_size_angstrom)
            slices = slices * transfer.reshape(slices.shape)
        images[rows] = np.fft.fftshift(np.fft.irfft2(slices, s=(box_px, box_px)), axes=(1, 2))
    return images


def coloured_noise(
    rng: np.random.Generator, count: int, box_px: int, pixel_size_angstrom: float
) -> NDArray[np.float32]:
    """Noise whose power falls fourfold from low to high frequency, as that of ice does; expected variance 1."""
    frequency = np.fft.fftfreq(box_px, pixel_size_angstrom)
    power = 1.0 + 3.0 / (1.0 + 900.0 * (frequency[:, None] ** 2 + frequency[None, :] ** 2))
    amplitude = np.sqrt(power / power.mean())[:, : box_px // 2 + 1]
    white = rng.standard_normal((count, box_px, box_px))
    return np.fft.irfft2(np.fft.rfft2(white) * amplitude, s=(box_px, box_px)).astype(np.float32)
