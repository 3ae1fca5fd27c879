"""A made-up molecule whose Fourier transform is known in closed form.

A chain of beads fills a few touching globular domains, as a protein's residues fill its domains; every bead is the
same Gaussian. The transform of the density at a frequency k is then exactly

    F(k) = exp(-2 pi^2 sigma^2 |k|^2) * sum over beads of exp(-2 pi i k . r)

which factors along the axes of any lattice of frequencies: maps and projections are small matrix products, without
interpolation. Frequencies at or beyond the Nyquist radius are left out of both.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DIAMETER_ANGSTROM = 150.0
_BEADS = 900
_BEAD_SIGMA_ANGSTROM = 2.5
_STEP = 6.0
_CANDIDATES = 32
_PLACES = 3
# Unequal on purpose: the shape alone must tell every viewing direction from every other one.
_DOMAIN_RADII = (33.0, 27.0, 24.0, 19.0, 15.0)


@dataclass(frozen=True, slots=True)
class Molecule:
    """Gaussian beads of equal weight.

    Attributes
    ----------
    positions_angstrom : (J, 3) float64
        x, y, z of the beads; the centre of mass is the origin.
    sigma_angstrom : float
        Standard deviation of a bead.
    """

    positions_angstrom: NDArray[np.float64]
    sigma_angstrom: float


@dataclass(frozen=True, slots=True)
class _Domain:
    centre: NDArray[np.float64]
    radius: float


def make_molecule(seed: int) -> Molecule:
    """An asymmetric (C1) molecule of five domains, `DIAMETER_ANGSTROM` across; the same for the same seed."""
    rng = np.random.default_rng(seed)
    chain = _grow_chain(rng, _place_domains(rng))
    chain -= chain.mean(axis=0)
    span = np.linalg.norm(chain[:, None, :] - chain[None, :, :], axis=2).max()
    return Molecule(chain * (DIAMETER_ANGSTROM / span), _BEAD_SIGMA_ANGSTROM)


def molecule_map(molecule: Molecule, box_px: int, pixel_size_angstrom: float) -> NDArray[np.float32]:
    """The density on a grid, (box, box, box) float32 [z, y, x], centred on voxel box // 2."""
    kx, ky, kz = _half_axis(box_px), _axis(box_px), _axis(box_px)
    x, y, z = molecule.positions_angstrom.T / (box_px * pixel_size_angstrom)
    planes = (_waves(box_px, z)[:, None, :] * _waves(box_px, y)[None, :, :]).reshape(-1, len(x))
    spectrum = (planes @ _half_waves(box_px, x).T).reshape(box_px, box_px, -1)
    radius2 = kz[:, None, None] ** 2 + ky[None, :, None] ** 2 + kx[None, None, :] ** 2
    spectrum *= _envelope(molecule, radius2, box_px, pixel_size_angstrom)
    density = np.fft.irfftn(spectrum, s=(box_px,) * 3, axes=(0, 1, 2))
    return np.fft.fftshift(density).astype(np.float32)


def molecule_slices(
    molecule: Molecule, matrices: NDArray[np.float64], box_px: int, pixel_size_angstrom: float
) -> NDArray[np.complex64]:
    """Central slices of the molecule's transform, as RELION projects: at `A.T @ (kx, ky, 0)`.

    Parameters
    ----------
    molecule : Molecule
    matrices : (N, 3, 3) float64
        RELION rotation matrices, map frame to image frame.
    box_px, pixel_size_angstrom : int, float
        Side of the images and Å a pixel.

    Returns
    -------
    (N, box, box // 2 + 1) complex64
        `rfft2` layout, [ky, kx], with the origin of real space in the middle of the molecule.
    """
    kx, ky = _half_axis(box_px), _axis(box_px)
    # k3D . r = (A.T k) . r = k . (A r): rotating the beads serves as well as rotating the frequencies.
    seen = molecule.positions_angstrom @ matrices[:, :2].swapaxes(1, 2) / (box_px * pixel_size_angstrom)
    spectrum = _waves(box_px, seen[..., 1]) @ _half_waves(box_px, seen[..., 0]).swapaxes(1, 2)
    radius2 = ky[:, None] ** 2 + kx[None, :] ** 2
    slices = spectrum * _envelope(molecule, radius2, box_px, pixel_size_angstrom)
    return np.asarray(slices, dtype=np.complex64)


