"""Rates of memory, and the cells that they are measured on."""

import numpy as np
import pytest

from coldstart.engine import memory
from coldstart.engine.memory import copy_rate, insertion_rate, slicing_rate, visited_cells
from coldstart.engine.work import Visits
from coldstart.model.polar import PolarPlane

VISITS = Visits(PolarPlane(24, 12), rings=9, slices=5, side=22, width=12)


def test_cells_fill_the_table_and_their_corners_lie_inside():
    cells = visited_cells(VISITS)
    assert cells.shape == (5, VISITS.plane.half_points[:9].sum())
    z, y, x = np.unravel_index(cells, (VISITS.side, VISITS.side, VISITS.width))
    assert x.min() == 0
    assert max(z.max(), y.max()) <= VISITS.side - 2
    assert x.max() <= VISITS.width - 2
    reach = np.sqrt(x**2.0 + (y - VISITS.side // 2) ** 2 + (z - VISITS.side // 2) ** 2).max()
    assert reach == pytest.approx(VISITS.side // 2 - 2, abs=2)


def test_rates_are_positive_and_leave_no_launches_behind(profiled, monkeypatch):
    monkeypatch.setattr(memory, "COPY_BYTES", 2**20)
    for rate in (copy_rate(profiled), slicing_rate(profiled, VISITS), insertion_rate(profiled, VISITS)):
        assert 0 < rate < 1e6
    assert len(profiled.profile.launches) == 0
