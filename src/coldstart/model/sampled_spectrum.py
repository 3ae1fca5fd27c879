"""The transform of a map at any frequency, and balls of frequencies at which maps are compared."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fftn
from scipy.ndimage import map_coordinates, spline_filter

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_PADDING = 2


class MapSpectrum:
    """Fourier transform of a map at any frequency up to a radius, by cubic splines in a padded transform."""

    def __init__(self, volume: NDArray[np.floating], radius: int) -> None:
        self.box = volume.shape[0]
        reach = _PADDING * radius + 4
        padded = np.pad(volume, _padding_around_centre(self.box))
        middle = len(padded) // 2
        window = np.arange(max(middle - reach, 0), min(middle + reach + 1, len(padded)))
        self._origin = middle - int(window[0])
        transform = fftn(np.fft.ifftshift(padded))
        core = transform[np.ix_(*3 * [(window - middle) % len(padded)])]
        del padded, transform  # several times the memory of what is kept
        self._parts = spline_filter(core.real, order=3), spline_filter(core.imag, order=3)

    def __call__(self, points: FloatArray) -> ComplexArray:
        """Values at (M, 3) frequencies kx, ky, kz in cycles a box."""
        at = (points[:, ::-1] * _PADDING + self._origin).T
        real, imaginary = (map_coordinates(part, at, order=3, prefilter=False, mode="nearest") for part in self._parts)
        return np.asarray(real + 1j * imaginary)

    def placed(self, points: FloatArray, rotation: FloatArray, shift_voxels: FloatArray) -> ComplexArray:
        """Values at (M, 3) frequencies of the map after it was rotated and then shifted."""
        phase = (-2.0 * np.pi / self.box) * (points @ shift_voxels)
        return np.asarray(self(points @ rotation) * np.exp(1j * phase))


class Ball:
    """The frequencies of half a ball, (M, 3) `points`, and their shells."""

    def __init__(self, radius: int) -> None:
        self.points = _half_ball(radius)
        self._shell = np.rint(np.linalg.norm(self.points, axis=1)).astype(np.int64)
        members = np.eye(radius + 1)[self._shell]
        self._mean_of_shell = members / np.maximum(members.sum(axis=0), 1.0)

    def flatten(self, values: ComplexArray) -> ComplexArray:
        """Values (..., M) divided by the root mean square of their shell."""
        rms = np.sqrt((values.real**2 + values.imag**2) @ self._mean_of_shell)
        return np.asarray(values / np.maximum(rms, 1e-30)[..., self._shell])

    def uneven(self, values: ComplexArray) -> ComplexArray:
        """Values (..., M) less the mean of their shell, which is that of the spherical average of a map, flattened."""
        return self.flatten(values - (values.real @ self._mean_of_shell)[..., self._shell])


@lru_cache(maxsize=4)
def ball_of(radius: int) -> Ball:
    """The frequencies up to a radius, made once."""
    return Ball(radius)


def _half_ball(radius: int) -> FloatArray:
    """Frequencies (M, 3) kx, ky, kz up to a radius, one of each pair k and -k, without the origin."""
    axis = np.arange(-radius, radius + 1)
    z, y, x = (part.ravel() for part in np.meshgrid(axis, axis, axis, indexing="ij"))
    upper = (z > 0) | ((z == 0) & (y > 0)) | ((z == 0) & (y == 0) & (x > 0))
    keep = upper & (x**2 + y**2 + z**2 <= radius**2)
    return np.stack([x[keep], y[keep], z[keep]], axis=1).astype(np.float64)


def _padding_around_centre(n: int) -> tuple[int, int]:
    """Voxels to add before and after, so that voxel n // 2 becomes the centre of the padded box."""
    padded = _PADDING * n
    before = padded // 2 - n // 2
    return before, padded - n - before