def slice_frequencies(box_px: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """kx and ky of every coefficient of `molecule_slices`, each (box, box // 2 + 1), in cycles a box."""
    kx, ky = np.meshgrid(_half_axis(box_px), _axis(box_px), indexing="xy")
    return kx, ky


def _place_domains(rng: np.random.Generator) -> list[_Domain]:
    """Spheres that touch an earlier one and hardly overlap, packed about the first."""
    domains = [_Domain(np.zeros(3), _DOMAIN_RADII[0])]
    for radius in _DOMAIN_RADII[1:]:
        places = [_touching(rng, domains, radius) for _ in range(_PLACES)]
        domains.append(_Domain(min(places, key=lambda place: float(np.linalg.norm(place))), radius))
    return domains


def _touching(rng: np.random.Generator, domains: list[_Domain], radius: float) -> NDArray[np.float64]:
    """A centre at which a sphere touches one of the domains and cuts none deeply."""
    while True:
        neighbour = domains[rng.integers(len(domains))]
        centre = neighbour.centre + (neighbour.radius + 0.9 * radius) * _directions(rng, 1)[0]
        gaps = [np.linalg.norm(centre - d.centre) - d.radius - 0.85 * radius for d in domains]
        if min(gaps) > 0:
            return np.asarray(centre)


def _grow_chain(rng: np.random.Generator, domains: list[_Domain]) -> NDArray[np.float64]:
    """One walk through all domains in turn, as many beads in each as its volume asks for, (J, 3)."""
    volumes = np.array([d.radius**3 for d in domains])
    shares = np.rint(_BEADS * volumes / volumes.sum()).astype(int)
    chain = np.empty((int(shares.sum()), 3))
    chain[0] = domains[0].centre
    owners = [domain for domain, share in zip(domains, shares, strict=True) for _ in range(share)]
    for bead, domain in enumerate(owners[1:], start=1):
        candidates = chain[bead - 1] + _STEP * _directions(rng, _CANDIDATES)
        chain[bead] = candidates[np.argmin(_discomfort(rng, candidates, chain[:bead], domain))]
    return chain


def _discomfort(
    rng: np.random.Generator, candidates: NDArray[np.float64], chain: NDArray[np.float64], domain: _Domain
) -> NDArray[np.float64]:
    """How badly each candidate for the next bead fits: overlap with the chain, and distance outside its domain."""
    nearest = np.linalg.norm(candidates[:, None, :] - chain[None, :, :], axis=2).min(axis=1)
    overlap = np.maximum(0.9 * _STEP - nearest, 0.0)
    outside = np.maximum(np.linalg.norm(candidates - domain.centre, axis=1) - domain.radius, 0.0)
    return np.asarray(3.0 * overlap + outside + rng.random(len(candidates)))


def _directions(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    vectors = rng.standard_normal((n, 3))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _axis(n: int) -> NDArray[np.float64]:
    return np.asarray(np.fft.fftfreq(n, 1.0 / n), dtype=np.float64)


def _half_axis(n: int) -> NDArray[np.float64]:
    return np.asarray(np.fft.rfftfreq(n, 1.0 / n), dtype=np.float64)


def _half_waves(box_px: int, position: NDArray[np.float64]) -> NDArray[np.complex64]:
    """exp(-2 pi i k p) at k = 0 ... box // 2, for positions p in boxes: (..., box // 2 + 1, J)."""
    step = np.exp(-2j * np.pi * position).astype(np.complex64)
    waves = np.ones((*position.shape[:-1], box_px // 2 + 1, position.shape[-1]), dtype=np.complex64)
    for k in range(1, box_px // 2 + 1):
        np.multiply(waves[..., k - 1, :], step, out=waves[..., k, :])
    return waves


def _waves(box_px: int, position: NDArray[np.float64]) -> NDArray[np.complex64]:
    """The same at every k of `fftfreq`: (..., box, J)."""
    half = _half_waves(box_px, position)
    return np.concatenate([half[..., : box_px // 2, :], half[..., box_px // 2 : 0 : -1, :].conj()], axis=-2)


def _envelope(
    molecule: Molecule, radius2: NDArray[np.float64], box_px: int, pixel_size_angstrom: float
) -> NDArray[np.float64]:
    """Transform of one bead at squared radii in (cycles a box)^2, cut at the Nyquist radius."""
    box_angstrom = box_px * pixel_size_angstrom
    gaussian = np.exp(-2.0 * (np.pi * molecule.sigma_angstrom / box_angstrom) ** 2 * radius2)
    return np.asarray(gaussian * (radius2 < (box_px // 2) ** 2))
