"""`coldstart devices`: the OpenCL devices, and which one a run would take."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import rich_click as click
from rich.console import Console
from rich.table import Table

from coldstart.errors import DeviceError

if TYPE_CHECKING:
    from coldstart.compute.device import DeviceInfo

_GIB = 2**30
_HEADINGS = ("", "Device", "Name", "Kind", "Units", "Memory", "Platform", "")


@click.command(cls=click.RichCommand)
def devices() -> None:
    """List the OpenCL devices and mark the one that a run would take.

    The second column is what `--device` accepts, besides part of a name.
    """
    from coldstart.compute.device import choose_device, list_devices

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
            "" if device.usable else f"not usable: {device.reason}",
            style=None if device.usable else "dim",
        )
    return table
