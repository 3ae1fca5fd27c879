"""Particles that are there twice."""

from dataclasses import replace

import numpy as np


def test_rows_that_name_the_same_image(clean):
    number = np.arange(400)
    number[[7, 300]] = number[[2, 2]]
    (finding,) = replace(clean, image_number=number).findings()
    assert (finding.check, finding.severity, finding.rows) == ("duplicates", "warning", (7, 300))


def test_equal_images_under_two_names(clean):
    images = clean.images.copy()
    images[[50, 60]] = images[40]
    (finding,) = replace(clean, images=images).findings()
    assert (finding.check, finding.severity, finding.rows) == ("copies", "warning", (50, 60))
    assert "particle row 51, the same as in row 41" in finding.message


def test_the_same_image_twice_is_no_copy(clean):
    number = np.arange(400)
    number[7] = 2
    images = clean.images.copy()
    images[7] = images[2]
    assert [finding.check for finding in replace(clean, images=images, image_number=number).findings()] == [
        "duplicates"
    ]
