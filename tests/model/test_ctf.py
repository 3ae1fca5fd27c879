import importlib.util
from pathlib import Path

import numpy as np
import pytest

from coldstart.model.ctf import electron_wavelength_angstrom, evaluate_ctf, flip_phases, take_rows
from coldstart.model.particles import Ctf

REFERENCE = Path(__file__).parents[3] / "shared" / "benchmark" / "geometry.py"


def make_ctf(**changes):
    values = {
        "defocus_u_angstrom": 15000.0,
        "defocus_v_angstrom": 15000.0,
        "defocus_angle_deg": 0.0,
        "voltage_kv": 300.0,
        "cs_mm": 2.7,
        "amplitude_contrast": 0.1,
        "phase_shift_deg": 0.0,
        "b_factor_angstrom2": 0.0,
        "scale": 1.0,
        "premultiplied": 0.0,
    } | changes
    columns = np.broadcast_arrays(*(np.atleast_1d(np.asarray(value, float)) for value in values.values()))
    return Ctf(**dict(zip(values, columns, strict=True)))


def test_wavelength():
    np.testing.assert_allclose(electron_wavelength_angstrom([100, 200, 300]), [0.03701, 0.02508, 0.01969], atol=1e-5)


def test_at_the_origin_only_amplitude_contrast_and_phase_plate_act():
    ctf = make_ctf(amplitude_contrast=[0.1, 0.07, 0.0], phase_shift_deg=[0.0, 0.0, 90.0], scale=[1.0, 2.0, 1.0])
    np.testing.assert_allclose(evaluate_ctf(ctf, [0.0], [0.0], 200.0)[:, 0], [0.1, 0.14, 1.0])


def test_first_maximum_and_zero_by_hand():
    # Without Cs and amplitude contrast the CTF is sin(pi lambda D s^2): 1 at s^2 = 1 / (2 lambda D), 0 at twice that.
    ctf = make_ctf(cs_mm=0.0, amplitude_contrast=0.0, defocus_u_angstrom=20000.0, defocus_v_angstrom=20000.0)
    wavelength = float(electron_wavelength_angstrom(300.0))
    s = np.sqrt(np.array([0.25, 0.5, 1.0, 1.5]) / (wavelength * 20000.0))
    np.testing.assert_allclose(
        evaluate_ctf(ctf, s * 300.0, np.zeros(4), 300.0)[0], [np.sqrt(0.5), 1, 0, -1], atol=1e-12
    )


def test_spherical_aberration_counteracts_underfocus():
    # At s^2 = 2 D / (Cs lambda^2) the two terms cancel.
    ctf = make_ctf(amplitude_contrast=0.0)
    wavelength = float(electron_wavelength_angstrom(300.0))
    s = np.sqrt(2 * 15000.0 / (2.7e7 * wavelength**2))
    np.testing.assert_allclose(evaluate_ctf(ctf, [s * 100.0], [0.0], 100.0), 0, atol=1e-9)


def test_astigmatism_axis():
    ctf = make_ctf(defocus_u_angstrom=18000.0, defocus_v_angstrom=12000.0, defocus_angle_deg=30.0)
    plain = {value: make_ctf(defocus_u_angstrom=value, defocus_v_angstrom=value) for value in (18000.0, 12000.0)}
    for direction_deg, defocus in ((30.0, 18000.0), (120.0, 12000.0), (210.0, 18000.0)):
        k = 17.0 * np.array([np.cos(np.deg2rad(direction_deg)), np.sin(np.deg2rad(direction_deg))])
        expected = evaluate_ctf(plain[defocus], [17.0], [0.0], 250.0)
        np.testing.assert_allclose(evaluate_ctf(ctf, k[:1], k[1:], 250.0), expected, atol=1e-12)


def test_b_factor_and_scale():
    k = np.array([5.0, 20.0])
    damped = evaluate_ctf(make_ctf(b_factor_angstrom2=80.0, scale=0.5), k, 0 * k, 160.0)
    expected = 0.5 * evaluate_ctf(make_ctf(), k, 0 * k, 160.0) * np.exp(-80.0 / 4 * (k / 160.0) ** 2)
    np.testing.assert_allclose(damped, expected)


def test_rows_are_independent():
    ctf = make_ctf(defocus_u_angstrom=[10000.0, 20000.0, 30000.0], voltage_kv=[100.0, 200.0, 300.0])
    kx, ky = np.random.default_rng(0).uniform(-20, 20, (2, 50))
    whole = evaluate_ctf(ctf, kx, ky, 200.0)
    rows = np.array([2, 0])
    np.testing.assert_array_equal(evaluate_ctf(take_rows(ctf, rows), kx, ky, 200.0), whole[rows])


@pytest.mark.skipif(not REFERENCE.is_file(), reason="the benchmark's geometry is not beside the repository")
def test_against_the_benchmarks_formula():
    spec = importlib.util.spec_from_file_location("benchmark_geometry", REFERENCE)
    geometry = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(geometry)
    rng = np.random.default_rng(1)
    u, v, angle = rng.uniform(8000, 30000, 6), rng.uniform(8000, 30000, 6), rng.uniform(-90, 180, 6)
    n, pixel = 32, 3.1
    expected = geometry.ctf(n, pixel, u, v, angle, 200.0, 2.0, 0.07, 40.0, 60.0)
    ctf = make_ctf(
        defocus_u_angstrom=u,
        defocus_v_angstrom=v,
        defocus_angle_deg=angle,
        voltage_kv=200.0,
        cs_mm=2.0,
        amplitude_contrast=0.07,
        phase_shift_deg=40.0,
        b_factor_angstrom2=60.0,
    )
    kx, ky = geometry.frequency_grid_2d(n)
    ours = evaluate_ctf(ctf, kx.ravel(), ky.ravel(), n * pixel).reshape(expected.shape)
    np.testing.assert_allclose(ours, expected, atol=1e-10)


def test_flipped_phases_make_the_ctf_positive_and_flipped_again_are_as_before():
    ky, kx = np.meshgrid(np.fft.fftfreq(32, 1 / 32), np.arange(17), indexing="ij")
    ctf = make_ctf(defocus_u_angstrom=[16000.0, 24000.0, 9000.0], premultiplied=[0.0, 0.0, 1.0])
    values = evaluate_ctf(ctf, kx.ravel(), ky.ravel(), 32 * 4.0).reshape(3, 32, 17)
    # The transform of a real image has real coefficients in its corners.
    values[:, [0, 16], 16], values[:, 16, 0] = 0.0, 0.0
    images = np.fft.irfft2(values, s=(32, 32)).astype(np.float32)
    flipped = flip_phases(images, ctf, 32 * 4.0)
    np.testing.assert_allclose(np.fft.rfft2(flipped[:2])[..., :16], np.abs(values[:2, :, :16]), atol=1e-5)
    np.testing.assert_allclose(flipped[2], images[2], atol=1e-6)
    np.testing.assert_allclose(flip_phases(flipped, ctf, 32 * 4.0), images, atol=1e-6)
