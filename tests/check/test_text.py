"""Words."""

import numpy as np

from coldstart.check.text import numbered, plural


def test_plural():
    assert [plural(count, "image") for count in (1, 2, 12000)] == ["1 image", "2 images", "12,000 images"]


def test_rows_are_counted_from_one():
    assert numbered([0, 4]) == "1, 5"
    assert numbered(np.arange(9)) == "1, 2, 3, 4, 5 ..."
