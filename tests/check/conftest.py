"""Simulated particles in memory, and what the checks say of them."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from coldstart.check.evidence import Evidence, StackFacts
from coldstart.check.gather import gather
from coldstart.check.registry import all_findings
from coldstart.errors import ParticleFileError
from coldstart.model.check_report import Finding
from coldstart.model.ctf import evaluate_ctf
from coldstart.model.particles import Ctf, Particles
from coldstart.params import AbInitioParams

BOX_PX, PIXEL_SIZE = 32, 8.0
IMAGES = 400


@dataclass(frozen=True)
class Set:
    """Particles with their images in memory, and how a check looks at them."""

    images: NDArray[np.float32]
    ctf: Ctf | None
    pixel_size: float = PIXEL_SIZE
    image_number: NDArray[np.int64] | None = None
    headers: tuple[float, ...] = (PIXEL_SIZE,)
    params: AbInitioParams = field(default_factory=AbInitioParams)
    thorough: bool = True
    phase_flipped: bool = False

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        images = self.images[rows]
        if not np.isfinite(images).all():
            raise ParticleFileError("an image is not finite")
        return images

    def evidence(self) -> Evidence:
        count = len(self.images)
        particles = Particles(count, self.images.shape[-1], self.pixel_size, self.ctf)
        number = np.arange(count) if self.image_number is None else self.image_number
        names = tuple(f"stack{k}.mrcs" for k in range(len(self.headers)))
        stack = StackFacts(number, names, self.headers, (self.pixel_size,) * len(names), self.phase_flipped)
        return gather(particles, self, self.params, stack, thorough=self.thorough)

    def findings(self) -> tuple[Finding, ...]:
        return all_findings(self.evidence())

    def named(self, check: str) -> list[Finding]:
        """What one check found."""
        return [finding for finding in self.findings() if finding.check == check]

    def with_ctf(self, **columns: object) -> "Set":
        assert self.ctf is not None
        return replace(self, ctf=replace(self.ctf, **columns))

    def with_defocus(self, factor: float) -> "Set":
        assert self.ctf is not None
        u, v = self.ctf.defocus_u_angstrom, self.ctf.defocus_v_angstrom
        return self.with_ctf(defocus_u_angstrom=factor * u, defocus_v_angstrom=factor * v)


Simulate = Callable[..., Set]


def ctf_columns(rng: np.random.Generator, count: int) -> Ctf:
    defocus = rng.uniform(8000.0, 25000.0, count)
    constant = {"voltage_kv": 300.0, "cs_mm": 2.7, "amplitude_contrast": 0.1, "scale": 1.0}
    columns = {name: np.full(count, constant.get(name, 0.0)) for name in Ctf.__dataclass_fields__}
    angle = rng.uniform(0.0, 180.0, count)
    return Ctf(
        **columns | {"defocus_u_angstrom": defocus, "defocus_v_angstrom": defocus - 300.0, "defocus_angle_deg": angle}
    )


def simulate(
    seed: int = 0, *, count: int = IMAGES, box_px: int = BOX_PX, radius_angstrom: float = 60.0, snr: float = 0.3
) -> Set:
    """Twenty Gaussian blobs at random places of a ball, turned, moved, times CTF, under coloured noise."""
    rng = np.random.default_rng(seed)
    places = np.random.default_rng(7).normal(size=(20, 3))
    places *= (
        radius_angstrom
        * np.random.default_rng(8).random((20, 1)) ** (1 / 3)
        / np.linalg.norm(places, axis=1, keepdims=True)
    )
    rotations = Rotation.random(count, random_state=seed).as_matrix()
    at = (rotations @ places.T)[:, :2] / PIXEL_SIZE + rng.normal(0.0, 0.7, (count, 2, 1))
    columns, lines = np.arange(box_px // 2 + 1), np.fft.fftfreq(box_px) * box_px
    along_x, along_y = (
        np.exp(-2j * np.pi / box_px * at[:, axis, :, None] * k) for axis, k in enumerate((columns, lines))
    )
    shape = (count, box_px, len(columns))
    blobs = np.swapaxes(along_y, 1, 2) @ along_x
    ky, kx = (k.ravel() for k in np.meshgrid(lines, columns, indexing="ij"))
    s2 = (kx**2 + ky**2) / (box_px * PIXEL_SIZE) ** 2
    ctf = ctf_columns(rng, count)
    modulation = np.exp(-150.0 * s2) * evaluate_ctf(ctf, kx, ky, box_px * PIXEL_SIZE)
    spectrum = blobs * modulation.reshape(shape)
    signal = np.fft.fftshift(np.fft.irfft2(spectrum, s=(box_px, box_px)), axes=(1, 2))
    colour = np.sqrt(0.35 + 1.3 * np.exp(-((np.sqrt(s2) * 4 * PIXEL_SIZE) ** 2) * 4)).reshape(shape[1:])
    noise = np.fft.irfft2(np.fft.rfft2(rng.normal(size=signal.shape)) * colour, s=(box_px, box_px))
    return Set((signal / signal.std() * np.sqrt(snr) + noise / noise.std()).astype(np.float32), ctf)


@pytest.fixture(scope="session")
def clean() -> Set:
    """Particles with nothing wrong."""
    return simulate()


@pytest.fixture(scope="session")
def simulated() -> Simulate:
    """`simulate`, for other particles."""
    return simulate
