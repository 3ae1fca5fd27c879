"""Twins of kernels/images.cl."""

from __future__ import annotations

import numpy as np

from coldstart.engine.reference.arrays import Array, Real


def weigh_images(kx: Array, ky: Array, spectrum: Array, optics: Array, inverse_noise: Array) -> tuple[Real, Real]:
    """A = a C X / sigma^2, or a Y / sigma^2 of an image Y that was multiplied by its CTF, and W = a C^2 / sigma^2.

    Returns
    -------
    image, weight : (B, 2, stride), (B, stride) float64
    """
    x, y = (np.asarray(k, dtype=np.float64) for k in (kx, ky))
    columns = np.moveaxis(np.asarray(optics, dtype=np.float64), 1, 0)[:, :, None]
    defocus, along_axes, along_diagonals, spherical, phase, envelope, scale, applies = columns
    s2 = x**2 + y**2
    chi = defocus * s2 + along_axes * (x**2 - y**2) + along_diagonals * 2 * x * y - spherical * s2**2 + phase
    ctf = np.where(applies > 0, scale * np.exp(-envelope * s2) * np.sin(chi), 1.0)
    weight = ctf * inverse_noise
    factor = np.where(applies > 1.5, inverse_noise, weight)
    return factor[:, None] * spectrum, weight * ctf


def select_points(image: Array, weight: Array, source: Array, share: Array, damping: Array) -> tuple[Real, Real]:
    """A and W on the points of a coarser plane, the points' areas grown by `share`, W damped twice.

    Returns
    -------
    image, weight : (B, 2, stride), (B, stride) float64
        Zero at pads.
    """
    grown = np.where(source >= 0, np.asarray(share, dtype=np.float64), 0.0)
    return grown * image[..., source], grown * np.asarray(damping, dtype=np.float64) ** 2 * weight[:, source]


def phase_table(kx: Array, ky: Array, shifts: Array, damping: Array) -> Real:
    """S_l(t) = d_l exp(-2 pi i l.t / N), (S, 2, stride) float64; shifts are fractions of the box."""
    t = np.asarray(shifts, dtype=np.float64)
    angle = -2 * np.pi * (t[:, :1] * kx + t[:, 1:] * ky)
    return np.asarray(damping * np.stack([np.cos(angle), np.sin(angle)], axis=1))
