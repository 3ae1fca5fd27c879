from pathlib import Path

import numpy as np
import pytest

from coldstart.model.shape import FLAT_RATIO, flatness
from coldstart.model.so3 import random_rotations

BOX = 32


def ellipsoid(extents: tuple[float, float, float], rotation: np.ndarray | None = None) -> np.ndarray:
    """A Gaussian of these standard deviations in voxels along x, y and z, then rotated."""
    k = np.arange(BOX) - BOX // 2
    z, y, x = np.meshgrid(k, k, k, indexing="ij")
    points = np.stack([x, y, z], axis=-1) @ (np.eye(3) if rotation is None else rotation)
    return np.asarray(np.exp(-0.5 * ((points / np.array(extents)) ** 2).sum(axis=-1)))


@pytest.mark.parametrize(
    ("extents", "expected"),
    [((3, 3, 3), 1.0), ((6, 2, 2), 1.0), ((6, 6, 2), 1 / 9), ((6, 3, 2), 4 / 9), ((2, 6, 6), 1 / 9)],
)
def test_only_a_disc_is_flat(extents: tuple[float, float, float], expected: float) -> None:
    assert flatness(ellipsoid(extents)) == pytest.approx(expected, rel=0.06)


def test_neither_orientation_nor_scale_nor_place_matters(rng: np.random.Generator) -> None:
    upright = flatness(ellipsoid((5, 5, 2)))
    for rotation in random_rotations(rng, 3):
        turned = ellipsoid((5, 5, 2), rotation)
        assert flatness(turned) == pytest.approx(upright, rel=0.03)
        assert flatness(7.0 * turned) == pytest.approx(flatness(turned))
        assert flatness(np.roll(turned, (3, -2, 1), axis=(0, 1, 2))) == pytest.approx(flatness(turned), rel=1e-3)


def test_disc_of_even_density() -> None:
    k = np.arange(BOX) - BOX // 2
    radius = np.hypot(k[None, :, None], k[None, None, :])
    disc = np.broadcast_to(radius < 12, (BOX, BOX, BOX)) & (np.abs(k) <= 2)[:, None, None]
    # Five voxels thick, 24 across.
    assert flatness(disc.astype(np.float32)) == pytest.approx(4 / 3 * (5 / 24) ** 2, rel=0.05)
    assert flatness(disc.astype(np.float32)) < FLAT_RATIO


def test_weak_and_negative_density_is_no_mass() -> None:
    disc = ellipsoid((6, 6, 2))
    disc = np.where(disc > 0.15, disc, 0.0)
    background = 0.08 * np.random.default_rng(0).uniform(-5.0, 1.0, disc.shape)
    assert flatness(disc + np.where(disc > 0.0, 0.0, background)) == pytest.approx(flatness(disc))


def test_maps_without_an_extent_are_not_flat_but_a_plane_is() -> None:
    volume = np.zeros((8, 8, 8), np.float32)
    assert flatness(volume) == 1.0
    assert flatness(volume - 1.0) == 1.0
    volume[4, 4, 4] = 1.0
    assert flatness(volume) == 1.0
    volume[4, 4, 1:7] = 1.0
    assert flatness(volume) == 1.0
    volume[4, 1:7, 1:7] = 1.0
    assert flatness(volume) == 0.0


def test_real_particles_are_not_flat(models_folder: Path) -> None:
    for path in sorted(models_folder.glob("*.npz")):
        with np.load(path) as table:
            positions, weights = table["xyz"].astype(np.float64), table["z"].astype(np.float64)
        voxel = 3.0 * np.linalg.norm(positions, axis=1).max() / BOX
        edges = [np.arange(BOX + 1) - BOX / 2] * 3
        volume, _ = np.histogramdd(positions[:, ::-1] / voxel, bins=edges, weights=weights)
        assert flatness(volume) > FLAT_RATIO, path.stem
