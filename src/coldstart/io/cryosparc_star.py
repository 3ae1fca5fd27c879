"""The rows of a cryoSPARC dataset as RELION's tables, so that a run on a .cs file goes on in RELION too."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldstart.io.cryosparc_files import FILE_MARK
from coldstart.io.cryosparc_read import CTF_FIELDS
from coldstart.io.grouping import group_rows
from coldstart.io.star_columns import (
    ANGLE_LABELS,
    CTF_COLUMNS,
    IMAGE_DIMENSIONALITY,
    IMAGE_NAME,
    IMAGE_SIZE,
    OPTICS_GROUP,
    OPTICS_GROUP_NAME,
    ORIGIN_LABELS,
    PIXEL_SIZE,
    RANDOM_SUBSET,
    decimal,
)
from coldstart.model.carried import CarriedTable
from coldstart.model.so3 import matrix_to_euler, rotvec_to_matrix

_OPTICS_FIELDS = ("ctf/exp_group_id", "ctf/accel_kv", "ctf/cs_mm", "ctf/amp_contrast", "blob/psize_A")
_ANGSTROM_PER_MM = 1e7


def star_tables(records: NDArray[np.void]) -> tuple[CarriedTable, CarriedTable]:
    """Optics and particle tables of a dataset.

    Poses, where the dataset has them, and coordinates come along; aberrations beyond the beam tilt do not. Image names
    are those of the dataset, counted from 1.

    Parameters
    ----------
    records : (rows,) structured array
        With the fields of blob, and of ctf where there is a CTF.

    Returns
    -------
    optics, particles : CarriedTable
    """
    names = records.dtype.names or ()
    columns = [records[name] for name in _OPTICS_FIELDS if name in names]
    columns.append(records["blob/shape"][:, 0])
    columns += list(records["ctf/tilt_A"].T) if "ctf/tilt_A" in names else []
    group, first = group_rows(columns, len(records))
    optics = _optics(records[first])
    particles = {
        IMAGE_NAME: _image_names(records),
        "rlnMicrographName": _micrograph_names(records),
        **_coordinates(records),
        OPTICS_GROUP: optics.utf8(OPTICS_GROUP)[group],
        **_ctf_columns(records, "particles"),
        **_subset(records),
        **_pose_columns(records),
    }
    return optics, CarriedTable(particles)


def _optics(groups: NDArray[np.void]) -> CarriedTable:
    """One row an optics group, from its first particle."""
    numbers = [str(number) for number in range(1, len(groups) + 1)]
    names = groups.dtype.names or ()
    named = groups["ctf/exp_group_id"].tolist() if "ctf/exp_group_id" in names else numbers
    columns: dict[str, Any] = {
        OPTICS_GROUP: numbers,
        OPTICS_GROUP_NAME: [f"opticsGroup{name}" for name in named],
        **_ctf_columns(groups, "optics"),
        PIXEL_SIZE: decimal(groups["blob/psize_A"]),
        IMAGE_SIZE: [str(side) for side in groups["blob/shape"][:, 0].tolist()],
        IMAGE_DIMENSIONALITY: ["2"] * len(groups),
    }
    if "ctf/tilt_A" in names and groups["ctf/tilt_A"].any():
        sine = groups["ctf/tilt_A"].astype(np.float64) / (groups["ctf/cs_mm"][:, None] * _ANGSTROM_PER_MM)
        columns["rlnBeamTiltX"], columns["rlnBeamTiltY"] = (decimal(1e3 * np.arcsin(axis)) for axis in sine.T)
    return CarriedTable(columns)


def _ctf_columns(records: NDArray[np.void], block: str) -> dict[str, NDArray[np.bytes_]]:
    """Columns of the CTF that RELION keeps in a block."""
    columns = {}
    for column in CTF_COLUMNS:
        name = CTF_FIELDS.get(column.field, "")
        if column.block == block and name in (records.dtype.names or ()):
            values = records[name].astype(np.float64)
            columns[column.label] = decimal(np.rad2deg(values) if name.endswith("_rad") else values)
    return columns


def _image_names(records: NDArray[np.void]) -> NDArray[np.bytes_]:
    paths, numbers = records["blob/path"].tolist(), records["blob/idx"].tolist()
    mark = FILE_MARK.encode()
    return np.array([b"%06d@%s" % (n + 1, path.removeprefix(mark)) for n, path in zip(numbers, paths, strict=True)])


def _micrograph_names(records: NDArray[np.void]) -> NDArray[np.bytes_]:
    """Names of the micrographs; where none are known the stacks' stand in, since RELION sorts by them."""
    name = "location/micrograph_path" if "location/micrograph_path" in (records.dtype.names or ()) else "blob/path"
    mark = FILE_MARK.encode()
    return np.array([path.removeprefix(mark) for path in records[name].tolist()], dtype=np.bytes_)


def _coordinates(records: NDArray[np.void]) -> dict[str, NDArray[np.bytes_]]:
    """Positions in px of the micrograph, whose origin is at the bottom in cryoSPARC and at the top in RELION."""
    fields = ("location/micrograph_shape", "location/center_x_frac", "location/center_y_frac")
    if not set(fields).issubset(records.dtype.names or ()):
        return {}
    shape, x, y = (records[name].astype(np.float64) for name in fields)
    return {"rlnCoordinateX": decimal(x * shape[:, 1]), "rlnCoordinateY": decimal((1.0 - y) * shape[:, 0])}


def _subset(records: NDArray[np.void]) -> dict[str, NDArray[np.bytes_]]:
    if "alignments3D/split" not in (records.dtype.names or ()):
        return {}
    split = records["alignments3D/split"]
    if set(np.unique(split).tolist()) != {0, 1}:  # RELION refuses half sets of which one is empty
        return {}
    return {RANDOM_SUBSET: np.where(split == 0, b"1", b"2")}


def _pose_columns(records: NDArray[np.void]) -> dict[str, NDArray[np.bytes_]]:
    fields = ("alignments3D/pose", "alignments3D/shift", "alignments3D/psize_A")
    if not set(fields).issubset(records.dtype.names or ()):
        return {}
    pose, shift, pixel_size = (records[name].astype(np.float64) for name in fields)
    euler = matrix_to_euler(rotvec_to_matrix(pose))
    origin = shift * pixel_size[:, None]
    angles = {label: decimal(euler[:, axis]) for axis, label in enumerate(ANGLE_LABELS)}
    return angles | {label: decimal(origin[:, axis]) for axis, label in enumerate(ORIGIN_LABELS)}
