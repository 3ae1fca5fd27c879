"""How a map becomes an image layer: in units of its own sigma, to scale in Å, as a surface, and with the right hand.

A layer keeps its contrast limits and its threshold when its data change, so that maps are shown in units of their
standard deviation: one threshold then suits every map, and every iteration.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari.layers import Image

THRESHOLD_SIGMA = 3.0
"""Density at which the surface is drawn, above the mean of the map."""

CONTRAST_SIGMA = (0.0, 14.0)
"""Densities from black to white; lighting brightens a surface beyond its own density."""

METADATA_KEY = "coldstart"
"""Key of a layer's metadata under which the plugin keeps what it knows of the layer."""

GREY_SCALE_KEY = "coldstart_grey_scale"
"""Key of a layer's metadata with the mean and the standard deviation that its map had."""

CLASS_COLORS = ("#56b4e9", "#e69f00", "#e5ffbe", "#7f63ff", "#966d30", "#d0397a", "#6ef4d8", "#ffe178")
"""Colours of the classes, in their order; they start again after the last. The report's, on a dark ground."""


def class_color(class_number: int) -> str:
    """Colour of a class, numbered from 1."""
    return CLASS_COLORS[(class_number - 1) % len(CLASS_COLORS)]


def in_sigma(volume: NDArray[np.floating]) -> NDArray[np.float32]:
    """A map less its mean over its standard deviation, [z, y, x]; zero where it is flat."""
    return _scaled(volume, *grey_scale(volume))


def grey_scale(volume: NDArray[np.floating]) -> tuple[float, float]:
    """Mean and standard deviation of a map; the latter is 1 where it is flat."""
    volume = volume.astype(np.float32, copy=False)
    return float(volume.mean()), float(volume.std()) or 1.0


def in_grey_scale(shown: NDArray[np.floating], metadata: Mapping[str, Any]) -> NDArray[np.float32]:
    """The data of a layer in the grey scale that its map had, by the layer's metadata; as they are without it."""
    mean, sigma = metadata.get(GREY_SCALE_KEY, (0.0, 1.0))
    return np.asarray(shown, dtype=np.float32) * np.float32(sigma) + np.float32(mean)


def map_layer(
    volume: NDArray[np.floating],
    voxel_size_angstrom: float,
    name: str,
    *,
    class_number: int = 1,
    metadata: Mapping[str, Any] | None = None,
) -> tuple[NDArray[np.float32], dict[str, Any], str]:
    """A map as the data, the keywords and the type of a napari layer.

    Parameters
    ----------
    volume : (n, n, n) array, [z, y, x]
    voxel_size_angstrom : float
    name : str
        Of the layer.
    class_number : int
        From 1; it decides the colour.
    metadata : mapping, optional
        What to keep with the layer, under METADATA_KEY.
    """
    grey = grey_scale(volume)
    keywords = {
        "name": name,
        "metadata": {METADATA_KEY: dict(metadata or {}), GREY_SCALE_KEY: grey},
        "colormap": _colormap(class_number),
        "contrast_limits": CONTRAST_SIGMA,
        "rendering": "iso",
        "iso_threshold": THRESHOLD_SIGMA,
        **placement(voxel_size_angstrom),
    }
    return _scaled(volume, *grey), keywords, "image"


def placement(voxel_size_angstrom: float) -> dict[str, Any]:
    """Scale, units and axis labels of a layer of voxels, [z, y, x]."""
    return {"scale": (voxel_size_angstrom,) * 3, "units": ("angstrom",) * 3, "axis_labels": ("z", "y", "x")}


@dataclass(frozen=True, slots=True)
class ShownMap:
    """A map as a layer shows it.

    Attributes
    ----------
    data : (n, n, n) float32, [z, y, x]
        In units of its standard deviation.
    grey_scale : tuple of float
        Mean and standard deviation that it had.
    voxel_size_angstrom : float
    """

    data: NDArray[np.float32]
    grey_scale: tuple[float, float]
    voxel_size_angstrom: float

    @classmethod
    def of(cls, volume: NDArray[np.floating], voxel_size_angstrom: float) -> "ShownMap":
        """A map (n, n, n), [z, y, x]; for a large one this takes longer than a window may stand still."""
        grey = grey_scale(volume)
        return cls(_scaled(volume, *grey), grey, voxel_size_angstrom)


def show_map(layer: "Image", shown: ShownMap) -> None:
    """Show another map in the layer of one, in the same place of space whatever its number of voxels."""
    layer.data = shown.data
    layer.metadata[GREY_SCALE_KEY] = shown.grey_scale
    if tuple(layer.scale) != (shown.voxel_size_angstrom,) * 3:  # else everything would be drawn once more
        layer.scale = (shown.voxel_size_angstrom,) * 3


def _scaled(volume: NDArray[np.floating], mean: float, sigma: float) -> NDArray[np.float32]:
    return np.asarray((volume.astype(np.float32, copy=False) - np.float32(mean)) / np.float32(sigma))


def _colormap(class_number: int) -> Any:
    from napari.utils.colormaps import Colormap

    color = class_color(class_number)
    return Colormap(["#000000", color, "#ffffff"], name=f"class {class_number}", controls=[0.0, 0.6, 1.0])
