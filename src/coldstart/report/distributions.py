"""How particles are distributed: over viewing directions, and over defocus."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from coldstart.model.particles import Ctf
from coldstart.report.charts import THIRD_INCH, THREE_FIFTHS_INCH, TWO_FIFTHS_INCH, style_axes
from coldstart.report.svg import ACCENT, GRID, TEXT, figure_svg, new_figure

_FONT_PT = 9
_ANGSTROM_PER_MICROMETRE = 1e4
# Enough in a cell of the map that counting noise stays near a quarter.
_PARTICLES_A_CELL = 15
_CELL_PARTS = 8


def direction_density(euler_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Viewing directions counted in cells of equal area.

    Parameters
    ----------
    euler_deg : (M, 3) float64
        RELION rot, tilt, psi in degrees.

    Returns
    -------
    (rows, 2 * rows) float64
        Count over that of a uniform distribution; rows from tilt 180 to tilt 0 in equal steps of its cosine, columns
        from rot -180 to 180.
    """
    rows = int(np.clip(np.sqrt(len(euler_deg) / _PARTICLES_A_CELL / 2), 4, 18))
    rot = (euler_deg[:, 0] + 180.0) % 360.0 - 180.0
    cosine = np.cos(np.deg2rad(euler_deg[:, 1]))
    edges = (np.linspace(-1.0, 1.0, rows + 1), np.linspace(-180.0, 180.0, 2 * rows + 1))
    counts, _, _ = np.histogram2d(cosine, rot, bins=edges)
    return np.asarray(counts * (counts.size / max(len(euler_deg), 1)))


def direction_svg(euler_deg: NDArray[np.float64], *, small: bool = False) -> str:
    """The viewing directions on an equal-area (Mollweide) map of the sphere; a small one has fewer labels."""
    # Each cell is drawn in parts, so that its edges follow the curves of the map.
    density = np.kron(direction_density(euler_deg), np.ones((_CELL_PARTS, _CELL_PARTS)))
    figure = new_figure(*((THIRD_INCH, 1.5) if small else (THREE_FIFTHS_INCH, 2.8)))
    axes = figure.add_subplot(projection="mollweide")
    longitude = np.linspace(-np.pi, np.pi, density.shape[1] + 1)
    latitude = np.arcsin(np.linspace(-1.0, 1.0, density.shape[0] + 1))
    top = max(2.0, float(density.max()))
    mesh = axes.pcolormesh(longitude, latitude, density, cmap="cividis", vmin=0.0, vmax=top, rasterized=True)
    _style_sphere(axes, small)
    bar = figure.colorbar(mesh, ax=axes, shrink=0.8, pad=0.03)
    _style_colorbar(bar, "density" if small else "density (1 = uniform)")
    return figure_svg(figure, "Distribution of viewing directions over rot and tilt")


def defocus_svg(ctf: Ctf, rows: NDArray[np.int64], *, small: bool = False) -> str:
    """Mean defocus of these particles, in µm; a small figure is for a narrower column."""
    defocus = 0.5 * (ctf.defocus_u_angstrom + ctf.defocus_v_angstrom)[rows] / _ANGSTROM_PER_MICROMETRE
    figure = new_figure(TWO_FIFTHS_INCH if small else THREE_FIFTHS_INCH, 2.6)
    axes = figure.add_subplot()
    axes.hist(defocus, bins=min(40, max(8, int(np.sqrt(len(defocus))))), color=ACCENT, rwidth=0.92)
    axes.set_xlabel("defocus, mean of U and V (µm)")
    axes.set_ylabel("particles")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))
    style_axes(axes)
    return figure_svg(figure, "Histogram of the defocus")


def _style_sphere(axes: Axes, small: bool) -> None:
    rot = [] if small else [-120, -60, 0, 60, 120]
    # RELION's tilt runs from the north pole down.
    tilt = [135, 90, 45] if small else [150, 120, 90, 60, 30]
    axes.set_xticks(np.deg2rad(rot), [f"{angle}°".replace("-", "−") for angle in rot])
    axes.set_yticks(np.deg2rad([90 - angle for angle in tilt]), [f"{angle}°" for angle in tilt])
    axes.tick_params(axis="x", colors="#ffffff", labelsize=_FONT_PT - 1)
    axes.tick_params(axis="y", colors=TEXT, labelsize=_FONT_PT)
    axes.spines["geo"].set_color(GRID)
    axes.grid(visible=True, color="#ffffff", alpha=0.25, linewidth=0.5)


def _style_colorbar(bar: Colorbar, label: str) -> None:
    bar.set_label(label, color=TEXT, fontsize=_FONT_PT)
    bar.ax.tick_params(colors=TEXT, labelsize=_FONT_PT, length=0)
    bar.outline.set_visible(False)
