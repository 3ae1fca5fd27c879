import numpy as np

from coldstart.report.evolution import map_views
from coldstart.report.pictures import scale_bar_angstrom


def test_views_are_central_slices_and_sums() -> None:
    volume = np.zeros((8, 8, 8), np.float32)
    volume[4, 2, 6] = 1.0  # z, y, x: in the central plane of z alone
    views = map_views(volume, 128)
    assert [image.sum() for image in views.slices] == [1.0, 0.0, 0.0]
    assert [np.argwhere(image).tolist() for image in views.projections] == [[[2, 6]], [[4, 6]], [[4, 2]]]


def test_wide_views_are_averaged_down() -> None:
    volume = np.ones((40, 40, 40), np.float32)
    views = map_views(volume, 16)
    assert views.slices[0].shape == (13, 13)
    assert np.all(views.slices[0] == 1.0)
    assert np.all(views.projections[0] == 40.0)


def test_scale_bar_is_round_and_at_most_a_quarter_of_the_box() -> None:
    assert [scale_bar_angstrom(box) for box in (240.0, 384.0, 100.0, 80.0)] == [50.0, 50.0, 20.0, 20.0]
