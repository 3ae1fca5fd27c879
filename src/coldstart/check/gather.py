"""Reading what the checks look at: a sample of the images, and a pass over all of them that ends at no bad one."""

import hashlib
from collections.abc import Callable, Iterator

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from coldstart.check.evidence import BrokenImage, Evidence, Sample, Scan, StackFacts
from coldstart.errors import ParticleFileError
from coldstart.model.ctf import take_rows
from coldstart.model.mask import radius_px
from coldstart.model.particles import ImageSource, Particles
from coldstart.params import AbInitioParams

SAMPLE_SIZE = 1000
QUICK_SAMPLE_SIZE = 400
"""Images in the sample of a check of its own, and of the one at the head of a run."""

LARGER_SAMPLE_SIZE = 4000
"""Images in the larger sample of a check of its own: for the weakest effect, the sign of the CTF."""

GRID_PX = 128
"""The sample's images are cropped to this side at most, so that its memory does not grow with the box."""

SHOWN = 16
BLOCK_BYTES = 2**24
GIVE_UP = 200
"""So many broken images are enough: the rest of the stack is not read."""

_NORMAL_MAD = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""

OnShare = Callable[[float], None]


def gather(
    particles: Particles,
    source: ImageSource,
    params: AbInitioParams,
    stack: StackFacts,
    *,
    thorough: bool,
    on_share: OnShare | None = None,
) -> Evidence:
    """Read the sample, and every image where the check is thorough.

    Parameters
    ----------
    particles, source, params, stack
        What is to be checked.
    thorough : bool
        Read all images, not the sample alone.
    on_share : callable, optional
        Called with the share that is read, from 0 to 1.
    """
    rows = spread_rows(particles.count, SAMPLE_SIZE if thorough else QUICK_SAMPLE_SIZE)
    show = on_share or _ignore
    scan = scan_images(source, np.arange(particles.count) if thorough else rows, particles.box_px, stack, show)
    broken = {image.row for image in scan.broken}
    usable = rows[[int(row) not in broken for row in rows]]
    if not len(usable) or scan.gave_up:
        return Evidence(particles, params, stack, scan, None)
    sample = read_sample(particles, source, params, usable)
    if not thorough or particles.count <= SAMPLE_SIZE:
        return Evidence(particles, params, stack, scan, sample, lambda: (sample,))
    larger = spread_rows(particles.count, LARGER_SAMPLE_SIZE)
    larger = larger[[int(row) not in broken for row in larger]]
    return Evidence(particles, params, stack, scan, sample, lambda: _parts(particles, source, params, larger))


def _parts(
    particles: Particles, source: ImageSource, params: AbInitioParams, rows: NDArray[np.int64]
) -> Iterator[Sample]:
    """The images of these rows in samples of QUICK_SAMPLE_SIZE at most, one after the other."""
    for part in np.array_split(rows, -(-len(rows) // QUICK_SAMPLE_SIZE)):
        yield read_sample(particles, source, params, part)


def spread_rows(count: int, wanted: int) -> NDArray[np.int64]:
    """Rows from all parts of a stack, ascending: one at random out of each of `wanted` equal stretches."""
    if count <= wanted:
        return np.arange(count)
    edges = np.linspace(0, count, wanted + 1).astype(np.int64)
    return np.random.default_rng(0).integers(edges[:-1], edges[1:])


def scan_images(
    source: ImageSource, rows: NDArray[np.int64], box_px: int, stack: StackFacts, on_share: OnShare
) -> Scan:
    """Read images, and note those that cannot be used and those that occur twice."""
    broken: list[BrokenImage] = []
    copies: list[tuple[int, int]] = []
    first: dict[bytes, int] = {}
    done = 0
    for part in _blocks(rows, box_px):
        for good, images in _read(source, part, broken):
            for row, image in zip(good.tolist(), images, strict=True):
                digest = hashlib.blake2b(image.tobytes(), digest_size=12).digest()
                known = first.setdefault(digest, row)
                if known != row and stack.image_number[known] != stack.image_number[row]:
                    copies.append((row, known))
        done += len(part)
        on_share(done / len(rows))
        if len(broken) >= GIVE_UP:
            break
    return Scan(done, tuple(broken), tuple(copies), gave_up=len(broken) >= GIVE_UP)


def read_sample(particles: Particles, source: ImageSource, params: AbInitioParams, rows: NDArray[np.int64]) -> Sample:
    """The images of these rows, normalised on their own grid and cropped in Fourier space."""
    box = particles.box_px
    side = min(box, GRID_PX)
    outside = radius_px(box, 2) > 0.5 * box * params.window_inner_radius
    sign = -1.0 if params.invert else 1.0
    shown_rows = rows[spread_rows(len(rows), SHOWN)]
    cropped, means, deviations, extremes, shown = [], [], [], [], []
    total = np.zeros((box, box))
    for part in _blocks(rows, box):
        images = source.read(part).astype(np.float64)
        background = images[:, outside]
        mean, deviation = background.mean(axis=1), background.std(axis=1)
        deviation = np.where(deviation > 0, deviation, 1.0)
        images = (images - mean[:, None, None]) * (sign / deviation)[:, None, None]
        means.append(mean)
        deviations.append(deviation)
        extremes.append(np.abs(images).max(axis=(1, 2)) * deviation / _robust_deviation(background))
        total += images.sum(axis=0)
        shown.append(images[np.isin(part, shown_rows)].astype(np.float32))
        cropped.append(crop_spectrum(images, side))
    return Sample(
        rows, np.concatenate(cropped), particles.box_angstrom, np.concatenate(means), np.concatenate(deviations),
        np.concatenate(extremes), (total / len(rows)).astype(np.float32), np.concatenate(shown), shown_rows,
        None if particles.ctf is None else take_rows(particles.ctf, rows),
    )  # fmt: skip


def _robust_deviation(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation of most of the values of each row, (n, m) to (n,); single outliers leave it alone."""
    middle = np.median(values, axis=1, keepdims=True)
    return np.maximum(np.median(np.abs(values - middle), axis=1) * _NORMAL_MAD, 1e-30)


def crop_spectrum(images: NDArray[np.float64], side: int) -> NDArray[np.float32]:
    """Images (n, box, box) on a coarser grid of even `side` over the same box; white noise keeps its variance."""
    box = images.shape[-1]
    if side == box:
        return images.astype(np.float32)
    spectrum = scipy.fft.rfft2(images)
    half = side // 2
    kept = np.concatenate([spectrum[:, :half, : half + 1], spectrum[:, box - half :, : half + 1]], axis=1)
    # The Nyquist line of the coarser grid would need both its ends.
    kept[:, half], kept[:, :, half] = 0.0, 0.0
    return np.asarray(scipy.fft.irfft2(kept, s=(side, side)) * (side / box), dtype=np.float32)


def _blocks(rows: NDArray[np.int64], box_px: int) -> Iterator[NDArray[np.int64]]:
    step = max(1, BLOCK_BYTES // (4 * box_px**2))
    for start in range(0, len(rows), step):
        yield rows[start : start + step]


def _read(
    source: ImageSource, rows: NDArray[np.int64], broken: list[BrokenImage]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """The images that can be read; those that cannot are found by halving, and added to `broken`."""
    try:
        yield rows, source.read(rows)
    except ParticleFileError as error:
        if len(rows) == 1:
            broken.append(BrokenImage(int(rows[0]), str(error)))
            return
        for half in np.array_split(rows, 2):
            if len(broken) < GIVE_UP:
                yield from _read(source, half, broken)


def _ignore(_share: float) -> None:
    pass
