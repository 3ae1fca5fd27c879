"""What is set in the viewer itself: three dimensions of the right hand, room for layers to come, and tiles."""

from collections.abc import Iterator
from math import ceil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

# z towards the viewer, y up, x to the right, as ChimeraX shows a map. napari's own default is the mirror image.
_ORIENTATION = ("towards", "up", "right")


def prepare_viewer(viewer: "Viewer") -> None:
    """Show three dimensions with x to the right, y up and z towards the viewer, and a scale bar.

    Otherwise napari would show the mirror image of what ChimeraX does. Meant for a viewer without other layers.
    """
    viewer.dims.ndisplay = 3
    viewer.scene.camera.orientation = _ORIENTATION
    viewer.canvas.overlays.scale_bar.visible = True


def make_room(viewer: "Viewer", layer: "Layer") -> Iterator[None]:
    """Give an empty viewer the axes of a layer that is to come, in steps between which the window may answer.

    napari would do it as the first layer comes, which then takes half as long again, with no event let in.
    """
    dims = viewer.dims
    if viewer.layers:
        return
    dims.ndim = layer.ndim
    yield
    first, last = layer.extent.world
    dims.range = tuple(zip(first, last, layer.extent.step, strict=True))
    dims.axis_labels = layer.axis_labels
    dims.current_step = tuple((steps - 1) // 2 for steps in dims.nsteps)


def tile(viewer: "Viewer", *, side_by_side: bool) -> None:
    """Show visible layers side by side, each in a part of the canvas that is as large as can be; or all in one."""
    shown = sum(layer.visible for layer in viewer.layers)
    if side_by_side and shown:
        viewer.canvas.grid.shape = (-1, tile_columns(shown, viewer.canvas.size))
    viewer.canvas.grid.enabled = side_by_side


def tile_columns(count: int, canvas_size: tuple[int, int]) -> int:
    """How many columns make the largest square tiles of a canvas (height, width)."""
    height, width = canvas_size
    return max(range(1, count + 1), key=lambda columns: min(width / columns, height / ceil(count / columns)))


def load_units() -> None:
    """Have the table of units read, which takes half a second and would hold up the first scale bar otherwise."""
    import pint

    registry: Any = pint.application_registry
    registry.Quantity(1.0, "angstrom")
