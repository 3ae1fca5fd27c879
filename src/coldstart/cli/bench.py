"""`coldstart bench`: how fast the search is on a stack, and how much of the poses it evaluates."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import rich_click as click
from rich.console import Console
from rich.table import Table

from coldstart.cli.options import merge_parameters, parameter_options
from coldstart.errors import ParameterError

if TYPE_CHECKING:
    from coldstart.engine.bench import Bench

_UNITS = {"flop": ("GFLOP/s", 1e-9), "points": ("Mpoints/s", 1e-6), "voxel updates": ("Mvoxel updates/s", 1e-6)}


@click.command(cls=click.RichCommand)
@click.argument("particles", type=click.Path(path_type=Path))
@click.option(
    "--json", "json_path", type=click.Path(path_type=Path), metavar="FILE", help="Write the figures here too."
)
@click.option("--images", default=600, show_default=True, type=click.IntRange(min=1), help="Images to measure on.")
@click.option(
    "--resolution", type=float, metavar="NUMBER", help="Finest detail that is compared, in Å. [default: as in a run]"
)
@click.option(
    "--volume",
    type=click.Path(path_type=Path),
    metavar="MAP",
    help="Map of these particles to search on; without one, a short run from a random start makes it.",
)
@click.option(
    "--search",
    type=click.Choice(["learning", "posing"]),
    default="learning",
    show_default=True,
    help="As in the iterations of a run, or as in its last pass over all particles.",
)
@click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Folder that the table's stack paths start from; the table's own folder when empty.",
)
@parameter_options(
    "pixel_size_angstrom",
    "ctf",
    "phase_flipped",
    "invert",
    "final_minibatch",
    "seed",
    "shift_extent",
    "bound_sigmas",
    "device",
    "threads",
)
def bench(
    particles: Path,
    json_path: Path | None,
    images: int,
    resolution: float | None,
    volume: Path | None,
    search: Literal["learning", "posing"],
    data_root: Path | None,
    **flags: Any,
) -> None:
    """Measure the search on PARTICLES: images a second, poses evaluated, time of each stage and kernel.

    It shows the time of whole steps by the clock and that of kernels as the device tells it. Nothing else should run
    on the machine meanwhile.
    """
    from coldstart.api.bench import run_bench, write_bench

    params = merge_parameters({**flags, **_resolutions(resolution)})
    console = Console()
    with Console(stderr=True).status("Measuring"):
        measured = run_bench(particles, params, images=images, search=search, volume_path=volume, data_root=data_root)
    print_bench(measured, console)
    if json_path is not None:
        write_bench(json_path, measured)


def print_bench(measured: "Bench", console: Console) -> None:
    """Print what was measured as tables."""
    console.print(_heading(measured), highlight=False, soft_wrap=True)
    for table in (_step_table(measured), _stage_table(measured), _kernel_table(measured)):
        console.print()
        console.print(table)
    for text in (_device_text(measured), _grid_text(measured)):
        console.print(f"\n{text}", highlight=False, soft_wrap=True)


def _resolutions(angstrom: float | None) -> dict[str, float]:
    """The maximum resolution, and the initial one, which cannot be finer."""
    if angstrom is None:
        return {}
    if not angstrom > 0:
        raise ParameterError(f"--resolution is {angstrom:g}, but must be a number of Å above 0.")
    fields = ("max_resolution_angstrom", "initial_resolution_angstrom")
    return dict(zip(fields, (angstrom, max(angstrom, _default_initial())), strict=True))


def _default_initial() -> float:
    from coldstart.params import AbInitioParams

    return AbInitioParams().initial_resolution_angstrom


def _heading(measured: "Bench") -> str:
    return (
        f"{measured.device}: {measured.images:,} images of {measured.box_px} px up to radius {measured.radius:.1f}, "
        f"steps of {measured.angular_step_deg:.3g}°, search as in {measured.search}, on {measured.map_origin}.\n"
        f"{measured.images_per_second:.1f} images a second: {measured.wall_seconds:.2f} s, "
        f"{measured.cpu_seconds:.2f} s of processor time.\n"
        f"Against an exhaustive search: {measured.pose_share:.4%} of the poses, "
        f"{measured.product_share:.4%} of the coefficient products."
    )


def _step_table(measured: "Bench") -> Table:
    table = _table("Step", "Seconds", "Share")
    for step, seconds in measured.steps.items():
        table.add_row(step, f"{seconds:.3f}", f"{seconds / measured.wall_seconds:.1%}")
    return table


def _stage_table(measured: "Bench") -> Table:
    table = _table("Stage of the search", "Radius", "Poses an image", "Kept", "Products", "Seconds")
    total = sum(stage.count.products for stage in measured.stages)
    for number, stage in enumerate(measured.stages):
        count = stage.count
        table.add_row(
            f"{'grid' if number == 0 else 'cells'}, level {count.level}",
            f"{count.radius:.1f}",
            f"{count.candidates / count.images:,.1f}",
            f"{count.kept / count.images:,.1f}",
            f"{count.products / max(total, 1):.1%}",
            f"{stage.seconds:.3f}",
        )
    return table


def _kernel_table(measured: "Bench") -> Table:
    table = _table("Kernel", "Launches", "Seconds", "Rate", "Against the device")
    for kernel in measured.kernels:
        table.add_row(
            kernel.kernel,
            f"{kernel.launches:,}",
            f"{kernel.seconds:.3f}",
            _rate_text(kernel.rate, kernel.unit),
            _best_text(measured.peak_share(kernel), measured.times_memory_bound(kernel)),
        )
    return table


def _best_text(peak_share: float | None, times_memory_bound: float | None) -> str:
    if times_memory_bound is not None:
        return f"{times_memory_bound:.1f} x memory bound"
    return "" if peak_share is None else f"{peak_share:.1%} of peak"


def _rate_text(rate: float | None, unit: str | None) -> str:
    if rate is None or unit is None:
        return ""
    name, factor = _UNITS[unit]
    return f"{factor * rate:,.1f} {name}"


def _device_text(measured: "Bench") -> str:
    copied, sliced, inserted = (measured.memory_rates[name] for name in ("copy", "make_slices", "insert_slices"))
    return (
        f"The device's peak is {measured.peak_gflops:.0f} GFLOP/s. Its memory reads and writes {copied:.1f} GB/s in a "
        f"copy,\n{sliced:.1f} GB/s in the pattern of make_slices, {inserted:.1f} GB/s in that of insert_slices."
    )


def _grid_text(measured: "Bench") -> str:
    grid = measured.grid
    return (
        f"The grid's {grid.energies:,} energies took {grid.seconds:.3f} s on the device. As a matrix product they are "
        f"{1e-9 * grid.product_flop:,.1f} GFLOP: {grid.gflops:,.1f} GFLOP/s,\n"
        f"against {grid.product.gflops:,.1f} GFLOP/s of NumPy's float32 product on {grid.product.cores:.1f} cores "
        f"of this machine, which would take {grid.product_seconds:.3f} s."
    )


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first)
    for heading in others:
        table.add_column(heading, justify="right")
    return table
