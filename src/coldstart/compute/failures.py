"""What an error of a device's driver means to a user: too little memory, or a device that is gone."""

from __future__ import annotations

from typing import Any

from coldstart.errors import DeviceError, DeviceMemoryError


def device_failure(label: str, doing: str, error: Any) -> DeviceError:
    """What to raise in place of an error of pyopencl.

    Drivers grant buffers that they do not have, and say so only when a kernel wants them.

    Parameters
    ----------
    label : str
        Name of the device.
    doing : str
        What failed: 'running the kernel score_grid'.
    error : pyopencl.Error
    """
    import pyopencl as cl

    status = cl.status_code
    if error.code in (status.MEM_OBJECT_ALLOCATION_FAILURE, status.OUT_OF_RESOURCES, status.OUT_OF_HOST_MEMORY):
        return DeviceMemoryError(
            f"{label} had too little memory for {doing}: {error}. Use a smaller minibatch, a coarser maximum "
            "resolution, or another device, and look whether other programs use this one."
        )
    return DeviceError(
        f"{label} failed at {doing}: {error}. The device or its driver is lost: look into the system's log, and begin "
        "anew once coldstart devices --check finds nothing wrong."
    )
