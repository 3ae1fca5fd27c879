"""Images made ready: normalised, windowed, transformed, cropped to the coefficients of a run, and put on the device.

A prepared image costs 8 bytes a coefficient. Prepared images are kept while they fit a budget of host memory; the
others are prepared again at each visit, so memory does not grow with the stack.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldstart.compute.session import DeviceArray, Session
from coldstart.model.ctf import electron_wavelength_angstrom, take_rows
from coldstart.model.fourier import HalfPlane, image_coefficients
from coldstart.model.mask import radius_px, soft_window
from coldstart.model.noise import background_variance
from coldstart.model.particles import Ctf, ImageSource, Particles
from coldstart.params import AbInitioParams

CACHE_BYTES = 512 * 2**20
OPTICS_COLUMNS = 8
BLOCK = 256


class ImagePreparer:
    """Reads, normalises, windows and transforms images; remembers as many as the budget allows.

    Attributes
    ----------
    half_plane : HalfPlane
        The coefficients that are kept.
    window_power : float
        Mean square of the window: the share of the noise power that it lets through.
    """

    def __init__(
        self, particles: Particles, source: ImageSource, params: AbInitioParams, half_plane: HalfPlane
    ) -> None:
        self.half_plane = half_plane
        self._source = source
        self._sign = -1.0 if params.invert else 1.0
        box = particles.box_px
        inner, outer = params.window_inner_radius, params.window_outer_radius
        self._background = radius_px(box, 2) > 0.5 * box * inner
        self._window = soft_window(box, 2, inner, outer) if params.window_images else np.ones((box, box), np.float32)
        self.window_power = float(np.mean(self._window.astype(np.float64) ** 2))
        self._inner = inner
        self._white = params.noise_model == "white"
        slots = min(particles.count, CACHE_BYTES // (8 * len(half_plane)))
        self._cache = np.empty((slots, len(half_plane)), np.complex64)
        self._slot: dict[int, int] = {}

    def coefficients(self, rows: NDArray[np.int64]) -> NDArray[np.complex64]:
        """Half-plane coefficients of these particles, (len(rows), M) complex64."""
        out = np.empty((len(rows), len(self.half_plane)), np.complex64)
        missing = [i for i, row in enumerate(rows) if int(row) not in self._slot]
        for start in range(0, len(missing), BLOCK):
            part = missing[start : start + BLOCK]
            images = self.normalized(rows[part]) * self._window
            out[part] = image_coefficients(images, self.half_plane)
        fresh = set(missing)
        for i, row in enumerate(rows):
            if i not in fresh:
                out[i] = self._cache[self._slot[int(row)]]
            elif int(row) not in self._slot and len(self._slot) < len(self._cache):
                self._slot[int(row)] = len(self._slot)
                self._cache[self._slot[int(row)]] = out[i]
        return out

    def normalized(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Images with background mean 0 and variance 1, particles bright, (len(rows), box, box) float32."""
        images = self._source.read(rows)
        background = images[:, self._background].astype(np.float64)
        mean, deviation = background.mean(axis=1), background.std(axis=1)
        scale = self._sign / np.where(deviation > 0, deviation, 1.0)
        return np.asarray((images - mean[:, None, None]) * scale[:, None, None], dtype=np.float32)

    def noise_variance(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """(shells,) float64: variance of the background's coefficients, from these particles."""
        blocks = [rows[i : i + BLOCK] for i in range(0, len(rows), BLOCK)]
        parts = [
            len(block) * background_variance(self.normalized(block), self.half_plane, self._inner, white=self._white)
            for block in blocks
        ]
        return np.asarray(np.sum(parts, axis=0) / len(rows))


def optics_table(ctf: Ctf | None, rows: NDArray[np.int64], box_angstrom: float) -> NDArray[np.float32]:
    """Optics of these particles as kernels/images.cl reads them, (len(rows), 8) float32."""
    table = np.zeros((len(rows), OPTICS_COLUMNS))
    if ctf is None:
        return table.astype(np.float32)
    part = take_rows(ctf, rows)
    wavelength = electron_wavelength_angstrom(part.voltage_kv)
    mean = 0.5 * (part.defocus_u_angstrom + part.defocus_v_angstrom)
    half_difference = 0.5 * (part.defocus_u_angstrom - part.defocus_v_angstrom)
    twice_angle = 2.0 * np.deg2rad(part.defocus_angle_deg)
    per_box2 = np.pi * wavelength / box_angstrom**2
    table[:, 0] = per_box2 * mean
    table[:, 1] = per_box2 * half_difference * np.cos(twice_angle)
    table[:, 2] = per_box2 * half_difference * np.sin(twice_angle)
    table[:, 3] = 0.5 * np.pi * part.cs_mm * 1e7 * wavelength**3 / box_angstrom**4
    table[:, 4] = np.deg2rad(part.phase_shift_deg) + np.arcsin(part.amplitude_contrast)
    table[:, 5] = 0.25 * part.b_factor_angstrom2 / box_angstrom**2
    table[:, 6] = part.scale
    table[:, 7] = 1.0
    return table.astype(np.float32)


def largest_ctf(ctf: Ctf | None, frequency: float) -> float:
    """A bound on |CTF| up to a frequency in 1/Å, at least 1; a negative B factor amplifies."""
    if ctf is None:
        return 1.0
    gain = np.abs(ctf.scale) * np.exp(np.maximum(-0.25 * ctf.b_factor_angstrom2 * frequency**2, 0.0))
    return max(1.0, float(gain.max()))


@dataclass(frozen=True, slots=True)
class Minibatch:
    """Weighted images on the device.

    Attributes
    ----------
    rows : (B,) int64
        Particles.
    image : DeviceArray (B, 2, stride) float32
        C X / sigma^2, real and imaginary planes.
    weight : DeviceArray (B, stride) float32
        C^2 / sigma^2.
    power : (shells,) float64
        Mean |X|^2 over coefficients and images.
    amplitude_bound : float
        No |C X / sigma^2| and no C^2 / sigma^2 exceeds this.
    """

    rows: NDArray[np.int64]
    image: DeviceArray
    weight: DeviceArray
    power: NDArray[np.float64]
    amplitude_bound: float

    def __len__(self) -> int:
        return len(self.rows)


class MinibatchLoader:
    """Weighs prepared images on the device. Owns kernels/images.cl."""

    def __init__(self, session: Session, particles: Particles, preparer: ImagePreparer) -> None:
        self._session = session
        self._particles = particles
        self._preparer = preparer
        self._program = session.program("images.cl", MULADD=session.tuning.muladd)
        plane = preparer.half_plane
        self.kx, self.ky = (
            session.upload(name, plane.padded(k)) for name, k in zip(("kx", "ky"), plane.frequencies.T, strict=True)
        )
        self._phase_shifts: dict[str, NDArray[np.float64]] = {}
        self._ctf_bound = largest_ctf(particles.ctf, plane.radius / particles.box_angstrom)

    def load(self, rows: NDArray[np.int64], noise_variance: NDArray[np.float64]) -> Minibatch:
        """Put particles on the device, weighted for a noise variance of (shells,)."""
        plane, session = self._preparer.half_plane, self._session
        coefficients = self._preparer.coefficients(rows)
        inverse = 1.0 / noise_variance[plane.shells - 1]
        planes = np.stack([coefficients.real, coefficients.imag], axis=1)
        spectrum = session.upload("spectrum", plane.padded(planes))
        optics = session.upload("optics", optics_table(self._particles.ctf, rows, self._particles.box_angstrom))
        inverse_noise = session.upload("inverse_noise", plane.padded(inverse))
        image = session.array("image", spectrum.shape, np.float32)
        weight = session.array("weight", (len(rows), plane.stride), np.float32)
        size = (plane.stride, len(rows))
        self._program.launch(
            "weigh_images", size, self.kx, self.ky, spectrum, optics, inverse_noise, image, weight, plane.stride
        )
        squared = np.einsum("bcm,bcm->m", planes, planes, dtype=np.float64) / len(rows)
        power = np.bincount(plane.shells, squared)[1:] / plane.shell_sizes
        largest = float(np.abs(coefficients).max(initial=1.0))
        bound = self._ctf_bound**2 * largest * float(inverse.max())
        return Minibatch(rows, image, weight, power, bound)

    def phase_table(self, name: str, shifts: NDArray[np.float64]) -> DeviceArray:
        """Phases of shifts (S, 2) in fractions of the box, made anew only when these change.

        Returns
        -------
        DeviceArray (S, 2, stride) float32
            Real and imaginary planes.
        """
        session, stride = self._session, self._preparer.half_plane.stride
        if name in self._phase_shifts and np.array_equal(self._phase_shifts[name], shifts):
            return session.array(name, (len(shifts), 2, stride), np.float32)
        self._phase_shifts[name] = shifts
        points = session.upload(f"{name} shifts", shifts.astype(np.float32))
        phase = session.array(name, (len(shifts), 2, stride), np.float32)
        self._program.launch("phase_table", (stride, len(shifts)), self.kx, self.ky, points, phase, stride)
        return phase
