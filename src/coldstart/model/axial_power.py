"""Rotation axes of a map: how its power about an axis is spread over angular orders.

On a circle about an axis a transform is a Fourier series in the angle, and a turn by alpha multiplies order m by
exp(-i m alpha). The correlation of the map with itself turned is therefore sum_m P_m cos(m alpha) / sum_m P_m, with P_m
the power of order m: one reading of the map serves every angle, and so every fold of the axis.
"""

from dataclasses import dataclass

import healpix
import numpy as np
from numpy.typing import NDArray

from coldstart.model.sampled_spectrum import MapSpectrum
from coldstart.model.so3 import frames_about

FloatArray = NDArray[np.float64]

# The largest radius of a particle, in boxes, whose orders a circle of points resolves.
_REACH = 0.45
_FEWEST_POINTS = 8
_CHUNK = 64


@dataclass(frozen=True, slots=True)
class AxialPower:
    """Power about axes, every shell scaled to the same mean power, its spherical average left out.

    Attributes
    ----------
    directions : (A, 3) float64
        Unit vectors x, y, z.
    orders : (A, M) float64
        Power of the angular orders 0, 1, ..., of sum 1: order 0 is what a turn about the axis leaves as it is.
    """

    directions: FloatArray
    orders: FloatArray

    def turned(self, fold: int, *, uneven: bool = False) -> FloatArray:
        """The least correlation of the map with itself under the turns of an axis of this fold, (A,) float64.

        With `uneven`, that of what varies around the axis alone: a smooth rod is the same under all turns, and shows
        no fold for that. 0 where nothing varies.
        """
        first = 1 if uneven else 0
        power = self.orders[:, first:]
        total = power.sum(axis=1, keepdims=True)
        power = np.divide(power, total, out=np.zeros_like(power), where=total > 0.0)
        angle = (2.0 * np.pi / fold) * np.arange(1, fold // 2 + 1)  # the others turn the other way
        order = np.arange(first, self.orders.shape[1])
        return np.asarray((power @ np.cos(np.outer(order, angle))).min(axis=1))


def axis_grid(nside: int) -> FloatArray:
    """One direction of each pair of opposite ones, (6 nside^2 and some on the equator, 3), on HEALPix centres."""
    x, y, z = healpix.pix2vec(nside, np.arange(12 * nside**2))
    return np.asarray(np.stack([x, y, z], axis=1)[z > -1e-9], dtype=np.float64)


def axial_power(spectrum: MapSpectrum, directions: FloatArray, radius: int, centre_voxels: FloatArray) -> AxialPower:
    """The power about axes through a point.

    Parameters
    ----------
    spectrum : MapSpectrum
    directions : (A, 3) float64
        Unit vectors x, y, z.
    radius : int
        Finest shell, in cycles a box.
    centre_voxels : (3,) float64
        x, y, z from the centre of the box.
    """
    frames, shells = frames_about(directions), range(1, radius + 1)
    parts = [
        _orders(spectrum, frames[start : start + _CHUNK], shells, centre_voxels)
        for start in range(0, len(frames), _CHUNK)
    ]
    power = np.concatenate(parts)  # (A, shells, M)
    # Of all axes: a shell has the same power about each of them, but for sampling. It counts by its size.
    shell_power = power.sum(axis=2).mean(axis=0)
    weight = np.array(shells) ** 2 / np.maximum(shell_power, 1e-30)
    orders = np.einsum("asm,s->am", power, weight)
    return AxialPower(directions, orders / np.maximum(orders.sum(axis=1, keepdims=True), 1e-30))


def _orders(spectrum: MapSpectrum, frames: FloatArray, shells: range, centre_voxels: FloatArray) -> FloatArray:
    """Power (A, shells, M) of the angular orders on circles about the z axes of frames (A, 3, 3)."""
    out = np.zeros((len(frames), len(shells), _circle_points(shells[-1]) // 2))
    for index, shell in enumerate(shells):
        count = _circle_points(shell)
        points = _circles(shell, count) @ frames
        phase = np.exp((2.0j * np.pi / spectrum.box) * (points @ centre_voxels))
        values = spectrum(points.reshape(-1, 3)).reshape(phase.shape) * phase
        values -= values.mean(axis=1, keepdims=True).real  # the spherical average
        series = np.fft.fft(values.reshape(len(frames), -1, count), axis=2) / count
        power = np.mean(np.abs(series) ** 2, axis=1)
        half = power[:, : count // 2].copy()
        half[:, 1:] += power[:, : count // 2 : -1]
        out[:, index, : count // 2] = half
    return out


def _circle_points(shell: int) -> int:
    """Points on each circle of a shell: a power of two that resolves the orders of a particle within its reach."""
    wanted = max(_FEWEST_POINTS, 4.0 * np.pi * _REACH * shell + 6.0)
    return int(2 ** np.ceil(np.log2(wanted)))


def _circles(shell: int, count: int) -> FloatArray:
    """Points (circles * count, 3) on the upper half of a sphere, on circles about z of equal area."""
    circles = max(2, int(np.ceil(0.5 * np.pi * shell)))
    cosine = (np.arange(circles) + 0.5) / circles
    sine = np.sqrt(1.0 - cosine**2)
    angle = 2.0 * np.pi * np.arange(count) / count
    x, y = np.outer(sine, np.cos(angle)), np.outer(sine, np.sin(angle))
    return shell * np.stack([x, y, np.broadcast_to(cosine[:, None], x.shape)], axis=-1).reshape(-1, 3)
