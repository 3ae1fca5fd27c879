import numpy as np
import pytest

from coldstart.io.aberrations import relion_notes
from coldstart.model.carried import CarriedTable


def phase_degrees(resolution=12.0, **columns):
    values = {"rlnVoltage": "300", "rlnSphericalAberration": "2.7"} | columns
    notes = relion_notes(CarriedTable({label: [value] for label, value in values.items()}), "a.star", resolution)
    if not notes:
        return None
    return float(notes[0].partition("phase error is ")[2].partition(" degrees")[0])


def test_nothing_to_say_of_zeros():
    assert phase_degrees(rlnBeamTiltX="0.0", rlnBeamTiltY="0", rlnOddZernike="[0,0,0]", rlnEvenZernike="[0]") is None
    assert phase_degrees() is None


def test_beam_tilt_turns_phases_with_the_third_power_of_frequency():
    """RELION: 0.36 degrees x Cs in mm x 1e7 x wavelength^2 x s^3 x tilt in mrad, less the shift that takes up most."""
    exact = 0.36 * 2.7e7 * 0.019687**2 * 2.0 / 4.0**3
    found = phase_degrees(4.0, rlnBeamTiltX="2.0", rlnBeamTiltY="0.0")
    assert 0.2 * exact < found < 0.5 * exact
    assert phase_degrees(8.0, rlnBeamTiltX="2.0", rlnBeamTiltY="0.0") == pytest.approx(found / 8, abs=0.06)


def test_even_polynomials_are_in_frequency():
    """The fourth even one is astigmatism, s^2 cos 2a; the first a constant phase."""
    assert phase_degrees(10.0, rlnEvenZernike="[0,0,0,20]") == pytest.approx(np.rad2deg(20 / 100), abs=0.1)
    assert phase_degrees(10.0, rlnEvenZernike="[0.1]") == pytest.approx(np.rad2deg(0.1), abs=0.1)


def test_odd_polynomials_of_the_first_order_are_shifts():
    assert phase_degrees(10.0, rlnOddZernike="[3,2]") == 0.0
    # The third is trefoil, s^3 sin 3a, which no shift takes up.
    assert phase_degrees(10.0, rlnOddZernike="[0,0,100]") == pytest.approx(np.rad2deg(0.1), abs=0.1)


def test_a_published_table(metadata_folder):
    from coldstart.io.star_text import read_blocks

    optics = read_blocks(metadata_folder / "relion31.6opticsgroups.star")["optics"]
    (note,) = relion_notes(optics, "a.star", 12.0)
    assert "beam tilt and higher aberrations" in note
    assert "At 12 Å the phase error is" in note
