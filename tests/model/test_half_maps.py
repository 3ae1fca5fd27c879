import numpy as np
import pytest

from coldstart.model.fourier import resampled
from coldstart.model.half_maps import MASK_EDGE, MASK_MARGIN, compare_halves, soft_mask
from coldstart.model.half_report import HalfReport

SIDE = 32


def blob(centre: tuple[float, float, float], width: float = 2.0) -> np.ndarray:
    z, y, x = np.mgrid[-SIDE // 2 : SIDE // 2, -SIDE // 2 : SIDE // 2, -SIDE // 2 : SIDE // 2]
    x0, y0, z0 = centre
    return np.exp(-0.5 * ((x - x0) ** 2 + (y - y0) ** 2 + (z - z0) ** 2) / width**2)


def test_the_mask_follows_the_density_and_falls_softly() -> None:
    mask = soft_mask(blob((4.0, 0.0, 0.0)), 8.0)
    assert mask[16, 16, 20] == 1.0
    assert mask[16, 16, 2] == 0.0
    assert mask.min() >= 0.0
    steps = np.abs(np.diff(mask[16, 16]))
    assert steps.max() < 1.1 * np.pi / 2 / (MASK_EDGE * SIDE)
    wide = (mask > 0.5).sum()
    assert wide > (blob((4.0, 0.0, 0.0)) > 0.1).sum()
    assert wide < SIDE**3 * (0.25 + MASK_MARGIN + MASK_EDGE) ** 3 * 4.2


def test_a_map_without_density_has_no_mask() -> None:
    assert soft_mask(np.zeros((SIDE,) * 3), 8.0).min() == 1.0


def test_noise_around_the_particle_is_no_matter_inside_the_mask(rng: np.random.Generator) -> None:
    particle = blob((2.0, -1.0, 0.0), 1.5) + 0.7 * blob((-3.0, 2.0, 1.0), 1.5)
    halves = particle + 0.05 * rng.standard_normal((2, SIDE, SIDE, SIDE))
    report = compare_halves(halves, soft_mask(halves.mean(axis=0), 6.0))
    assert 0.0 < report.mask_share < 0.2
    assert (report.masked[4:7] > report.unmasked[4:7]).all()
    assert report.masked[3] > 0.9
    box, finest = 320.0, 25.0
    masked, unmasked = (report.resolution_angstrom(0.143, box, finest, masked=which) for which in (True, False))
    assert finest <= masked < unmasked


def test_noise_alone_does_not_agree_inside_the_mask(rng: np.random.Generator) -> None:
    halves = rng.standard_normal((2, SIDE, SIDE, SIDE))
    report = compare_halves(halves, soft_mask(halves.mean(axis=0), 6.0))
    assert np.abs(report.masked[4:]).mean() < 0.15


def test_no_resolution_is_finer_than_what_was_used() -> None:
    curve = np.ones(10)
    report = HalfReport(curve, curve, 0.1)
    assert report.resolution_angstrom(0.143, 200.0, 12.0, masked=True) == pytest.approx(200.0 / 10)
    assert report.resolution_angstrom(0.143, 200.0, 25.0, masked=True) == 25.0


def test_resampled_maps_keep_their_spectrum(rng: np.random.Generator) -> None:
    volume = blob((1.0, 2.0, -3.0))
    fine = resampled(volume, 48)
    assert fine.shape == (48,) * 3
    np.testing.assert_allclose(resampled(fine, SIDE), volume, atol=1e-5)
    assert fine.sum() == pytest.approx(volume.sum(), rel=1e-4)
