"""Scoring a run folder of the demo set by the files that it holds."""

from pathlib import Path

import numpy as np

from coldstart.demo.compare import Agreement, Truth, compare_to_truth
from coldstart.io.mrc import read_map
from coldstart.io.particle_files import read_particles
from coldstart.io.results import RunFolder

_EULER = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
_ORIGIN = ("rlnOriginXAngst", "rlnOriginYAngst")


def score_run(run: Path, truth: Truth) -> Agreement:
    """Compare the map and the particle table of a run with the truth of the set that it was made from."""
    folder = RunFolder(run)
    volume, _ = read_map(folder.volume_path(1, 1))
    particles, _ = read_particles(folder.particles_path)
    columns = particles.table.columns
    image_numbers = [int(name.split("@")[0]) for name in columns["rlnImageName"]]
    numbers = {label: columns[label].astype(np.float64) for label in (*_EULER, *_ORIGIN)}
    euler, origin = (np.stack([numbers[label] for label in labels], axis=1) for labels in (_EULER, _ORIGIN))
    return compare_to_truth(volume, np.array(image_numbers) - 1, euler, origin, truth)
