"""The other hand of a map layer."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import napari

_OTHER_HAND = " (other hand)"
_X = 0


def flip_handedness(layer: "napari.layers.Image") -> None:
    """Mirror a map along x in its place, through the voxel n // 2, as the maps of a run are mirrored; the name says so.

    Projections do not tell a structure from its mirror image. Flipped again, the layer is as it was.
    """
    from napari.utils.notifications import show_warning

    from coldstart.model.hand import flip_map

    if layer.ndim != 3 or layer.rgb:
        show_warning(f"{layer.name} is no map: select the image layer of a map, which has three dimensions.")
        return
    layer.data = flip_map(layer.data, _X)
    flipped = layer.name.endswith(_OTHER_HAND)
    layer.name = layer.name.removesuffix(_OTHER_HAND) if flipped else layer.name + _OTHER_HAND
