"""Whether single images show preferred views: how far their power spectra at 70 to 28 Å are from round.

    python benchmarks/view_anisotropy.py SETS NAME ...

The power spectrum of an image does not depend on where the particle is. Its part that goes as twice the angle, squared
and relative to the power, is averaged over IMAGES images of each set; what noise adds to it is known and taken off.
Few views of a particle change it, and so do particles of different shapes.
"""

import sys
from pathlib import Path

import numpy as np
import scipy.fft

from coldstart.api.wanted import read_wanted
from coldstart.check.gather import read_sample, spread_rows
from coldstart.check.spectra import WINDOW, ring_ctf_squared
from coldstart.model.mask import soft_window
from coldstart.params import AbInitioParams

IMAGES = 3000
COARSEST_ANGSTROM, FINEST_ANGSTROM = 70.0, 28.0
LEAST_CTF_SQUARED = 0.05


def anisotropy(table: Path) -> tuple[float, float]:
    """The mean over the images, and its standard error."""
    params = AbInitioParams()
    particles, source, _ = read_wanted(table, params, None)
    sample = read_sample(particles, source, params, spread_rows(particles.count, IMAGES))
    assert sample.ctf is not None
    side = sample.images.shape[-1]
    ky, kx = np.meshgrid(scipy.fft.fftfreq(side, 1 / side), np.arange(side // 2 + 1), indexing="ij")
    radius = np.hypot(kx, ky)
    resolution = sample.box_angstrom / np.maximum(radius, 1e-9)
    used = (resolution < COARSEST_ANGSTROM) & (resolution > FINEST_ANGSTROM) & ((kx > 0) | (ky > 0)) & (kx < side // 2)
    window = soft_window(side, 2, *WINDOW)
    power = np.abs(scipy.fft.rfft2(sample.images * window)[:, used]) ** 2 / (side**2 * np.mean(window**2))
    rings, at = np.arange(1, sample.rings + 1), radius[used]
    noise = np.interp(at, rings, sample.background_power)
    by_ring = ring_ctf_squared(sample.ctf, sample.rings, sample.box_angstrom)
    squared = np.stack([np.interp(at, rings, row) for row in by_ring])
    gain = (squared > LEAST_CTF_SQUARED) / np.maximum(squared, LEAST_CTF_SQUARED)
    weight = 1.0 / (power * gain).mean(axis=0)
    signal = (power - noise) * gain * weight
    twice = np.exp(2j * np.arctan2(ky[used], kx[used]))
    # The power of a coefficient is exponentially distributed: the variance is half of the mean square.
    of_noise = 0.5 * ((power * gain * weight) ** 2).sum(axis=1)
    values = (np.abs((signal * twice).sum(axis=1)) ** 2 - of_noise) / signal.sum(axis=1).mean() ** 2
    return float(values.mean()), float(values.std() / np.sqrt(len(values)))


def main() -> None:
    for name in sys.argv[2:]:
        mean, error = anisotropy(Path(sys.argv[1], name, "particles.star"))
        print(f"{name:16} {mean:.3f} ± {error:.3f}", flush=True)


if __name__ == "__main__":
    main()
