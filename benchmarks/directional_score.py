"""How well maps are known in all directions, by their own judgement and against the truth: TRUTH.mrc RUN_FOLDER ...

The true map is placed on each map, and both are compared inside the map's mask in cones of 20 degrees around 96 axes:
the mean Fourier shell correlation from the fifth shell on, by size of the shells, of all cones, of the tenth of them
that is known least, and of the worst. The axis that the run names as known least is set against z of the truth, about
which the set `biased-views` is seen. Sampling compensation (SCF) and least sampling are of the views of all particles,
and behind an arrow of the views as --balance-views draws them.
"""

import sys
from pathlib import Path

import numpy as np

from coldstart.io.class_records import OrientationSummary
from coldstart.io.mrc import read_map
from coldstart.io.results import RunFolder
from coldstart.model.alignment import Placement, align_maps, place_map
from coldstart.model.half_maps import soft_mask
from coldstart.model.orientation import conical_correlation, half_sphere

FIRST_SHELL = 5


def main() -> None:
    truth, _ = read_map(Path(sys.argv[1]))
    print(
        f"{'run':<18}{'SCF':<14}{'least sampling':<16}{'off the true axis':<19}{'cFAR':<7}"
        "truth: all cones, worst tenth, worst"
    )
    for folder in map(RunFolder, map(Path, sys.argv[2:])):
        views = folder.load_summary().classes[0].orientation
        pair, radius, placement = beside_truth(truth, folder.volume_path(1, 1), folder)
        curves = conical_correlation(pair, half_sphere(4), radius)
        scores = np.average(curves[:, FIRST_SHELL:], axis=1, weights=np.arange(FIRST_SHELL, radius + 1.0) ** 2)
        off = np.rad2deg(np.arccos(min(abs(placement.rotation[:, 2] @ np.array(views.least_axis)), 1.0)))
        print(
            f"{folder.path.name:<18}{_drawn(views, 'compensation'):<14}{_drawn(views, 'least_sampling'):<16}"
            f"{f'{off:.0f} degrees':<19}{views.cone_ratio:<7.3f}"
            f"{scores.mean():.3f}, {np.sort(scores)[: len(scores) // 10].mean():.3f}, {scores.min():.3f}",
            flush=True,
        )


def beside_truth(truth: np.ndarray, path: Path, run: RunFolder) -> tuple[np.ndarray, int, Placement]:
    """The true map placed on a map of a run, and that map, masked; the radius that the run used; how the truth lies."""
    volume, voxel_angstrom = read_map(path)
    box_angstrom = len(volume) * voxel_angstrom
    placement = align_maps(truth, volume)
    mask = soft_mask(volume, box_angstrom / run.load_params().initial_resolution_angstrom)
    pair = np.stack([place_map(truth, placement), volume]) * mask
    return pair, int(box_angstrom / run.load_summary().resolution_angstrom), placement


def _drawn(views: OrientationSummary, name: str) -> str:
    text = f"{getattr(views, name):.2f}"
    return text if views.drawn is None else f"{text} → {getattr(views.drawn, name):.2f}"


if __name__ == "__main__":
    main()
