"""What the checks look at: the particles, a sample of their images, and what a pass over the stack found."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from coldstart.check.ctf_agreement import CtfScan, scan_defocus
from coldstart.check.ctf_sign import SignSlope, measure_sign
from coldstart.check.spectra import corner_power, ring_power
from coldstart.model.particles import Ctf, Particles
from coldstart.params import AbInitioParams


@dataclass(frozen=True, slots=True)
class StackFacts:
    """What the files of the stack say of themselves.

    Attributes
    ----------
    image_number : (N,) int64
        Which image of all stacks each row is; equal for rows that name the same image.
    names : tuple of str
        The stacks.
    header_angstrom, table_angstrom : tuple of float
        Pixel size of each stack, as its header says (0 where it does not) and as the run takes it.
    phase_flipped : bool
        Whether the flipping of phases is undone as the images are read.
    """

    image_number: NDArray[np.int64]
    names: tuple[str, ...]
    header_angstrom: tuple[float, ...]
    table_angstrom: tuple[float, ...]
    phase_flipped: bool = False


@dataclass(frozen=True, slots=True)
class BrokenImage:
    """An image that cannot be used, and why."""

    row: int
    reason: str


@dataclass(frozen=True, slots=True)
class Scan:
    """What a pass over images found.

    Attributes
    ----------
    images : int
        How many were read.
    broken : tuple of BrokenImage
    copies : tuple of (int, int)
        Rows of different images with equal pixels: the copy, and the first such row.
    gave_up : bool
        Whether so many were broken that the rest was not read.
    """

    images: int
    broken: tuple[BrokenImage, ...] = ()
    copies: tuple[tuple[int, int], ...] = ()
    gave_up: bool = False


@dataclass(frozen=True)
class Sample:
    """Images from all parts of the stack, as a run sees them: background mean 0 and variance 1, inverted if asked to.

    Attributes
    ----------
    rows : (n,) int64
    images : (n, m, m) float32
        Cropped in Fourier space to a smaller grid over the same box; white noise of variance 1 keeps that variance.
    box_angstrom : float
    background_mean, background_deviation : (n,) float64
        Of the images as they are in the stack.
    extreme : (n,) float64
        Largest distance of a pixel from the background's mean, in standard deviations of the background.
    average : (box, box) float32
        Mean of all images on their own grid.
    shown : (k, box, box) float32
        A few images on their own grid.
    shown_rows : (k,) int64
    ctf : Ctf or None
        Of these rows.
    """

    rows: NDArray[np.int64]
    images: NDArray[np.float32]
    box_angstrom: float
    background_mean: NDArray[np.float64]
    background_deviation: NDArray[np.float64]
    extreme: NDArray[np.float64]
    average: NDArray[np.float32]
    shown: NDArray[np.float32]
    shown_rows: NDArray[np.int64]
    ctf: Ctf | None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def rings(self) -> int:
        """Radius of the last ring of the images' spectra."""
        return int(self.images.shape[-1]) // 2 - 1

    @cached_property
    def power(self) -> NDArray[np.float64]:
        """(n, rings) float64: mean power of a coefficient on rings 1, 2, ... of each image; white noise has 1."""
        return ring_power(self.images)

    @cached_property
    def background_power(self) -> NDArray[np.float64]:
        """(rings,) float64: the same of the background alone, from the corners of the images."""
        return corner_power(self.images)

    @cached_property
    def signal_share(self) -> NDArray[np.float64]:
        """(rings,) float64: share of the mean power that is more than the background's."""
        mean = self.power.mean(axis=0)
        return np.asarray(np.clip(1.0 - self.background_power / np.maximum(mean, 1e-30), 0.0, 1.0))


@dataclass(frozen=True)
class Evidence:
    """All that a check may look at.

    Attributes
    ----------
    particles, params, stack, scan
        What is checked.
    sample : Sample or None
        None where no image can be read.
    read_more : callable
        Reads the parts of a larger sample one by one, for what few images cannot show; of a quick check, the sample.
    """

    particles: Particles
    params: AbInitioParams
    stack: StackFacts
    scan: Scan
    sample: Sample | None
    read_more: Callable[[], Iterable[Sample]] = tuple

    @cached_property
    def ctf_scan(self) -> CtfScan | None:
        """How well the images' spectra follow the CTFs of their rows; None without CTF or images."""
        if self.sample is None or self.sample.ctf is None:
            return None
        return scan_defocus(self.sample.power, self.sample.signal_share, self.sample.ctf, self.sample.box_angstrom)

    @cached_property
    def sign_slope(self) -> SignSlope | None:
        """Whether the CTF's changes of sign are in the images; None without CTF or images."""
        if self.sample is None or self.sample.ctf is None:
            return None
        parts = ((part.images, part.ctf) for part in self.read_more() if part.ctf is not None)
        return measure_sign(parts, self.sample.box_angstrom)
