import numpy as np
import pytest

from coldstart.model.directions import direction_density, viewing_directions
from coldstart.model.so3 import random_rotations


def test_a_direction_is_where_the_viewer_looks_from() -> None:
    found = viewing_directions([[0, 0, 30], [0, 90, 77], [90, 90, 5]])
    np.testing.assert_allclose(found, [[0, 0, 1], [1, 0, 0], [0, 1, 0]], atol=1e-12)


@pytest.mark.parametrize("count", [60, 3000, 20000])
def test_even_directions_have_density_one(count: int, rng: np.random.Generator) -> None:
    density = direction_density(random_rotations(rng, count)[:, 2])
    assert density.mean() == pytest.approx(1.0, abs=0.15)
    assert density.std() < 0.4


def test_a_preferred_view_stands_out(rng: np.random.Generator) -> None:
    even = random_rotations(rng, 3000)[:, 2]
    preferred = np.array([0.0, 0.0, 1.0]) + 0.05 * rng.normal(size=(3000, 3))
    preferred /= np.linalg.norm(preferred, axis=1, keepdims=True)
    density = direction_density(np.concatenate([even, preferred]))
    far = even[:, 2] < 0.5
    assert density[:3000][far].mean() == pytest.approx(0.5, abs=0.1)
    assert density[3000:].mean() > 20.0


def test_equal_directions_and_none_are_no_trouble() -> None:
    assert np.isfinite(direction_density(np.tile([0.0, 0.0, 1.0], (50, 1)))).all()
    assert direction_density(np.zeros((0, 3))).shape == (0,)
