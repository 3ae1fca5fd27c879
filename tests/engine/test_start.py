import numpy as np
import pytest

from coldstart.engine.start import random_map
from coldstart.model.fourier import radius_grid, spectrum_of
from coldstart.model.mask import radius_px
from coldstart.params import AbInitioParams

SIDE = 24


def test_a_random_map_is_positive_smooth_and_windowed(rng):
    volume = random_map(rng, SIDE, AbInitioParams())
    assert volume.dtype == np.float32
    assert volume.min() == 0
    assert not volume[radius_px(SIDE, 3) >= 0.5 * SIDE * 0.99].any()
    assert np.sqrt(np.mean(volume.astype(float) ** 2)) == pytest.approx(1.0, abs=1e-4)
    power, radius = np.abs(spectrum_of(volume)) ** 2, radius_grid(SIDE)
    assert power[radius > 11].mean() < 0.02 * power[(radius > 1) & (radius < 4)].mean()


def test_another_seed_is_another_map():
    maps = [random_map(np.random.default_rng(seed), SIDE, AbInitioParams()) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(maps[0], maps[1])
    assert abs(np.corrcoef(maps[0].ravel(), maps[2].ravel())[0, 1]) < 0.5
