from itertools import pairwise

import numpy as np
import pytest

from coldstart.engine.rings import FINEST_LEVEL
from coldstart.engine.stage import DENSE, LEARNING, POSING, Thoroughness, finest_level, shift_grid, stages
from coldstart.model.pose_grid import COARSE_STEP_DEG
from coldstart.params import AbInitioParams


@pytest.mark.parametrize("care", [LEARNING, DENSE, POSING])
@pytest.mark.parametrize("radius", [3.0, 7.6, 8.0, 12.3, 20.0, 33.3, 60.0])
def test_the_search_is_as_fine_as_the_resolution_needs(radius, care):
    levels = [stage for stage in stages(radius, care, 4.0) if not stage.sweep]
    assert [stage.level for stage in levels] == list(range(len(levels)))
    radii = [stage.radius for stage in levels]
    assert radii == sorted(radii)
    assert radii[-1] == radius
    needed = len(levels) - 1
    steps = [np.deg2rad(COARSE_STEP_DEG / 2**stage.level) for stage in levels]
    assert steps[needed] * radius <= care.step_radians
    assert needed == 0 or steps[needed - 1] * radius > care.step_radians
    assert needed == finest_level(radius, care.step_radians)
    assert [stage.limit for stage in levels[:-1]] == [care.limit(stage.level) for stage in levels[:-1]]
    assert levels[-1].limit == (32 if care is POSING else care.limit(needed))
    assert levels[-1].omitted == care.omitted_last
    assert all(stage.omitted <= 10 * max(care.omitted, 1e-4) for stage in levels[:-1])


@pytest.mark.parametrize(("radius", "swept"), [(5.0, []), (12.0, [1, 1]), (20.0, [2, 2]), (60.0, [2, 2])])
def test_the_posing_pass_keeps_to_the_bound_and_sweeps_around_the_best_cells(radius, swept):
    """Twice, at the finest level above the last whose grid turns the rings onto themselves."""
    levels = stages(radius, POSING, 3.5)
    assert [stage.level for stage in levels if stage.sweep] == swept
    for before, stage in pairwise(levels):
        assert not stage.sweep or (before.level, before.radius) == (stage.level, stage.radius)
    assert all(stage.sigmas == (3.5 if stage.level <= FINEST_LEVEL else 0.0) for stage in levels[:-1])
    assert not any(stage.sigmas or stage.sweep for stage in stages(radius, LEARNING, 3.5))


def test_limits_by_level():
    care = Thoroughness(1e-3, 1e-2, limits=(100, 40, 7))
    assert [care.limit(level) for level in range(5)] == [100, 40, 7, 7, 7]
    assert [stage.limit for stage in stages(60.0, care)][:3] == [100, 40, 7]


def test_finer_detail_needs_finer_levels():
    needed = [finest_level(radius) for radius in np.linspace(1, 80, 200)]
    assert needed[0] == 0
    assert (np.diff(needed) >= 0).all()
    assert needed[-1] == int(np.ceil(np.log2(80 * np.deg2rad(COARSE_STEP_DEG) / LEARNING.step_radians)))


def test_posing_is_the_most_thorough():
    assert POSING.omitted <= min(LEARNING.omitted, DENSE.omitted)
    assert POSING.omitted_last <= min(LEARNING.omitted_last, DENSE.omitted_last)
    assert all(POSING.limit(level) >= LEARNING.limit(level) for level in range(6))
    assert POSING.step_radians < LEARNING.step_radians


@pytest.mark.parametrize("radius", [3.0, 8.0, 25.0])
def test_coarse_shifts_follow_the_finest_wave_of_the_coarse_stage(radius):
    grid = shift_grid(AbInitioParams(shift_extent=0.15), radius)
    assert grid.extent == 0.15
    assert 0.2 < grid.step * stages(radius, LEARNING)[0].radius < 0.5
