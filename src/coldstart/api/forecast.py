"""What a run will need of the machine, as a record and as findings where it is too much."""

from coldstart.check.resources import check_resources
from coldstart.errors import DeviceError, ParameterError
from coldstart.model.check_report import Finding, Forecast
from coldstart.model.particles import Particles
from coldstart.model.symmetry import point_group
from coldstart.params import AbInitioParams

PROCESS_BYTES = 165 * 2**20
"""Of the program itself with its libraries and the report."""

COMPILER_BYTES = 60 * 2**20
"""Of a driver that compiles and runs kernels in this process, as OpenCL on the CPU does."""


def forecast_run(particles: Particles, params: AbInitioParams) -> tuple[Forecast | None, tuple[Finding, ...]]:
    """What a run of these particles will need, and what is wrong with that; None where there is no device for it."""
    from coldstart.compute.device import choose_devices, set_cpu_threads
    from coldstart.engine.duration import forecast_seconds
    from coldstart.engine.forecast import forecast_memory
    from coldstart.engine.plan import plan_run

    try:
        set_cpu_threads(params.threads)
        infos = choose_devices(params.device)
        info = infos[0]
        need = forecast_memory(particles, params, info)
        least = need if need.fits(info) else forecast_memory(particles, params, info, images=1)
    except DeviceError as error:
        return None, (Finding("device", "error", str(error), "coldstart devices lists what --device may name."),)
    except ParameterError as error:
        return None, (Finding("parameters", "error", str(error)),)
    order = point_group(params.symmetry).order
    plan = plan_run(params, particles.box_px, particles.box_angstrom, order, particles.count)
    shared = len(infos) * need.device_bytes + COMPILER_BYTES if info.shares_host_memory else 0
    forecast = Forecast(
        device_name=info.label,
        classes=params.classes,
        initial_minibatch=plan.initial_minibatch,
        final_minibatch=plan.final_minibatch,
        iterations=plan.iterations,
        device_bytes=need.device_bytes,
        host_bytes=PROCESS_BYTES + need.host_bytes + shared,
        device_capacity_bytes=info.global_bytes,
        seconds=forecast_seconds(plan, params, particles.box_px, particles.count, info),
    )
    return forecast, tuple(
        check_resources(forecast, need.largest_bytes, info.max_alloc_bytes, fits_in_pieces=least.fits(info))
    )
