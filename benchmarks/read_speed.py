"""Measure how long it takes to read a large particle table, and how much memory.

    python benchmarks/read_speed.py [--rows 1000000] [--folder FOLDER]

Makes a RELION 3.1 table of 25 columns and a cryoSPARC dataset of as many rows, with a stack of 200 images each, and
reads each in a process of its own: all of the table, its optics, image names and CTF, but not the headers of the
stacks, which need not be there. Also says what starfile takes for the same STAR file, where it is installed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from coldstart.io.cryosparc_files import write_dataset
from coldstart.io.star_columns import decimal
from coldstart.io.star_text import write_blocks
from coldstart.model.carried import CarriedTable

IMAGES_A_STACK = 200
READERS = {
    "coldstart, .star": ("from coldstart.io.star_table import read_star_table", "read_star_table(path).particles"),
    "coldstart, .cs": (
        "from coldstart.io.cryosparc_read import read_cryosparc_table",
        "read_cryosparc_table(path).records",
    ),
    "starfile, .star": ("import starfile", "starfile.read(path)['particles']"),
}
MEASURE = """
import resource, sys, time
from pathlib import Path
{load}
path = Path(sys.argv[1])
start, busy = time.perf_counter(), time.process_time()
rows = len({read})
wall, busy = time.perf_counter() - start, time.process_time() - busy
print(f"{{rows:,}} rows in {{wall:.1f}} s ({{busy:.1f}} s of processor time), "
      f"peak memory {{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f}} GiB")
"""


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        files = {".star": Path(folder) / "particles.star", ".cs": Path(folder) / "particles.cs"}
        write_star(files[".star"], options.rows)
        write_cs(files[".cs"], options.rows)
        for file in files.values():
            print(f"{file.name}: {file.stat().st_size / 1e6:.0f} MB")
        for name, (load, read) in READERS.items():
            file = files[name.rpartition(" ")[2]]
            code = MEASURE.format(load=load, read=read)
            done = subprocess.run([sys.executable, "-c", code, file], capture_output=True, text=True, check=False)
            print(f"{name:18} {done.stdout.strip() or done.stderr.strip().splitlines()[-1]}")


def write_star(path: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    row = np.arange(count)
    micrograph = row // IMAGES_A_STACK
    ranges = {
        "CoordinateX": 4000, "CoordinateY": 4000, "CtfMaxResolution": 5, "CtfFigureOfMerit": 1, "DefocusU": 20000,
        "DefocusV": 20000, "DefocusAngle": 180, "AngleRot": 360, "AngleTilt": 180, "AnglePsi": 360, "OriginXAngst": 9,
        "OriginYAngst": 9, "NormCorrection": 1, "LogLikeliContribution": 1e5, "MaxValueProbDistribution": 1,
    }  # fmt: skip
    columns = {f"rln{name}": decimal(rng.uniform(0, top, count)) for name, top in ranges.items()}
    for name in ("CtfBfactor", "CtfScalefactor", "PhaseShift"):
        columns[f"rln{name}"] = np.full(count, b"0.000000")
    for name in ("OpticsGroup", "ClassNumber", "RandomSubset", "NrOfSignificantSamples", "GroupNumber"):
        columns[f"rln{name}"] = np.full(count, b"1")
    stack = "Extract/job012/micrographs/FoilHole_20240101_%06d_Data_fractions"
    names = [stack % number for number in range(int(micrograph[-1]) + 1)]
    pairs = list(zip((row % IMAGES_A_STACK + 1).tolist(), micrograph.tolist(), strict=True))
    columns["rlnImageName"] = np.array([f"{image:06d}@{names[at]}.mrcs".encode() for image, at in pairs])
    columns["rlnMicrographName"] = np.array([f"{names[at]}.mrc".encode() for _, at in pairs])
    optics = {
        "rlnOpticsGroup": ["1"], "rlnOpticsGroupName": ["opticsGroup1"], "rlnVoltage": ["300.0"],
        "rlnSphericalAberration": ["2.7"], "rlnAmplitudeContrast": ["0.1"], "rlnImagePixelSize": ["1.05"],
        "rlnImageSize": ["256"], "rlnImageDimensionality": ["2"],
    }  # fmt: skip
    write_blocks(path, {"optics": CarriedTable(optics), "particles": CarriedTable(columns)})


def write_cs(path: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    row = np.arange(count)
    paths = [b"J19/extract/%021d_FoilHole_20240101_Data_particles.mrc" % n for n in range(count // IMAGES_A_STACK + 1)]
    dtype = [("uid", "<u8"), ("blob/path", f"S{len(paths[0])}"), ("blob/idx", "<u4"), ("blob/shape", "<u4", (2,))]
    dtype += [(f"blob/{name}", "<f4") for name in ("psize_A", "sign")]
    dtype += [("ctf/type", "S6"), ("ctf/exp_group_id", "<u4")]
    numbers = ("accel_kv", "cs_mm", "amp_contrast", "df1_A", "df2_A", "df_angle_rad", "phase_shift_rad", "bfactor")
    dtype += [(f"ctf/{name}", "<f4") for name in numbers]
    dtype += [("alignments3D/pose", "<f4", (3,)), ("alignments3D/shift", "<f4", (2,)), ("alignments3D/psize_A", "<f4")]
    records = np.zeros(count, dtype=dtype)
    records["uid"] = rng.permutation(count)
    records["blob/path"] = np.array(paths)[row // IMAGES_A_STACK]
    records["blob/idx"] = row % IMAGES_A_STACK
    records["blob/shape"], records["blob/psize_A"], records["blob/sign"] = 256, 1.05, -1
    records["ctf/accel_kv"], records["ctf/cs_mm"], records["ctf/amp_contrast"] = 300, 2.7, 0.1
    for name in ("df1_A", "df2_A"):
        records[f"ctf/{name}"] = rng.uniform(5000, 25000, count)
    write_dataset(path, records)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where the files are made for the while (the system's)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
