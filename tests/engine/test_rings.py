import numpy as np
import pytest

from coldstart.engine.rings import COARSE_RINGS, FINEST_LEVEL, Rings
from coldstart.model.pose_grid import rotation_grid


@pytest.mark.parametrize("level", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("rings", [5, 12, 13, 30, 60])
def test_each_level_has_the_angles_of_its_grid_and_the_rings_that_it_can_follow(session, level, rings):
    made = Rings(session, level, rings)
    assert made.finest == min(level, FINEST_LEVEL)
    for each in range(made.finest + 1):
        plane = made.table(each).plane
        assert plane.in_plane == rotation_grid(each).in_plane
        reach = rings if each == made.finest else min(rings, COARSE_RINGS * 2**each)
        assert plane.rings == reach
    assert made.plane is made.table(made.finest).plane


def test_finer_levels_than_the_rings_are_taken_on_their_points(session):
    made = Rings(session, 4, 20)
    assert made.table(3) is made.table(4) is made.table(FINEST_LEVEL)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_tables_on_the_device_are_those_of_the_plane(session, level):
    made = Rings(session, 2, 30)
    table = made.table(level)
    plane, fine = table.plane, made.plane
    down = {name: session.download(getattr(table, name)) for name in ("kx", "ky", "source", "rings", "share")}
    np.testing.assert_allclose(np.stack([down["kx"], down["ky"]], axis=1), plane.frequencies, atol=1e-5)
    np.testing.assert_array_equal(down["rings"], plane.ring_table)
    points, source = plane.points, down["source"]
    pads = np.setdiff1d(np.arange(plane.stride), points)
    np.testing.assert_allclose(fine.frequencies[source[points]], plane.frequencies[points], atol=1e-10)
    np.testing.assert_allclose(down["share"][points] * fine.weights[source[points]], plane.weights[points], rtol=1e-6)
    assert (source[pads] == -1).all()
    assert not down["share"][pads].any()


def test_the_finest_level_reads_every_point_as_it_is(session):
    table = Rings(session, 2, 30).table(2)
    points = table.plane.points
    np.testing.assert_array_equal(session.download(table.source)[points], points)
    np.testing.assert_allclose(session.download(table.share)[points], 1.0)
