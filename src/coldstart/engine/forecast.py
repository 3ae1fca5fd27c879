"""What a run will need, told before it begins: its largest steps are taken on a device that only counts.

A run is at its largest at the end: the maximum resolution, the final minibatch, the careful search of the posing pass.
These steps are taken here by the code that takes them in a run, on a `DrySession` and on blank images. What cannot be
known is how many poses survive a stage, since that is for the images to say: `Survivors` answers for them.
"""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldstart.compute.device import DeviceInfo
from coldstart.compute.dry import DrySession
from coldstart.engine.final_pass import pass_minibatch
from coldstart.engine.images import CACHE_BYTES, ImagePreparer
from coldstart.engine.parts import RunParts
from coldstart.engine.plan import plan_run
from coldstart.engine.rings import ring_planes
from coldstart.engine.stage import LEARNING, POSING, finest_level, shift_grid, stages
from coldstart.engine.start import NOISE_SAMPLE
from coldstart.model.particles import Particles
from coldstart.model.polar import PolarPlane
from coldstart.model.symmetry import point_group
from coldstart.params import AbInitioParams

ROTATIONS_KEPT, POSES_KEPT, LAST_POSES_KEPT = 0.3, 0.95, 0.36
"""Of the limit of a stage, how many coarse rotations, cells, and poses of the last stage an image keeps, where its
posterior is as broad as noisy images have it; few images keep much less."""

POSES_A_ROTATION = 3
"""Shifts that survive with a rotation, but for the last stage."""

MAPS_OF_RESULT = 6
"""Maps of the input's box that the end of a run holds for each class: the map, its mirror image, what makes them."""


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """What a run will hold at once, at most.

    Attributes
    ----------
    device_bytes : int
    largest_bytes, largest_name : int, str
        The largest single buffer.
    image_bytes : int
        Prepared images that are kept on the host.
    working_bytes : int
        What the host's side of the largest steps takes beside that.
    result_bytes : int
        Maps in the box of the input, as the end of a run has them.
    """

    device_bytes: int
    largest_bytes: int
    largest_name: str
    image_bytes: int
    working_bytes: int
    result_bytes: int

    @property
    def host_bytes(self) -> int:
        """All that is held on the host, the device's buffers not counted."""
        return self.image_bytes + max(self.working_bytes, self.result_bytes)

    def fits(self, info: DeviceInfo) -> bool:
        """Whether a device has that much memory, and grants the largest buffer."""
        return self.device_bytes <= info.global_bytes and self.largest_bytes <= info.max_alloc_bytes


def forecast_memory(
    particles: Particles, params: AbInitioParams, info: DeviceInfo, images: int | None = None
) -> MemoryNeed:
    """Bytes that a run will hold on this device and on the host.

    Parameters
    ----------
    particles : Particles
    params : AbInitioParams
    info : DeviceInfo
    images : int, optional
        That are on the device at a time; all of a minibatch without it.

    Raises
    ------
    ParameterError
        If the parameters ask for what is not there.
    """
    session = DrySession(info, Survivors())
    traced = tracemalloc.is_tracing()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    try:
        stride = _take_largest_steps(particles, params, session, images or particles.count)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        if not traced:
            tracemalloc.stop()
    return MemoryNeed(
        device_bytes=session.peak_bytes,
        largest_bytes=session.largest_bytes,
        largest_name=session.largest_name,
        image_bytes=min(8 * stride * particles.count, CACHE_BYTES),
        working_bytes=peak - before,
        result_bytes=MAPS_OF_RESULT * params.classes * 4 * particles.box_px**3,
    )


def _take_largest_steps(particles: Particles, params: AbInitioParams, session: DrySession, images: int) -> int:
    """The largest steps of a run, on a session that counts; the stride of an image."""
    group = point_group(params.symmetry)
    plan = plan_run(params, particles.box_px, particles.box_angstrom, group.order)
    plane = ring_planes(finest_level(plan.max_radius), int(plan.max_radius))[-1]
    parts = RunParts(particles, _NoImages(), params, session, _BlankImages(particles, params, plane))
    noise = np.ones(parts.rings.plane.rings)
    count = parts.sampler.count
    parts.loader.load(np.arange(min(NOISE_SAMPLE, count)), noise)

    radius = plan.max_radius
    symmetric = group.order > 1
    updater = parts.updater(radius, symmetric=symmetric)
    side = updater.side
    volumes = np.zeros((params.classes, side, side, side), np.float32)
    shifts = shift_grid(params, radius)
    largest = min(parts.plan.final_minibatch, images)
    for care, sigmas, rng, size in (
        (LEARNING, 0.0, np.random.default_rng(0), largest),
        (POSING, params.bound_sigmas, None, min(largest, pass_minibatch(parts.plan, count))),
    ):
        levels = stages(radius, care, sigmas)
        batch = parts.loader.load(np.arange(size), noise)
        slices = parts.search.prepare(parts.on_device(volumes), np.eye(3), levels)
        found = parts.search.run(batch, slices, shifts, levels, rng)
        parts.backprojector.run(batch, found, slices, radius, side, parts.symmetrizer if symmetric else None)
    return plane.stride


class Survivors:
    """How many poses survive a stage, and which, in the words of kernels/candidates.cl."""

    def __call__(self, session: DrySession, name: str, shape: tuple[int, ...]) -> NDArray[Any] | None:
        """What is downloaded from this buffer; None where it does not matter."""
        if name == "starts":
            totals = np.zeros(shape, np.int64)
            totals[-1] = _totals(session)
            return totals
        list_name, _, column = name.rpartition(" ")
        if not list_name.startswith("candidates "):
            return None
        if column == "start":
            (hypotheses,) = session.shapes[f"{list_name} shift"]
            return np.linspace(0, hypotheses, shape[0]).astype(np.int64)
        if column == "image":
            rows = session.shapes["offset"][0]
            groups = rows // session.shapes["window"][0]
            return np.arange(shape[0]) * (rows // groups) // max(shape[0], 1)
        if column == "rotation":
            return np.arange(shape[0])
        return None


def _totals(session: DrySession) -> tuple[int, int]:
    """Pairs and hypotheses of all rows together, as the kernel that was launched last would count them."""
    kernel = next(name for name in reversed(session.launches) if name in ("count_rotations", "count_cells"))
    limit = int(session.firsts["limits"])
    if kernel == "count_rotations":
        *_, rows, _, shifts = session.launches[kernel]
        rotations = rows * max(1, round(ROTATIONS_KEPT * limit))
        return rotations, rotations * shifts
    *_, rows, pairs_each, hyps_each = session.launches[kernel]
    share, of_rotation = (LAST_POSES_KEPT, 1) if hyps_each == 1 else (POSES_KEPT, POSES_A_ROTATION)
    hypotheses = max(1, round(share * limit))
    return rows * pairs_each * -(-hypotheses // of_rotation), rows * hyps_each * hypotheses


class _NoImages:
    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Never asked for: the images are blank."""
        raise AssertionError(f"image {rows[0]} was read for a forecast")


class _BlankImages(ImagePreparer):
    def __init__(self, particles: Particles, params: AbInitioParams, plane: PolarPlane) -> None:
        super().__init__(replace(particles, count=1), _NoImages(), params, plane)  # no memory for images

    def coefficients(self, rows: NDArray[np.int64]) -> NDArray[np.complex64]:
        """Zeros."""
        return np.zeros((len(rows), self.plane.stride), np.complex64)
