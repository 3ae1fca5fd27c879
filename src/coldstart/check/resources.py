"""The device that a run would take: whether it is there, and whether it can hold the run."""

from coldstart.model.check_report import Finding, Forecast

HOST_SHARE = 0.9
"""Of a memory, what a run may take."""


def check_resources(
    forecast: Forecast, largest_bytes: int, largest_capacity_bytes: int, *, fits_in_pieces: bool
) -> list[Finding]:
    """Whether all buffers together, and the largest one, fit the device.

    Where they do not, but would with fewer images at a time, the run takes these (engine/worker.py).
    """
    name, need, have = forecast.device_name, forecast.device_bytes, forecast.device_capacity_bytes
    if need <= HOST_SHARE * have and largest_bytes <= largest_capacity_bytes:
        return []
    what = f"{need / 2**20:,.0f} MiB, of which the largest buffer takes {largest_bytes / 2**20:,.0f} MiB"
    limits = f"{have / 2**20:,.0f} MiB, and at most {largest_capacity_bytes / 2**20:,.0f} MiB in one buffer"
    classes = "1 class" if forecast.classes == 1 else f"{forecast.classes} classes"
    too_large = need > have or largest_bytes > largest_capacity_bytes
    pieces = " It takes fewer images at a time, which is slower." if too_large and fits_in_pieces else ""
    return [
        Finding(
            "memory",
            "error" if too_large and not fits_in_pieces else "warning",
            f"A run of {classes} would need {what}; {name} has {limits}.{pieces}",
            "Use a coarser --max-resolution, a smaller --final-minibatch, or another --device.",
        )
    ]
