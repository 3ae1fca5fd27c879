from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coldstart.io.particle_table import ParticleTable, particle_table
from coldstart.model.carried import CarriedTable
from coldstart.plugin.map_layer import CLASS_COLORS
from coldstart.plugin.particle_layer import (
    COLORINGS,
    available_colorings,
    color_points,
    direction_layer,
    shown_rows,
    sphere_points,
)


def made_up_table(**columns: list[str]) -> ParticleTable:
    poses = {"rlnAngleRot": ["0", "0", "90"], "rlnAngleTilt": ["0", "90", "90"], "rlnAnglePsi": ["10", "20", "30"]}
    return particle_table(CarriedTable(poses | columns), Path("t.star"))


def test_points_lie_around_the_middle_of_the_box() -> None:
    """Seen along z, x and y."""
    points = sphere_points(np.array([[0.0, 0, 0], [0, 90, 0], [90, 90, 0]]), 100.0)
    np.testing.assert_allclose(points, [[105, 50, 50], [50, 50, 105], [50, 105, 50]], atol=1e-9)


def test_a_part_of_many_is_at_random_and_the_same_each_time() -> None:
    rows = shown_rows(1000, 100)
    np.testing.assert_array_equal(rows, shown_rows(1000, 100))
    assert len(np.unique(rows)) == 100
    assert (np.diff(rows) > 0).all()
    assert 400 < rows.mean() < 600
    np.testing.assert_array_equal(shown_rows(5, 100), np.arange(5))
    assert len(shown_rows(60_000)) == 50_000


def test_every_colouring_colours(make_napari_viewer: Callable[[], Any]) -> None:
    table = made_up_table(
        rlnClassNumber=["1", "2", "9"],
        coldstartClassPosterior=["0.5", "0.7", "1"],
        coldstartLabel=["used", "low_confidence", "unused"],
        rlnLogLikeliContribution=["1", "nan", "3"],
        rlnDefocusU=["9000", "9000", "9000"],
        rlnDefocusV=["9000", "9000", "9000"],
    )
    data, keywords, _ = direction_layer(table, np.arange(3), 100.0, "directions")
    layer = make_napari_viewer().add_points(data, **keywords)
    assert available_colorings(layer.features) == list(COLORINGS)
    colors = {}
    for coloring in COLORINGS:
        color_points(layer, coloring)
        colors[coloring] = layer.face_color.copy()
    assert len(np.unique(colors["label"], axis=0)) == 3
    assert len(np.unique(colors["class posterior"], axis=0)) == 3
    np.testing.assert_array_equal(colors["class"][0], colors["class"][2])  # colours start again after the eighth
    expected = [int(CLASS_COLORS[1][i : i + 2], 16) / 255 for i in (1, 3, 5)]
    np.testing.assert_allclose(colors["class"][1][:3], expected, atol=1e-3)


def test_colourings_need_their_feature() -> None:
    _, keywords, _ = direction_layer(made_up_table(), np.arange(3), 100.0, "directions")
    assert available_colorings(keywords["features"]) == ["direction density"]


def test_a_table_without_poses_has_no_directions() -> None:
    table = particle_table(CarriedTable({"rlnImageName": ["1@s.mrcs"]}), Path("t.star"))
    with pytest.raises(ValueError, match="without poses"):
        direction_layer(table, np.arange(1), 100.0, "directions")
