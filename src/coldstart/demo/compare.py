"""How near a result came to the truth that a set was simulated from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldstart.model.alignment import MIRROR_AXIS, Placement, align_maps, place_map
from coldstart.model.fsc import fourier_shell_correlation, resolution_at
from coldstart.model.hand import flip_matrices
from coldstart.model.mask import soft_window
from coldstart.model.so3 import euler_to_matrix, geodesic_distance_deg

_FSC_THRESHOLD = 0.5
_NEAR_DEG = 10.0


@dataclass(frozen=True, slots=True)
class Truth:
    """What a simulated set was made from.

    Attributes
    ----------
    volume : (n, n, n) float32, [z, y, x]
        The true map.
    pixel_size_angstrom : float
    matrices : (N, 3, 3) float64
        RELION rotation matrices of the particles, map frame to image frame.
    origin_angstrom : (N, 2) float64
        RELION origins x and y.
    """

    volume: NDArray[np.float32]
    pixel_size_angstrom: float
    matrices: NDArray[np.float64]
    origin_angstrom: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Distances between a result and the truth, once the result is placed on it.

    Attributes
    ----------
    resolution_angstrom : float
        Where the Fourier shell correlation of the two maps falls below 0.5.
    mirrored : bool
        True where the result is the other hand: ab-initio reconstruction cannot tell the two apart.
    median_angle_deg : float
        Median error of the rotations.
    near_fraction : float
        Share of the particles whose rotation is within 10 degrees.
    median_origin_angstrom : float
        Median error of the in-plane origins.
    """

    resolution_angstrom: float
    mirrored: bool
    median_angle_deg: float
    near_fraction: float
    median_origin_angstrom: float


def compare_to_truth(
    volume: NDArray[np.floating],
    particle: NDArray[np.int64],
    euler_deg: NDArray[np.float64],
    origin_angstrom: NDArray[np.float64],
    truth: Truth,
) -> Agreement:
    """Place a result on the truth and measure what is left.

    Parameters
    ----------
    volume : (n, n, n) float, [z, y, x]
        The map, of the truth's box and pixel size.
    particle : (M,) int64
        Row in the simulated set of each pose.
    euler_deg, origin_angstrom : (M, 3) and (M, 2) float64
        RELION rot, tilt, psi in degrees, and origins in Å.
    truth : Truth
    """
    window = soft_window(truth.volume.shape[0], 3, 0.85, 1.0)
    fixed = truth.volume * window
    placement = align_maps(volume, fixed)
    fsc = fourier_shell_correlation(place_map(volume, placement) * window, fixed)
    box_angstrom = truth.volume.shape[0] * truth.pixel_size_angstrom
    angles, origins = pose_errors(placement, euler_deg, origin_angstrom, particle, truth)
    return Agreement(
        resolution_angstrom=resolution_at(fsc, _FSC_THRESHOLD, box_angstrom),
        mirrored=placement.mirrored,
        median_angle_deg=float(np.median(angles)),
        near_fraction=float(np.mean(angles < _NEAR_DEG)),
        median_origin_angstrom=float(np.median(origins)),
    )


def pose_errors(
    placement: Placement,
    euler_deg: NDArray[np.float64],
    origin_angstrom: NDArray[np.float64],
    particle: NDArray[np.int64],
    truth: Truth,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Errors of each rotation in degrees and of each origin in Å, (M,) both, carried into the truth's frame.

    A map rotated by Q and then shifted by t shows under A Q^T the image that it showed under A, moved by the part of
    A Q^T t in the image.
    """
    matrices = euler_to_matrix(euler_deg)
    if placement.mirrored:
        matrices = flip_matrices(matrices, MIRROR_AXIS)
    matrices = matrices @ placement.rotation.T
    seen_shift = (matrices @ placement.shift_voxels)[:, :2] * truth.pixel_size_angstrom
    difference = origin_angstrom + seen_shift - truth.origin_angstrom[particle]
    return geodesic_distance_deg(matrices, truth.matrices[particle]), np.linalg.norm(difference, axis=1)
