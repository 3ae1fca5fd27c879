"""Grey pictures of maps as data URIs, which need no file beside the page."""

import base64
import io
from dataclasses import dataclass

import numpy as np
from matplotlib.image import imsave
from numpy.typing import NDArray

from coldstart.report.evolution import MapViews


@dataclass(frozen=True, slots=True)
class ScaleBar:
    """A bar of round length: what it says, and its length in percent of the box."""

    label: str
    percent: float


def scale_bar(box_angstrom: float) -> ScaleBar:
    """The bar of a picture as wide as the box."""
    length = scale_bar_angstrom(box_angstrom)
    return ScaleBar(f"{length:g} Å", 100.0 * length / box_angstrom)


def view_uris(views: MapViews) -> tuple[list[str], list[str]]:
    """Data URIs of the slices and of the projections, each group on one grey scale."""
    return _uris(views.slices), _uris(views.projections)


def scale_bar_angstrom(box_angstrom: float) -> float:
    """A round length of about a quarter of the box."""
    wanted = box_angstrom / 4.0
    power = 10.0 ** np.floor(np.log10(wanted))
    return float(max(step * power for step in (1.0, 2.0, 5.0) if step * power <= wanted))


def _uris(images: tuple[NDArray[np.float32], ...]) -> list[str]:
    values = np.concatenate([image.ravel() for image in images])
    low, high = np.percentile(values, (1.0, 99.8))
    # A flat map still needs an interval to be shown on.
    return [_png_uri(image, float(low), float(max(high, low + 1e-12))) for image in images]


def _png_uri(image: NDArray[np.float32], low: float, high: float) -> str:
    buffer = io.BytesIO()
    # Row 0 is the lowest y, as map viewers show it.
    imsave(buffer, image[::-1], cmap="gray", vmin=low, vmax=high, format="png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
