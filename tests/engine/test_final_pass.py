from types import SimpleNamespace

import numpy as np
import pytest

from coldstart.engine.final_pass import _Pass


class Team:
    """Takes note of what is asked of it."""

    def __init__(self):
        self.rows, self.draws = [], []

    def expect(self, sight, rows, following, search, blending):
        self.rows.append(rows)
        self.draws.append(search)

    def maximise(self, searched, grid, *, used):
        return used


@pytest.mark.parametrize(("grid", "draws"), [("a grid", [40, 41, 42]), (None, [None, None, None])])
def test_posteriors_are_sampled_for_maps_and_cut_for_poses_alone(grid, draws):
    """With numbers that no iteration has drawn with: the last of 40 had number 39."""
    team = Team()
    parts = SimpleNamespace(team=team, plan=SimpleNamespace(final_minibatch=4))
    steps = _Pass(parts, None, None, lambda: None, iteration=40).steps(np.arange(10), grid, used=grid is not None)
    assert list(steps) == 3 * [grid is not None]
    assert team.draws == draws
    np.testing.assert_array_equal(np.concatenate(team.rows), np.arange(10))
