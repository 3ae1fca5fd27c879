"""Images that cannot be used, hot pixels, and images that are not normalised."""

from dataclasses import replace

import numpy as np


def test_broken_images(clean):
    images = clean.images.copy()
    images[[8, 9], 0, 0] = np.inf
    (finding,) = replace(clean, images=images).findings()
    assert (finding.check, finding.severity, finding.rows) == ("images", "error", (8, 9))


def test_hot_pixels(clean):
    images = clean.images.copy()
    images[11, 3, 3] = 500.0
    (finding,) = replace(clean, images=images).named("hot pixels")
    assert (finding.severity, finding.rows) == ("warning", (11,))
    assert "particle rows 12)" in finding.message


def test_images_that_are_not_normalised(clean, rng):
    scale = rng.uniform(5.0, 50.0, (400, 1, 1))
    (finding,) = replace(clean, images=(clean.images * scale + 300.0).astype(np.float32)).findings()
    assert (finding.check, finding.severity) == ("normalisation", "note")
