"""Layers into files: maps into .mrc in their own grey scale and voxel size, particles into .star with all columns."""

from pathlib import Path
from typing import Any

import numpy as np

from coldstart.errors import OutputError
from coldstart.plugin.map_layer import METADATA_KEY

# Relative difference up to which voxels are taken as cubes.
_SAME_SIZE = 1e-3


def write_map_layer(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write an image layer of three dimensions as a map.

    Parameters
    ----------
    path : str
    data : (nz, ny, nx) array, [z, y, x]
    attributes : dict
        Of the layer. A map in units of its standard deviation is written in the grey scale that it came in.

    Raises
    ------
    OutputError
        If the layer is no map, or the file cannot be written.
    """
    from coldstart.io.mrc import write_map
    from coldstart.plugin.map_layer import in_grey_scale

    name = attributes.get("name", "the layer")
    if np.ndim(data) != 3 or attributes.get("rgb"):
        raise OutputError(
            f"{name} is no map, which has three dimensions: select the layer of a map to write an .mrc file."
        )
    voxel_size = _voxel_size_angstrom(name, attributes)
    volume = in_grey_scale(np.asarray(data, dtype=np.float32), attributes.get("metadata", {}))
    write_map(Path(path), volume, voxel_size)
    return [path]


def write_particle_layer(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write the particles of a points layer: those of its table, but for the points that were deleted.

    A dataset is written as a dataset (.cs), any other table as a STAR file; every column keeps its text. Particles that
    a large table has beyond those shown are written too.

    Raises
    ------
    ColdstartError
        If the layer is not of particles, or the table or the file cannot be read or written.
    """
    from coldstart.api import copy_particles

    known = attributes.get("metadata", {}).get(METADATA_KEY, {})
    features = attributes.get("features")
    if "table" not in known or features is None or "row" not in features:
        raise OutputError(
            f"{attributes.get('name', 'the layer')} holds no particles: select the layer of directions of a run or "
            "of a particle table to write a .star file."
        )
    deleted = np.setdiff1d(known["rows"], np.asarray(features["row"], dtype=np.int64) - 1)
    rows = np.setdiff1d(np.arange(known["count"]), deleted)
    copy_particles(Path(known["table"]), Path(path), rows, overwrite=True)
    return [path]


def _voxel_size_angstrom(name: str, attributes: dict[str, Any]) -> float:
    from napari.utils.transforms.transform_utils import is_diagonal

    scale = np.asarray(attributes.get("scale", (1.0, 1.0, 1.0)), dtype=np.float64)
    rotate = attributes.get("rotate")
    turned = rotate is not None and not is_diagonal(np.asarray(rotate))
    if turned or np.ptp(scale) > _SAME_SIZE * scale.max() or scale.min() <= 0.0:
        raise OutputError(
            f"{name} has voxels of {' x '.join(f'{side:g}' for side in scale)} Å{', turned' if turned else ''}: a map "
            "has cubic voxels along x, y and z. Resample it first."
        )
    return float(scale[0]) * _angstrom_a_unit(attributes)


def _angstrom_a_unit(attributes: dict[str, Any]) -> float:
    """Å in a unit of the layer's scale; a pixel counts as one."""
    import pint

    unit = str(next(iter(attributes.get("units") or ("pixel",))))
    if unit == "pixel":
        return 1.0
    return float(pint.Quantity(1.0, unit).to("angstrom").magnitude)
