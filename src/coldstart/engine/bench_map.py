"""A map to measure the search on: made by a short run of the particles, or one that is given."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coldstart.compute.session import Session
from coldstart.engine.abinitio import AbInitio
from coldstart.engine.parts import grid_side
from coldstart.engine.slices import FourierMap
from coldstart.engine.stage import LEARNING, shift_grid, stages
from coldstart.engine.start import MEAN_CTF_SQUARED, NOISE_SAMPLE, initial_noise, scale_to_signal, signal_power
from coldstart.engine.update import PADDING, resize_maps
from coldstart.errors import ParameterError
from coldstart.model.fourier import spectrum_of, trilinear_envelope
from coldstart.model.particles import ImageSource, Particles
from coldstart.params import AbInitioParams

SHORT_ITERATIONS = 20
"""Iterations of a short run at the initial resolution, and again on the way to the final one."""

SHORT_NOISE_WEIGHT = 500.0
FITS = 2


@dataclass(frozen=True, slots=True)
class BenchMap:
    """A map and the noise beside it.

    Attributes
    ----------
    volumes : (K, side, side, side) float32
        On the engine's grid for the radius, in its grey scale.
    noise_variance : (rings,) float64
        Not inflated.
    origin : str
        Where the map comes from.
    """

    volumes: NDArray[np.float32]
    noise_variance: NDArray[np.float64]
    origin: str


def short_run_map(particles: Particles, images: ImageSource, params: AbInitioParams, session: Session) -> BenchMap:
    """The map of a few dozen iterations from a random start, as far as the maximum resolution.

    It is no converged map: its posteriors are broader, and more poses are evaluated on it.
    """
    short = params.model_copy(
        update={"initial_iterations": 2 * SHORT_ITERATIONS + 1, "noise_initial_weight": SHORT_NOISE_WEIGHT}
    )
    job = AbInitio(particles, images, short, session)
    state = job.start()
    radii = np.linspace(job.plan.initial_radius, job.plan.max_radius, SHORT_ITERATIONS)
    for radius in (*np.full(SHORT_ITERATIONS, radii[0]), *radii):
        state, _ = job.iterate(replace(state, progress=replace(state.progress, radius=float(radius))))
    noise = replace(state.noise, initial_weight=0.0)
    return BenchMap(state.map.volume, noise.variance, f"the map of a short run of {2 * SHORT_ITERATIONS} iterations")


def given_map(
    particles: Particles, images: ImageSource, params: AbInitioParams, session: Session, volume: NDArray[np.float32],
    name: str,
) -> BenchMap:  # fmt: skip
    """A map over the particles' box, brought to the images' grey scale by least squares over a minibatch.

    Parameters
    ----------
    volume : (n, n, n) float32, [z, y, x]
    name : str
        For messages.

    Raises
    ------
    ParameterError
        If the images do not show it.
    """
    job = AbInitio(particles, images, params, session)
    radius, sampler = job.plan.max_radius, job.sampler
    side, areas = grid_side(radius), job.rings.plane.ring_areas
    noise = initial_noise(params, job.preparer, sampler.draw(0, min(NOISE_SAMPLE, sampler.count)))
    batch = job.loader.load(sampler.draw(0, min(job.plan.final_minibatch, sampler.count)), noise.background)
    signal = signal_power(batch.power, job.preparer.window_power * noise.background, areas)
    (scaled,) = resize_maps(volume[None], side)
    mean_ctf_squared = 1.0 if particles.ctf is None else MEAN_CTF_SQUARED
    scaled = scale_to_signal(scaled, job.updater(radius).sliceable(scaled[None])[0], signal, areas, mean_ctf_squared)
    for _ in range(FITS):
        factor = _scale_factor(job, scaled, noise.background)
        if not factor > 0.0:
            raise ParameterError(
                f"--volume {name}: the images show nothing of this map. "
                "Give a map of the same particles and box; dark particles need --invert"
            )
        scaled = scaled * np.float32(factor)
    return BenchMap(scaled[None], noise.variance, name)


def device_map(job: AbInitio, volumes: NDArray[np.float32]) -> FourierMap:
    """Maps (K, side, side, side) of the grid of the job's maximum radius, ready to be sliced."""
    spectrum = job.updater(job.plan.max_radius).sliceable(volumes)
    return FourierMap.upload(job.session, spectrum, PADDING)


def _scale_factor(job: AbInitio, volume: NDArray[np.float32], variance: NDArray[np.float64]) -> float:
    """The factor on a map at which the slices of the poses found on it fit the images best."""
    radius, side = job.plan.max_radius, volume.shape[0]
    levels, shifts = stages(radius, LEARNING), shift_grid(job.params, radius)
    batch = job.loader.load(job.sampler.draw(0, min(job.plan.final_minibatch, job.sampler.count)), variance)
    slices = job.search.prepare(device_map(job, volume[None]), np.eye(3), levels)
    found = job.search.run(batch, slices, shifts, levels, job.sampler.search(0))
    gradient = job.backprojector.run(batch, found, slices, radius, side)
    spectrum = spectrum_of(volume * trilinear_envelope(side))
    own = float(np.sum(gradient.denominator[0] * np.abs(spectrum) ** 2))
    return float(np.sum((np.conj(spectrum) * gradient.numerator[0]).real)) / max(own, np.finfo(np.float64).tiny)
