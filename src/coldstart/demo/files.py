"""The demo set on disk: a RELION 3.1 table with its stack, and the truth beside them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldstart.demo.compare import Truth
from coldstart.demo.molecule import make_molecule, molecule_map
from coldstart.demo.simulate import AMPLITUDE_CONTRAST, CS_MM, VOLTAGE_KV, SimulatedSet, simulate_set
from coldstart.io.mrc import write_map, write_stack
from coldstart.io.star_text import write_blocks
from coldstart.model.carried import CarriedTable
from coldstart.model.so3 import matrix_to_euler

IMAGES = 1500
BOX_PX = 48
PIXEL_SIZE_ANGSTROM = 5.0
SNR = 0.15
_STACK = "particles.mrcs"
_MOLECULE_SEED = 3
_IMAGES_A_MICROGRAPH = 50


@dataclass(frozen=True, slots=True)
class DemoSet:
    """Where the demo set lies, and what is true of it."""

    particles_path: Path
    truth_table_path: Path
    truth_map_path: Path
    truth: Truth


def write_demo_set(
    folder: Path,
    seed: int = 0,
    *,
    images: int = IMAGES,
    box_px: int = BOX_PX,
    pixel_size_angstrom: float = PIXEL_SIZE_ANGSTROM,
    snr: float = SNR,
) -> DemoSet:
    """Simulate the demo molecule and write the set into an existing folder.

    Parameters
    ----------
    folder : Path
        Receives particles.star (without poses), particles.mrcs, truth.star and truth.mrc.
    seed : int
        Of the poses, CTFs and noise; the molecule is always the same.
    images, box_px, pixel_size_angstrom, snr
        Number of images, their side (even), Å a pixel, and signal over noise variance in the box.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    molecule = make_molecule(_MOLECULE_SEED)
    density = molecule_map(molecule, box_px, pixel_size_angstrom)
    simulated = simulate_set(molecule, images, box_px, pixel_size_angstrom, snr, seed)
    truth = Truth(density, pixel_size_angstrom, simulated.matrices, -pixel_size_angstrom * simulated.shift_px)
    paths = DemoSet(folder / "particles.star", folder / "truth.star", folder / "truth.mrc", truth)
    write_stack(folder / _STACK, simulated.images, pixel_size_angstrom)
    write_map(paths.truth_map_path, density, pixel_size_angstrom)
    _write_tables(paths, simulated)
    return paths


def _write_tables(paths: DemoSet, simulated: SimulatedSet) -> None:
    optics = _optics_table(simulated.images.shape[1], paths.truth.pixel_size_angstrom)
    particles = _particle_table(simulated)
    euler = matrix_to_euler(paths.truth.matrices)
    origin = paths.truth.origin_angstrom
    poses = {
        "rlnAngleRot": _decimals(euler[:, 0]),
        "rlnAngleTilt": _decimals(euler[:, 1]),
        "rlnAnglePsi": _decimals(euler[:, 2]),
        "rlnOriginXAngst": _decimals(origin[:, 0]),
        "rlnOriginYAngst": _decimals(origin[:, 1]),
    }
    for path, table in ((paths.particles_path, particles), (paths.truth_table_path, particles.having(poses))):
        write_blocks(path, {"optics": optics, "particles": table})


def _optics_table(box_px: int, pixel_size_angstrom: float) -> CarriedTable:
    values = {
        "rlnOpticsGroup": 1,
        "rlnOpticsGroupName": "demo",
        "rlnVoltage": VOLTAGE_KV,
        "rlnSphericalAberration": CS_MM,
        "rlnAmplitudeContrast": AMPLITUDE_CONTRAST,
        "rlnImagePixelSize": pixel_size_angstrom,
        "rlnImageSize": box_px,
        "rlnImageDimensionality": 2,
    }
    return CarriedTable({label: [str(value)] for label, value in values.items()})


def _particle_table(simulated: SimulatedSet) -> CarriedTable:
    ctf = simulated.ctf
    count = len(simulated.images)
    return CarriedTable(
        {
            "rlnImageName": [f"{row:06d}@{_STACK}" for row in range(1, count + 1)],
            "rlnMicrographName": [f"micrograph{row // _IMAGES_A_MICROGRAPH + 1:03d}.mrc" for row in range(count)],
            "rlnOpticsGroup": ["1"] * count,
            "rlnDefocusU": _decimals(ctf.defocus_u_angstrom),
            "rlnDefocusV": _decimals(ctf.defocus_v_angstrom),
            "rlnDefocusAngle": _decimals(ctf.defocus_angle_deg),
        }
    )


def _decimals(values: NDArray[np.float64]) -> list[str]:
    return [f"{value:.4f}" for value in values]
