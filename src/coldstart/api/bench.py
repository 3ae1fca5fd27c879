"""A benchmark of the pose search on the particles of a file."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coldstart import __version__
from coldstart.api.maps import read_box_map
from coldstart.io.files import write_text_atomically
from coldstart.io.particle_files import read_particles
from coldstart.params import AbInitioParams

if TYPE_CHECKING:
    from coldstart.engine.bench import Bench, SearchKind


def run_bench(
    particles_path: Path,
    params: AbInitioParams,
    *,
    images: int,
    search: "SearchKind" = "learning",
    volume_path: Path | None = None,
    data_root: Path | None = None,
) -> "Bench":
    """Measure E-steps and M-steps on the particles of a file at the parameters' maximum resolution.

    Parameters
    ----------
    particles_path : Path
        RELION STAR file, or a plain stack.
    params : AbInitioParams
    images : int
        How many to measure on, at most as many as there are.
    search : {"learning", "posing"}
        As in the iterations of a run, or as in its last pass over all particles.
    volume_path : Path, optional
        Map of these particles; without one, a short run from a random start makes it.
    data_root : Path, optional
        Folder that the stack paths of the table are relative to.

    Raises
    ------
    ColdstartError
        As `reconstruct`; ParticleFileError also if the map cannot be read or has another box.
    """
    from coldstart.compute.session import open_session
    from coldstart.engine.bench import bench
    from coldstart.engine.bench_map import given_map, short_run_map

    particles, source = read_particles(
        Path(particles_path),
        data_root=data_root,
        pixel_size_angstrom=params.pixel_size_angstrom,
        use_ctf=params.ctf,
        phase_flipped=params.phase_flipped,
    )
    volume = None if volume_path is None else read_box_map(volume_path, particles, "--volume")
    with open_session(params.device, params.threads, profiling=True) as session:
        if volume is None:
            subject = short_run_map(particles, source, params, session)
        else:
            subject = given_map(particles, source, params, session, volume, str(volume_path))
        return bench(particles, source, params, session, subject, images, search)


def write_bench(path: Path, measured: "Bench") -> None:
    """Write what was measured as JSON.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    write_text_atomically(path, json.dumps(bench_record(measured), indent=2) + "\n")


def bench_record(measured: "Bench") -> dict[str, Any]:
    """What was measured, with the figures that follow from it, as plain values."""
    plain = asdict(measured)
    plain["stages"] = [{**stage["count"], "seconds": stage["seconds"]} for stage in plain["stages"]]
    plain["kernels"] = [
        {
            **asdict(kernel),
            "rate": kernel.rate,
            "share_of_peak": measured.peak_share(kernel),
            "memory_bound_seconds": measured.memory_bound_seconds(kernel),
            "times_memory_bound": measured.times_memory_bound(kernel),
        }
        for kernel in measured.kernels
    ]
    grid = measured.grid
    plain["grid"] |= {"gflops": grid.gflops, "product_seconds": grid.product_seconds}
    return {
        "coldstart": __version__,
        **plain,
        "images_per_second": measured.images_per_second,
        "pose_share": measured.pose_share,
        "product_share": measured.product_share,
    }
