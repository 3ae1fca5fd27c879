"""Pixel sizes in headers."""

from dataclasses import replace

import pytest

from coldstart.params import AbInitioParams


@pytest.mark.parametrize("header", [0.0, 1.0, 8.0, 8.004])
def test_header_that_agrees_or_says_nothing(clean, header):
    assert replace(clean, headers=(header,)).findings() == ()


def test_header_that_the_images_contradict_is_a_note(clean):
    (finding,) = replace(clean, headers=(8.0, 4.0)).findings()
    assert (finding.check, finding.severity) == ("header", "note")
    assert "stack1.mrcs gives a pixel size of 4 Å, the run takes 8 Å" in finding.message


def test_header_that_may_be_right_is_a_warning(clean):
    (finding,) = replace(clean, ctf=None, headers=(4.0,)).findings()
    assert (finding.severity, "--pixel-size 4" in finding.remedy) == ("warning", True)


def test_pixel_size_of_the_user_is_taken(clean):
    params = AbInitioParams(pixel_size_angstrom=8.0)
    (finding,) = replace(clean, ctf=None, headers=(4.0,), params=params).findings()
    assert finding.severity == "note"
