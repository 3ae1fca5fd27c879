"""An image's transform on rings: the points at which images and central slices are compared.

Ring r has radius r cycles a box and stands for the band r - 1/2 to r + 1/2. Its points lie at equal angles, so that an
in-plane rotation of the search grid moves points onto points: one slice serves every in-plane angle of its direction.
An image is real, so half a ring says everything: the value half a turn on is the conjugate. A point's weight is the
area that it stands for, in units of the lattice of the discrete transform, so that weighted sums over points are
sums over the coefficients of the image (docs/method.md, "Rings").
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import finufft
import numpy as np
import scipy.fft
from numpy.typing import NDArray

LANES = 8
"""Half rings are padded with points of weight 0 to a multiple of this, so that rows are whole vectors."""

POINTS_PER_RADIUS = 4.0
"""A ring of radius r has at least this times r points: products of image and slice alias only beyond the window."""

CROP_MARGIN = 8
NUFFT_TOLERANCE = 1e-4


@dataclass(frozen=True)
class PolarPlane:
    """The points of rings 1, 2, ... on half a turn, ring by ring: a coarser resolution is a prefix.

    Attributes
    ----------
    in_plane : int
        In-plane angles of the search grid; each ring has a whole multiple of as many points. Even.
    rings : int
        Rings; also the radius of the last one, in cycles a box.
    """

    in_plane: int
    rings: int

    @cached_property
    def half_points(self) -> NDArray[np.int32]:
        """(rings,) int32: points on half of each ring."""
        radius = np.arange(1, self.rings + 1)
        doublings = np.ceil(np.log2(np.maximum(POINTS_PER_RADIUS * radius / self.in_plane, 1.0)))
        return np.asarray(self.in_plane // 2 * 2**doublings, dtype=np.int32)

    @cached_property
    def ring_start(self) -> NDArray[np.int32]:
        """(rings + 1,) int32: first entry of each ring in a padded row, and the row's length."""
        padded = -(-self.half_points // LANES) * LANES
        return np.concatenate([[0], np.cumsum(padded)]).astype(np.int32)

    @cached_property
    def circle_start(self) -> NDArray[np.int32]:
        """(rings + 1,) int32: first entry of each ring in a row of whole turns, and the row's length.

        Whole turns end with a repetition of their first LANES points: any half turn is one run of memory.
        """
        padded = -(-(2 * self.half_points + LANES) // LANES) * LANES
        return np.concatenate([[0], np.cumsum(padded)]).astype(np.int32)

    @property
    def stride(self) -> int:
        """Length of a padded row."""
        return int(self.ring_start[-1])

    @cached_property
    def ring(self) -> NDArray[np.int64]:
        """(stride,) int64: radius of each entry's ring, pads included."""
        return np.repeat(np.arange(1, self.rings + 1), np.diff(self.ring_start))

    @cached_property
    def points(self) -> NDArray[np.int32]:
        """(M,) int32: entries that are points and not pads."""
        return np.flatnonzero(self._angle_index < self.half_points[self.ring - 1]).astype(np.int32)

    @cached_property
    def _angle_index(self) -> NDArray[np.int64]:
        return np.arange(self.stride) - self.ring_start[self.ring - 1]

    @cached_property
    def frequencies(self) -> NDArray[np.float64]:
        """(stride, 2) float64: kx, ky in cycles a box; zero at pads."""
        out = np.zeros((self.stride, 2))
        radius = self.ring[self.points]
        angle = np.pi * self._angle_index[self.points] / self.half_points[radius - 1]
        out[self.points] = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return out

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """(stride,) float64: area of each point; zero at pads."""
        out = np.zeros(self.stride)
        out[self.points] = np.pi * self.ring[self.points] / self.half_points[self.ring[self.points] - 1]
        return out

    @property
    def ring_areas(self) -> NDArray[np.float64]:
        """(rings,) float64: area of each half ring, the number of coefficients that it stands for."""
        return np.asarray(np.pi * np.arange(1, self.rings + 1))

    @cached_property
    def ring_table(self) -> NDArray[np.int32]:
        """(rings, 4) int32: start of a ring in rows, half points, start in rows of whole turns, points a step.

        A step is the angle between neighbours of the search grid.
        """
        step = 2 * self.half_points // self.in_plane
        return np.stack([self.ring_start[:-1], self.half_points, self.circle_start[:-1], step], axis=1)

    def count(self, radius: float) -> int:
        """Entries of the rings within a radius, pads included."""
        return int(self.ring_start[self.rings_within(radius)])

    def rings_within(self, radius: float) -> int:
        """Rings within a radius."""
        return min(int(radius + 1e-9), self.rings)

    def source(self, finer: PolarPlane) -> NDArray[np.int32]:
        """Where the points of this plane are in the rows of a finer one.

        Parameters
        ----------
        finer : PolarPlane
            At least as many rings, and a whole multiple of points on each.

        Returns
        -------
        (stride,) int32
            -1 at pads.
        """
        out = np.full(self.stride, -1, np.int32)
        ring = self.ring[self.points] - 1
        every, remainder = np.divmod(finer.half_points[: self.rings], self.half_points)
        if remainder.any():
            raise ValueError(f"{finer} does not hold the points of {self}")
        out[self.points] = finer.ring_start[ring] + every[ring] * self._angle_index[self.points]
        return out


def polar_transform(images: NDArray[np.float32], plane: PolarPlane) -> NDArray[np.complex64]:
    """The transform of images on the points of a plane.

    Parameters
    ----------
    images : (B, n, n) float32, [y, x]
        n even; zero outside the box's inscribed circle.
    plane : PolarPlane
        Fewer than n / 2 rings.

    Returns
    -------
    (B, stride) complex64
        Divided by n; relative to the centre of the image, pixel n // 2; zero at pads.
    """
    n = images.shape[-1]
    cropped = _crop(images, plane.rings)
    kx, ky = (np.ascontiguousarray(k) for k in (2 * np.pi / cropped.shape[-1] * plane.frequencies[plane.points]).T)
    out = np.zeros((len(images), plane.stride), np.complex64)
    found = finufft.nufft2d2(
        ky.astype(np.float32), kx.astype(np.float32), cropped.astype(np.complex64), eps=NUFFT_TOLERANCE, isign=-1,
        nthreads=1,
    )  # fmt: skip
    out[:, plane.points] = found / np.float32(n)
    return out


def _crop(images: NDArray[np.float32], rings: int) -> NDArray[np.float32]:
    """Images sampled more coarsely, their transform unchanged up to the rings: a shorter non-uniform transform."""
    n = images.shape[-1]
    side = 2 * (rings + CROP_MARGIN)
    if side > 0.75 * n:
        return images
    half = side // 2
    spectrum = scipy.fft.rfft2(scipy.fft.ifftshift(images, axes=(1, 2)))
    frequency = np.r_[0:half, -half:0]
    fade = np.minimum((half - np.abs(frequency)) / CROP_MARGIN, 1.0).astype(np.float32)  # an edge would ring afar
    small = spectrum[:, frequency][:, :, : half + 1] * (fade[:, None] * fade[: half + 1])
    return np.asarray(scipy.fft.fftshift(scipy.fft.irfft2(small, s=(side, side)), axes=(1, 2)))
