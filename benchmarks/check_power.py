"""What `coldstart check` finds of mistakes that are made on purpose, and what it finds where there are none.

    python benchmarks/check_power.py SETS [NAME ...]

SETS holds development sets, made by ../shared/benchmark/sets.py. Mistakes are made in the files of the first IMAGES
particles. False alarms are counted over SAMPLES random parts of each set, of which half have QUICK_IMAGES particles.
Phases are flipped in whole sets too, since it takes many images to see it.
"""

import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import mrcfile
import numpy as np
import pandas as pd
import scipy.fft
import starfile
from numpy.typing import NDArray

from coldstart.api import check_particles
from coldstart.io.particle_files import read_particles
from coldstart.model.check_report import CheckReport
from coldstart.model.ctf import evaluate_ctf, flip_phases, take_rows
from coldstart.model.mask import radius_px
from coldstart.params import AbInitioParams

IMAGES, QUICK_IMAGES, SAMPLES = 1000, 400, 20


@dataclass(frozen=True)
class Data:
    """A set in memory: the images, the two tables, the pixel size in the header, and where the set came from."""

    images: NDArray[np.float32]
    optics: pd.DataFrame
    table: pd.DataFrame
    header_angstrom: float
    folder: Path

    def with_table(self, **columns: object) -> "Data":
        return replace(self, table=self.table.assign(**columns))

    def with_optics(self, **columns: object) -> "Data":
        return replace(self, optics=self.optics.assign(**columns))


def load(folder: Path, rows: NDArray[np.int64]) -> Data:
    tables = starfile.read(folder / "particles.star")
    with mrcfile.mmap(folder / "particles.mrcs") as stack:
        images, header = np.array(stack.data[rows]), float(stack.voxel_size.x)
    table = tables["particles"].iloc[rows].reset_index(drop=True)
    table["rlnImageName"] = [f"{i + 1:06d}@particles.mrcs" for i in range(len(table))]
    return Data(images, tables["optics"], table, header, folder)


def check(data: Data) -> CheckReport:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "particles.star")
        with mrcfile.new(path.with_suffix(".mrcs")) as stack:
            stack.set_data(data.images)
            stack.set_image_stack()
            stack.voxel_size = data.header_angstrom
        starfile.write({"optics": data.optics, "particles": data.table}, path)
        return check_particles(path, AbInitioParams())


