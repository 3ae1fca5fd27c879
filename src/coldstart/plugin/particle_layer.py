"""Particles as points on the sphere of their viewing directions, with what is known of them as features.

The sphere lies around the map, in its frame and its Å. A layer of more than `MOST_POINTS` points would be slow, so a
random subset stands for the rest, the same one each time; the whole table stays in memory.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from coldstart.plugin.map_layer import CLASS_COLORS, METADATA_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    from napari.layers import Points

    from coldstart.io.particle_table import ParticleTable

MOST_POINTS = 50_000

DENSITY = "direction_density"

COLORINGS = {
    "direction density": DENSITY,
    "class": "class",
    "class posterior": "posterior",
    "label": "label",
    "log likelihood": "log_likelihood",
    "defocus": "defocus_angstrom",
}
"""What points can be coloured by, and the feature that says it."""

_LABEL_COLORS = {"used": "#56b4e9", "low confidence": "#e69f00", "starts disagree": "#d0397a", "unused": "#9a9a9a"}
_RADIUS_BOXES = 0.55
# Of the points, in boxes: they cover half of the sphere, within limits.
_SIZES = (0.008, 0.05)
_SIZE = 1.5
_SEED = 0


def shown_rows(count: int, most: int = MOST_POINTS) -> NDArray[np.int64]:
    """Rows of the particles on the sphere, from 0, ascending: all, or `most` of them at random."""
    if count <= most:
        return np.arange(count, dtype=np.int64)
    return np.sort(np.random.default_rng(_SEED).choice(count, most, replace=False)).astype(np.int64)


def sphere_points(euler_deg: NDArray[np.float64], box_angstrom: float) -> NDArray[np.float64]:
    """Where particles lie on the sphere, (M, 3) in Å, [z, y, x], around the centre n // 2 of an even box."""
    from coldstart.model.directions import viewing_directions

    return np.asarray(box_angstrom * (0.5 + _RADIUS_BOXES * viewing_directions(euler_deg)[:, ::-1]))


def particle_features(table: "ParticleTable", rows: NDArray[np.int64]) -> "pd.DataFrame":
    """Features of these rows, with the density of directions around each, of all particles of the table."""
    from coldstart.model.directions import direction_density, viewing_directions

    features = table.features.iloc[rows].reset_index(drop=True)
    if table.euler_deg is not None:
        features[DENSITY] = direction_density(viewing_directions(table.euler_deg))[rows].round(3)
    return features


def direction_layer(
    table: "ParticleTable", rows: NDArray[np.int64], box_angstrom: float, name: str
) -> tuple[NDArray[np.float64], dict[str, Any], str]:
    """The viewing directions of some rows of a table with poses, as the data, keywords and type of a Points layer.

    Parameters
    ----------
    table : ParticleTable
        With poses.
    rows : (M,) int64
        From 0.
    box_angstrom : float
        Side of the box; the sphere is a little wider.
    name : str
    """
    if table.euler_deg is None:
        raise ValueError("a table without poses has no directions")
    features = particle_features(table, rows)
    keywords = {
        "name": name,
        "features": features,
        "size": box_angstrom * float(np.clip(_SIZE / np.sqrt(max(len(rows), 1)), *_SIZES)),
        "border_width": 0.0,
        "face_color": point_colors(features, available_colorings(features)[0]),
        "opacity": 0.9,
        "shading": "spherical",
        "units": ("angstrom",) * 3,
        "axis_labels": ("z", "y", "x"),
        "metadata": {METADATA_KEY: {"table": str(table.path), "rows": rows, "count": table.count}},
    }
    return sphere_points(table.euler_deg[rows], box_angstrom), keywords, "points"


def color_points(layer: "Points", coloring: str) -> None:
    """Colour the points by one of `COLORINGS` that the layer's features have."""
    layer.face_color = point_colors(layer.features, coloring)


def point_colors(features: "pd.DataFrame", coloring: str) -> NDArray[np.float32]:
    """Colours (M, 4) of points by one of `COLORINGS`, between 0 and 1: red, green, blue and opacity."""
    from napari.utils.colormaps import ensure_colormap

    feature = COLORINGS[coloring]
    values = features[feature].to_numpy()
    if feature == "class":
        return np.asarray(_rgba(CLASS_COLORS)[(values.astype(np.int64) - 1) % len(CLASS_COLORS)])
    if feature == "label":
        known = list(_LABEL_COLORS)
        return np.asarray(_rgba(_LABEL_COLORS.values())[[known.index(label) for label in values]])
    numbers = values.astype(np.float64)
    low, high = _limits(numbers)
    return np.asarray(ensure_colormap("viridis").map(np.clip((numbers - low) / (high - low), 0.0, 1.0)), np.float32)


def available_colorings(features: "pd.DataFrame") -> list[str]:
    """Those of `COLORINGS` whose feature is there; class only where there are several."""
    there = [name for name, feature in COLORINGS.items() if feature in features]
    return [name for name in there if name != "class" or features["class"].nunique() > 1]


def _rgba(colors: "Iterable[str]") -> NDArray[np.float32]:
    """Colours (K, 4); looking one up for every point would take long."""
    from napari.utils.colormaps.standardize_color import transform_color

    return np.asarray(transform_color(list(colors)), dtype=np.float32)


def _limits(values: NDArray[np.float64]) -> tuple[float, float]:
    """From the 2nd to the 98th percentile, so that a few outliers do not take all the colours."""
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, [2, 98]) if len(finite) else (0.0, 1.0)
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1.0)
