"""How many images it takes to see that phases were flipped, and whether it is seen where they were not.

    python benchmarks/sign_power.py SETS NAME ...

The slope of `check/ctf_sign.py` is measured on random samples of each set, as it is. Flipping the phases turns the sign
of the slope and nothing else (tests/check/test_ctf_sign.py): flipped, a sample would be found where the slope is above
ERRORS standard errors, and it is a false alarm where the slope is below as many.
"""

import sys
from pathlib import Path

import numpy as np

from coldstart.api.wanted import read_wanted
from coldstart.check.ctf_sign import measure_sign
from coldstart.check.gather import read_sample
from coldstart.check.phase_flipped import ERRORS
from coldstart.params import AbInitioParams

SAMPLES = {400: 10, 1000: 4, 4000: 1}
"""How many random samples of each size."""

_PART = 400


def in_errors(table: Path, size: int, seed: int) -> float:
    """The slope of a random sample in its standard errors."""
    params = AbInitioParams()
    particles, source, _ = read_wanted(table, params, None)
    count = min(size, particles.count)
    rows = np.sort(np.random.default_rng(seed).choice(particles.count, count, replace=False))
    parts = [read_sample(particles, source, params, part) for part in np.array_split(rows, -(-count // _PART))]
    found = measure_sign([(part.images, part.ctf) for part in parts if part.ctf is not None], particles.box_angstrom)
    return found.slope / found.error


def main() -> None:
    for name in sys.argv[2:]:
        cells = []
        for size, samples in SAMPLES.items():
            slopes = np.array([in_errors(Path(sys.argv[1], name, "particles.star"), size, n) for n in range(samples)])
            found, alarms = np.mean(slopes > ERRORS), int((slopes < -ERRORS).sum())
            cells.append(f"{size}: {np.median(slopes):.1f} errors, found {found:.0%}, {alarms} false alarms")
        print(f"{name:16} {'; '.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