def ctf_of(data: Data) -> NDArray[np.float64]:
    """CTF of each image at the coefficients of its real transform."""
    particles, _ = read_particles(data.folder / "particles.star")
    rows = range(len(data.table))
    assert np.allclose(particles.ctf.defocus_u_angstrom[rows], data.table["rlnDefocusU"])
    side = particles.box_px
    ky, kx = np.meshgrid(scipy.fft.fftfreq(side, 1 / side), np.arange(side // 2 + 1), indexing="ij")
    values = evaluate_ctf(
        take_rows(particles.ctf, np.arange(len(rows))), kx.ravel(), ky.ravel(), particles.box_angstrom
    )
    return values.reshape(len(rows), side, -1)


def filtered(data: Data, factor: NDArray[np.float64]) -> Data:
    spectrum = scipy.fft.rfft2(data.images) * factor
    images = scipy.fft.irfft2(spectrum, s=data.images.shape[1:]).astype(np.float32)
    return replace(data, images=images / images.std())


def phase_flipped(data: Data) -> Data:
    particles, _ = read_particles(data.folder / "particles.star")
    ctf = take_rows(particles.ctf, np.arange(len(data.table)))
    return replace(data, images=flip_phases(data.images, ctf, particles.box_angstrom))


def pixel_size(data: Data, factor: float, *, header: bool) -> Data:
    wrong = data.with_optics(rlnImagePixelSize=factor * data.header_angstrom)
    return replace(wrong, header_angstrom=factor * data.header_angstrom) if header else wrong


def defocus(data: Data, factor: float) -> Data:
    return data.with_table(rlnDefocusU=data.table.rlnDefocusU * factor, rlnDefocusV=data.table.rlnDefocusV * factor)


def shuffled(data: Data, share: float) -> Data:
    """The CTF columns of a share of the rows in another order."""
    rng = np.random.default_rng(1)
    rows = np.flatnonzero(rng.random(len(data.table)) < share)
    order = np.arange(len(data.table))
    order[rows] = rng.permutation(rows)
    columns = ["rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle"]
    return data.with_table(**{name: data.table[name].to_numpy()[order] for name in columns})


def duplicated(data: Data) -> Data:
    return replace(data, table=pd.concat([data.table, data.table.iloc[::100]], ignore_index=True))


def copied(data: Data) -> Data:
    images = data.images.copy()
    images[1::100] = images[::100]
    return replace(data, images=images)


def tight(data: Data) -> Data:
    """A box as wide as the sphere that holds 99 % of the map's squared density."""
    with mrcfile.open(data.folder / "truth_class1.mrc") as truth:
        volume = truth.data.astype(np.float64) ** 2
    distance = radius_px(len(volume), 3).ravel()
    order = np.argsort(distance)
    held = np.cumsum(volume.ravel()[order])
    side = 2 * round(float(distance[order][np.searchsorted(held, 0.99 * held[-1])]))
    start = len(volume) // 2 - side // 2
    part = slice(start, start + side)
    return replace(data, images=data.images[:, part, part]).with_optics(rlnImageSize=side)


def spoilt(data: Data, value: float | None) -> Data:
    """One image with a pixel of this value, or blank."""
    images = data.images.copy()
    if value is None:
        images[77] = 0.5
    else:
        images[77, 5, 6] = value
    return replace(data, images=images)


def unnormalised(data: Data) -> Data:
    scale = np.random.default_rng(2).uniform(5.0, 50.0, (len(data.images), 1, 1))
    return replace(data, images=(data.images * scale + 300.0).astype(np.float32))


MISTAKES: dict[str, tuple[str, Callable[[Data], Data]]] = {
    "inverted contrast": ("contrast", lambda d: replace(d, images=-d.images)),
    "pixel size x2, table": ("pixel size", lambda d: pixel_size(d, 2.0, header=False)),
    "pixel size x2, header too": ("pixel size", lambda d: pixel_size(d, 2.0, header=True)),
    "pixel size x0.5, header too": ("pixel size", lambda d: pixel_size(d, 0.5, header=True)),
    "pixel size x1.15, header too": ("pixel size", lambda d: pixel_size(d, 1.15, header=True)),
    "defocus in nm": ("defocus", lambda d: defocus(d, 0.1)),
    "defocus in um": ("defocus", lambda d: defocus(d, 1e-4)),
    "defocus negative": ("defocus", lambda d: defocus(d, -1.0)),
    "200 kV for 300": ("pixel size", lambda d: d.with_optics(rlnVoltage=200.0)),
    "3 kV for 300": ("ctf values", lambda d: d.with_optics(rlnVoltage=3.0)),
    "rows shuffled": ("order", lambda d: shuffled(d, 1.0)),
    "half of the rows shuffled": ("order", lambda d: shuffled(d, 0.5)),
    "rows duplicated": ("duplicates", duplicated),
    "images copied": ("copies", copied),
    "tight box": ("box", tight),
    "one NaN": ("images", lambda d: spoilt(d, np.nan)),
    "one infinity": ("images", lambda d: spoilt(d, np.inf)),
    "one blank image": ("images", lambda d: spoilt(d, None)),
    "one hot pixel": ("hot pixels", lambda d: spoilt(d, 1e3)),
    "premultiplied": ("premultiplied", lambda d: filtered(d, ctf_of(d))),
    "phase-flipped": ("phase-flipped", phase_flipped),
    "not normalised": ("normalisation", unnormalised),
    "row beyond the stack": ("input", lambda d: replace(d, images=d.images[:-1])),
    "no CTF columns": ("input", lambda d: replace(d, table=d.table.drop(columns=["rlnDefocusU"]))),
}


def verdict(report: CheckReport, name: str) -> str:
    """How the planted mistake was found, and by which other checks anything was."""
    severities = [finding.severity for finding in report.findings if finding.check == name]
    others = sorted({finding.check for finding in report.findings if finding.check != name})
    found = severities[0] if severities else "not found"
    return f"{found} ({', '.join(others)})" if others else found


def main() -> None:
    sets = Path(sys.argv[1])
    names = sys.argv[2:] or sorted(path.parent.name for path in sets.glob("*/truth.star"))
    print("| mistake | " + " | ".join(names) + " |\n|" + "---|" * (len(names) + 1), flush=True)
    first = {name: load(sets / name, np.arange(IMAGES)) for name in names}
    for mistake, (finds, make) in MISTAKES.items():
        cells = [verdict(check(make(first[name])), finds) for name in names]
        print(f"| {mistake} | " + " | ".join(cells) + " |", flush=True)
    print("\nWhole sets: as they are, and with their phases flipped\n", flush=True)
    for name in names:
        particles, _ = read_particles(sets / name / "particles.star")
        whole = load(sets / name, np.arange(particles.count))
        findings = [[finding.message for finding in check(data).findings] for data in (whole, phase_flipped(whole))]
        print(f"{name}, {particles.count} images: {findings[0] or 'nothing'}; {findings[1] or 'nothing'}", flush=True)
    print("\nClean parts of the sets: findings, and in how many of the samples\n", flush=True)
    for name in names:
        particles, _ = read_particles(sets / name / "particles.star")
        alarms: Counter[str] = Counter()
        for seed in range(SAMPLES):
            size = min(IMAGES if seed % 2 else QUICK_IMAGES, particles.count)
            rows = np.sort(np.random.default_rng(seed).choice(particles.count, size, replace=False))
            report = check(load(sets / name, rows))
            alarms.update({f"{finding.severity} {finding.check}" for finding in report.findings})
        print(f"{name}: {dict(alarms) or 'nothing'} in {SAMPLES}", flush=True)


if __name__ == "__main__":
    main()
