"""Before the first iteration: the background's noise, a random map of the images' power, and the noise's inflation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coldstart.engine.images import ImagePreparer, MinibatchLoader
from coldstart.engine.search import MapSlices, PoseSearch
from coldstart.engine.stage import Stage
from coldstart.engine.update import PADDING
from coldstart.model.fourier import radius_grid, spectrum_of, volume_of
from coldstart.model.mask import soft_window
from coldstart.model.noise import NoiseModel
from coldstart.model.pose_grid import ShiftGrid, rotation_grid
from coldstart.params import AbInitioParams

NOISE_SAMPLE = 1000
"""Images whose background says what the noise is."""

SIGNAL_SHARE = 0.5
"""A random map explains nothing; one as strong as the truth would sharpen the posteriors all the same."""

MEAN_CTF_SQUARED = 0.5
"""Of an oscillating CTF."""

VARIATION = 0.5
"""Share of a random map in a variant of a given one."""

MAX_INFLATION = 64.0
BISECTIONS = 6


def initial_noise(params: AbInitioParams, preparer: ImagePreparer, rows: NDArray[np.int64]) -> NoiseModel:
    """The noise of the images' background, not inflated."""
    background = preparer.noise_variance(rows)
    nothing = np.zeros_like(background)
    return NoiseModel(background, nothing, 0.0, params.noise_prior_weight, params.noise_initial_weight, 1.0)


def random_map(rng: np.random.Generator, side: int, params: AbInitioParams) -> NDArray[np.float32]:
    """Positive noise, low-passed and windowed, of root mean square 1; (side, side, side) float32, [z, y, x]."""
    noise = rng.standard_normal((side,) * 3).astype(np.float32)
    window = soft_window(side, 3, params.window_inner_radius, params.window_outer_radius)
    volume = np.maximum(_lowpassed(noise, params.initial_lowpass_radius), 0.0) * window
    return np.asarray(volume / np.sqrt(np.mean(volume**2)), dtype=np.float32)


def _lowpassed(volume: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    lowpass = np.exp(-0.5 * (radius_grid(volume.shape[0]) / (0.5 * radius)) ** 2)
    return np.asarray(volume_of(spectrum_of(volume) * lowpass), dtype=np.float32)


def map_variant(volume: NDArray[np.float32], rng: np.random.Generator, params: AbInitioParams) -> NDArray[np.float32]:
    """A given map (side, side, side), low-passed like a random one, with a share of a random one; of mean square 1."""
    noise = random_map(rng, volume.shape[0], params)
    smooth = _lowpassed(volume, params.initial_lowpass_radius)
    varied = (1.0 - VARIATION) * smooth / max(float(np.sqrt(np.mean(smooth**2))), 1e-30) + VARIATION * noise
    return np.asarray(varied / np.sqrt(np.mean(varied**2)), dtype=np.float32)


def signal_power(power: NDArray[np.float64], noise: NDArray[np.float64], areas: NDArray[np.float64]) -> float:
    """What the images have above their noise, summed over coefficients; never quite zero.

    Parameters
    ----------
    power, noise, areas : (rings,) float64
        Of a coefficient, and coefficients of each ring.
    """
    return float(max(np.sum((power - noise) * areas), 1e-6 * np.sum(noise * areas)))


def scale_to_signal(
    volume: NDArray[np.float32], sliceable: NDArray[np.complex64], signal: float, areas: NDArray[np.float64],
    mean_ctf_squared: float,
) -> NDArray[np.float32]:  # fmt: skip
    """A map (side, side, side) scaled so that its slices have SIGNAL_SHARE of the images' signal power.

    `sliceable` is its padded spectrum; the slices are taken under a mean CTF.
    """
    shell = np.rint(radius_grid(sliceable.shape[0]) / PADDING).astype(np.int64).ravel()
    power = np.bincount(shell, np.abs(sliceable.ravel()) ** 2) / np.maximum(np.bincount(shell), 1)
    own = mean_ctf_squared * float(np.sum(power[1 : len(areas) + 1] * areas))
    return volume * np.float32(np.sqrt(SIGNAL_SHARE * signal / own))


def find_inflation(
    pieces: Sequence[NDArray[np.int64]], slices: MapSlices, noise: NoiseModel, target: float, shifts: ShiftGrid,
    stages: tuple[Stage, ...], loader: MinibatchLoader, search: PoseSearch,
) -> float:  # fmt: skip
    """The factor on the noise at which the target share of the coarse rotations is significant.

    The effective number of rotations grows with the factor: bisection of its logarithm, at most MAX_INFLATION. The
    particles are those of a minibatch, in pieces that are searched one after the other.
    """

    def ess_fraction(factor: float) -> float:
        variance = factor * noise.background
        ess = [search.coarse_ess(loader.load(rows, variance), slices, shifts, stages) for rows in pieces]
        return float(np.concatenate(ess).mean()) / len(rotation_grid(0))

    if ess_fraction(1.0) >= target:
        return 1.0
    low, high = 0.0, float(np.log(MAX_INFLATION))
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        if ess_fraction(float(np.exp(middle))) < target:
            low = middle
        else:
            high = middle
    return float(np.exp(high))
