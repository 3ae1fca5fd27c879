"""A device, and particles in memory whose truth is known exactly."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from coldstart.compute.session import Session, open_session
from coldstart.demo.molecule import Molecule, make_molecule, molecule_map
from coldstart.demo.simulate import clean_images
from coldstart.engine.images import ImagePreparer, MinibatchLoader
from coldstart.engine.rings import Rings
from coldstart.engine.search import PoseSearch
from coldstart.engine.slices import FourierMap
from coldstart.engine.update import PADDING, MapUpdater
from coldstart.errors import DeviceError
from coldstart.model.ctf import take_rows
from coldstart.model.particles import Ctf, Particles
from coldstart.model.symmetry import point_group
from coldstart.params import AbInitioParams


@pytest.fixture(scope="session")
def session() -> Iterator[Session]:
    """The device that a run would take."""
    try:
        opened = open_session()
    except DeviceError as error:
        pytest.skip(str(error))
    with opened:
        yield opened


@dataclass
class ImagesInMemory:
    """An image source that counts how many images it was asked for."""

    images: NDArray[np.float32]
    reads: int = 0

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        self.reads += len(rows)
        return self.images[rows]


@pytest.fixture
def in_memory():
    """Particles and their image source: (images, Å a pixel, Ctf or None) -> (Particles, ImagesInMemory)."""

    def make(images, pixel_size_angstrom, ctf=None):
        particles = Particles(len(images), images.shape[-1], pixel_size_angstrom, ctf)
        return particles, ImagesInMemory(images)

    return make


@pytest.fixture
def some_ctf(rng):
    """CTFs of every kind of parameter, one row an image."""

    def make(count):
        return Ctf(
            defocus_u_angstrom=rng.uniform(9000, 24000, count),
            defocus_v_angstrom=rng.uniform(9000, 24000, count),
            defocus_angle_deg=rng.uniform(-90, 180, count),
            voltage_kv=rng.choice([200.0, 300.0], count),
            cs_mm=rng.choice([2.0, 2.7], count),
            amplitude_contrast=rng.choice([0.07, 0.1], count),
            phase_shift_deg=rng.uniform(0, 90, count),
            b_factor_angstrom2=rng.uniform(0, 100, count),
            scale=rng.uniform(0.8, 1.3, count),
            premultiplied=np.zeros(count),
        )

    return make


BOX, PIXEL, SIDE = 32, 9.0, 30


@dataclass(frozen=True)
class Truth:
    """Images of molecules under white noise of variance 1, and what is true of them.

    Attributes
    ----------
    volumes : (K, SIDE, SIDE, SIDE) float32
        The molecules on the engine's grid and in its grey scale: their slices are the images' coefficients.
    matrices : (N, 3, 3) float64
    shift_px : (N, 2) float64
        How far the particle was moved along x and y.
    of_class : (N,) int64
        Which molecule it is.
    """

    particles: Particles
    source: ImagesInMemory
    volumes: NDArray[np.float32]
    matrices: NDArray[np.float64]
    shift_px: NDArray[np.float64]
    of_class: NDArray[np.int64]

    @property
    def volume(self) -> NDArray[np.float32]:
        """The first molecule."""
        return self.volumes[0]


@pytest.fixture(scope="session")
def molecules() -> tuple[Molecule, ...]:
    """Made-up molecules of 150 Å, in a box of twice that."""
    return tuple(make_molecule(seed) for seed in (1, 2, 3))


@pytest.fixture
def simulated(rng, in_memory, molecules):
    """(matrices, shift_px, ctf, signal to noise, classes, to which the images belong in turn) -> Truth."""

    def make(matrices, shift_px, ctf=None, snr=1.0, classes=1):
        of_class = np.arange(len(matrices)) % classes
        images = np.empty((len(matrices), BOX, BOX), np.float32)
        for number, molecule in enumerate(molecules[:classes]):
            mine = np.flatnonzero(of_class == number)
            own_ctf = None if ctf is None else take_rows(ctf, mine)
            images[mine] = clean_images(molecule, matrices[mine], shift_px[mine], own_ctf, BOX, PIXEL)
        scale = np.float32(np.sqrt(snr) / images.std())
        noise = rng.standard_normal(images.shape).astype(np.float32)
        particles, source = in_memory(scale * images + noise, PIXEL, ctf)
        maps = [molecule_map(molecule, SIDE, BOX * PIXEL / SIDE) for molecule in molecules[:classes]]
        return Truth(particles, source, np.stack(maps) * (scale / BOX), matrices, shift_px, of_class)

    return make


@dataclass(frozen=True)
class SearchParts:
    """What searches simulated images on maps."""

    rings: Rings
    preparer: ImagePreparer
    loader: MinibatchLoader
    search: PoseSearch
    map: FourierMap


@pytest.fixture
def search_parts(session):
    """(Truth, finest level, rings, maps in place of those of which the images were made) -> SearchParts."""

    def make(truth, finest, rings, volumes=None):
        params, points = AbInitioParams(), Rings(session, finest, rings)
        preparer = ImagePreparer(truth.particles, truth.source, params, points.plane)
        loader = MinibatchLoader(session, truth.particles, preparer, points)
        volumes = truth.volumes if volumes is None else volumes
        sliceable = MapUpdater(params, SIDE, point_group("C1")).sliceable(volumes)
        volume = FourierMap.upload(session, sliceable, PADDING)
        return SearchParts(points, preparer, loader, PoseSearch(session, loader), volume)

    return make
