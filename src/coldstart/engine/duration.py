"""How long a run will take: a range, from what single images took on one processor.

The cost of visiting an image hardly depends on what is in it: rings and poses grow with the resolution, the transform
with the box. How many visits there will be is less certain, for the iterations end when the map has converged, and the
resolution rises as fast as the halves of the map agree. Both ends are told.
"""

from __future__ import annotations

from coldstart.compute.device import DeviceInfo
from coldstart.engine.outlook import POSING_VISITS, Outlook
from coldstart.engine.plan import Plan, late_from
from coldstart.engine.schedule import first_progress
from coldstart.params import AbInitioParams

START_SECONDS = (5.0, 20.0)
"""Start, kernels built where the driver has them in its cache and where it has not, and the report."""

BASE_SECONDS, RADIUS_SECONDS, BOX_SECONDS = 0.45e-3, 0.3e-3, 0.4e-3
REFERENCE_RADIUS, REFERENCE_BOX_PX = 31.0, 128.0
"""Processor time of a visit: a part for itself, one that grows as the radius squared, and one as the box squared."""

SERIAL_SHARE = 0.25
"""Of the processor time, what one core does by itself."""

GPU_SPEEDUPS = (4.0, 40.0)
"""Of the part that is not serial, against one core: from an integrated GPU to a large one."""

CPU_SPREAD = (0.7, 1.8)
"""Processors are faster, or slower and busy."""


def forecast_seconds(
    plan: Plan, params: AbInitioParams, box_px: int, particles: int, info: DeviceInfo
) -> tuple[float, float]:
    """From and to how many seconds by the clock a run takes."""
    visit = (
        BASE_SECONDS
        + RADIUS_SECONDS * (plan.max_radius / REFERENCE_RADIUS) ** 2
        + BOX_SECONDS * (box_px / REFERENCE_BOX_PX) ** 2
    ) * (0.5 + 0.5 * params.classes)
    outlook = Outlook(plan, params, particles)
    most = _most_visits(plan, params)
    lengths = outlook.visits_ahead(first_progress(plan), 0), most + POSING_VISITS * outlook.posed(most)
    (quickest, fast), (longest, slow) = zip(lengths, _speeds(info, params), strict=True)
    return START_SECONDS[0] + quickest * visit * fast, START_SECONDS[1] + longest * visit * slow


def _most_visits(plan: Plan, params: AbInitioParams) -> int:
    """Images in all iterations that there may be, repeats counted."""
    # The final phase takes the final size however early it comes.
    early = min(late_from(params) + plan.waiting_iterations, plan.iterations - plan.final_iterations)
    return early * plan.initial_minibatch + (plan.iterations - early) * plan.final_minibatch


def _speeds(info: DeviceInfo, params: AbInitioParams) -> tuple[float, float]:
    """Seconds by the clock for one of processor time, at best and at worst."""
    if info.kind == "CPU":
        cores = min(info.compute_units, params.threads or info.compute_units)
        share = SERIAL_SHARE + (1.0 - SERIAL_SHARE) / cores
        return CPU_SPREAD[0] * share, CPU_SPREAD[1] * share
    fast, slow = max(GPU_SPEEDUPS), min(GPU_SPEEDUPS)
    return (SERIAL_SHARE + (1.0 - SERIAL_SHARE) / fast) * CPU_SPREAD[0], (
        SERIAL_SHARE + (1.0 - SERIAL_SHARE) / slow
    ) * CPU_SPREAD[1]
