"""`coldstart devices`: the OpenCL devices, which one a run would take, the tuning of their kernels, and a self-test."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import rich_click as click
from rich.console import Console
from rich.table import Table

from coldstart.errors import DeviceError

if TYPE_CHECKING:
    from coldstart.compute.device import DeviceInfo
    from coldstart.compute.tuning import Tuning
    from coldstart.engine.tune import TuningResult

_GIB = 2**30
_HEADINGS = ("", "Device", "Name", "Kind", "Units", "Memory", "Platform", "Tuning", "")
_BEST = ""


@click.command(cls=click.RichCommand)
@click.option(
    "--tune",
    "tuned",
    is_flag=False,
    flag_value=_BEST,
    default=None,
    metavar="[DEVICE]",
    help="Time kernels of several tile sizes on this device, or the one that a run would take, and keep the fastest.",
)
@click.option(
    "--check",
    "checked",
    is_flag=False,
    flag_value=_BEST,
    default=None,
    metavar="[DEVICE]",
    help="Compare every kernel with NumPy on this device, or the one that a run would take, and measure its speed.",
)
@click.option("--json", "as_json", is_flag=True, help="With --check, print JSON instead of text.")
@click.pass_context
def devices(ctx: click.RichContext, /, tuned: str | None, checked: str | None, as_json: bool) -> None:
    """List the OpenCL devices and mark the one that a run would take.

    The second column is what `--device` accepts, besides part of a name. Kernels run with the tile sizes of a preset
    for the type of device until they have been tuned on it. Tuning may change the last bits of a result.

    What `--check` prints belongs in a bug report; its exit code is 1 where a kernel is not right.
    """
    from coldstart.compute.device import choose_device, list_devices

    if as_json and checked is None:
        raise click.UsageError("--json goes with --check.")
    if checked is not None:
        ctx.exit(_check(None if checked == _BEST else checked, as_json=as_json))
    if tuned is not None:
        _tune(None if tuned == _BEST else tuned, Console())
        return
    found, console = list_devices(), Console()
    try:
        chosen = choose_device(None).index
    except DeviceError:
        if found:
            console.print(device_table(found, None))
        raise
    console.print(device_table(found, chosen))
    console.print(f"\nA run takes device {chosen} unless --device says otherwise.", highlight=False)


def device_table(found: "Sequence[DeviceInfo]", chosen: int | None) -> Table:
    """The devices as a table, with an arrow at the chosen index."""
    from coldstart.compute.tuning import is_tuned, preset_for

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in _HEADINGS:
        table.add_column(heading, overflow="fold")
    for device in found:
        table.add_row(
            "→" if device.index == chosen else "",
            str(device.index),
            device.name,
            device.kind,
            str(device.compute_units),
            f"{device.global_bytes / _GIB:.1f} GiB",
            device.platform,
            "tuned here" if is_tuned(device) else f"preset: {preset_for(device).name}",
            "" if device.usable else f"not usable: {device.reason}",
            style=None if device.usable else "dim",
        )
    return table


def tuning_table(result: "TuningResult") -> Table:
    """What was tried, kernel by kernel, with an arrow at what was chosen."""
    table = Table("", "Kernel", "Vector", "Rows", "Chunk", "Milliseconds", "", box=None, pad_edge=False)
    for trial in result.trials:
        tuning, grid = trial.tuning, trial.kernel == "grid"
        decides = (tuning.vector_width, tuning.score_rows if grid else tuning.chunk)
        chosen = (result.best.vector_width, result.best.score_rows if grid else result.best.chunk)
        table.add_row(
            "→" if decides == chosen else "",
            trial.kernel,
            str(tuning.vector_width),
            str(tuning.score_rows) if grid else "",
            "" if grid else str(tuning.chunk),
            "" if trial.verdict else f"{1e3 * trial.seconds:.2f}",
            trial.verdict,
        )
    return table


def _check(request: str | None, *, as_json: bool) -> int:
    from coldstart.cli.self_test import self_test_record, self_test_text, software_versions
    from coldstart.compute.session import open_session
    from coldstart.engine.selftest.check import check_device

    with (
        open_session(request, profiling=True) as session,
        Console(stderr=True).status(f"Checking {session.info.label}"),
    ):
        check = check_device(session)
    versions = software_versions()
    if as_json:
        click.echo(json.dumps(self_test_record(check, versions), indent=2))
    else:
        click.echo(self_test_text(check, versions))
    return 1 if check.failures else 0


def _tune(request: str | None, console: Console) -> None:
    from coldstart.compute.session import open_session
    from coldstart.compute.tuning import keep_tuning
    from coldstart.engine.tune import measure_tuning

    with open_session(request, profiling=True) as session:
        with Console(stderr=True).status(f"Tuning {session.info.label}"):
            result = measure_tuning(session)
        file = keep_tuning(session.info, result.best)
    console.print(tuning_table(result))
    same = " (those of its preset)" if result.best == result.preset else ""
    console.print(
        f"\n{session.info.label} runs with {_words(result.best)}{same} from now on, as {file} says.",
        highlight=False,
        soft_wrap=True,
    )


def _words(tuning: "Tuning") -> str:
    return f"vectors of {tuning.vector_width}, {tuning.score_rows} rows and chunks of {tuning.chunk}"
