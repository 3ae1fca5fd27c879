"""Particles into cryoSPARC: a dataset (.cs) and a group (.csg) beside it, for its job Import Result Group.

A dataset that came from one keeps uid and every field but those of the slots that hold poses. One that came from a STAR
file gets the fields that cryoSPARC needs, and a uid that follows from the name of the image.
"""

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldstart.io.cryosparc_files import FILE_MARK, UID, slots, with_fields, without_slots, write_dataset, write_group
from coldstart.io.cryosparc_read import CTF_FIELDS
from coldstart.io.half_sets import given_half_sets
from coldstart.io.image_names import distinct_in_order
from coldstart.io.mrc import MrcStackSource
from coldstart.io.star_columns import IMAGE_SIZE, OPTICS_GROUP, PIXEL_SIZE, numbers
from coldstart.model.particles import Particles
from coldstart.model.so3 import euler_to_matrix, matrix_to_rotvec
from coldstart.model.state import PoseTable

_POSE_SLOT, _MULTI_SLOT = "alignments3D", "alignments3D_multi"
_CLASS_SLOT = "alignments_class_"
_NOT_COMPUTED = ("error", "error_min", "resid_pow", "slice_pow", "image_pow", "cross_cor", "weight", "shift_ess")
MergedClasses = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Number of the class of each particle, from 1, and its posterior."""

_ODD = np.uint64(0x9E3779B97F4A7C15)


def write_posed_dataset(
    path: Path,
    particles: Particles,
    poses: PoseTable,
    source: MrcStackSource,
    title: str,
    *,
    invert: bool = False,
    classes: MergedClasses | None = None,
) -> None:
    """Write the dataset and the group of particles that have a pose.

    Parameters
    ----------
    path : Path
        The dataset, ending in .cs; the group has the same name and ends in .csg.
    particles : Particles
    poses : PoseTable
        Rows of `particles`, with their poses.
    source : MrcStackSource
        The stacks of `particles`.
    title : str
        Name of the group in cryoSPARC.
    invert : bool
        Whether particles are dark in the stacks of a STAR file; a dataset says it itself.
    classes : MergedClasses, optional
        Of these particles, where classes are written as one.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    poses = replace(poses, origin_angstrom=source.origins_in_stacks(poses.origin_angstrom, poses.particle))
    base = _records(particles, poses.particle, source, path.parent, invert=invert)
    old = [slot for slot in slots(base) if slot in (_POSE_SLOT, _MULTI_SLOT) or slot.startswith(_CLASS_SLOT)]
    fields = _pose_fields(poses, base["blob/psize_A"], _half_sets(particles, poses.particle))
    _write(path, _merged(with_fields(without_slots(base, old), fields), classes), title)


def write_unposed_dataset(
    path: Path,
    particles: Particles,
    rows: NDArray[np.int64],
    source: MrcStackSource,
    title: str,
    *,
    invert: bool = False,
) -> None:
    """Write the dataset and the group of particles as they were read; arguments as in `write_posed_dataset`."""
    _write(path, _records(particles, rows, source, path.parent, invert=invert), title)


def write_part_of_dataset(
    path: Path, records: NDArray[np.void], old_folder: Path, title: str, classes: MergedClasses | None = None
) -> None:
    """Write rows of a dataset that was read from `old_folder`, with a group, elsewhere; `classes` as above."""
    moved = with_fields(records, {"blob/path": _moved_paths(records, old_folder, path.parent)})
    _write(path, _merged(moved, classes), title)


def _merged(records: NDArray[np.void], classes: MergedClasses | None) -> NDArray[np.void]:
    """With the merged class of each particle and its posterior; the posteriors of all classes stay as they are."""
    if classes is None:
        return records
    number, posterior = classes
    fields = {"class": number - 1, "class_posterior": posterior}
    return with_fields(records, {f"{_POSE_SLOT}/{name}": _stored(values) for name, values in fields.items()})


def _write(path: Path, records: NDArray[np.void], title: str) -> None:
    write_dataset(path, records)
    write_group(path.with_suffix(".csg"), path, records, title, "Particles with poses found by coldstart")


def _records(
    particles: Particles, rows: NDArray[np.int64], source: MrcStackSource, folder: Path, *, invert: bool
) -> NDArray[np.void]:
    """What was known of particles before the run."""
    if particles.records is None:
        return _records_of_table(particles, rows, source, folder, invert=invert)
    records = particles.records[rows]
    return with_fields(records, _paths_beside(records, source, rows, folder))


def _paths_beside(
    records: NDArray[np.void], source: MrcStackSource, rows: NDArray[np.int64], folder: Path
) -> dict[str, NDArray[Any]]:
    """Paths that led from the input's own folder, made to lead from `folder`; none where there are no such paths."""
    marked = np.char.startswith(records["blob/path"], FILE_MARK.encode())
    if not marked.any():
        return {}
    found = np.array([_beside(file, folder) for file in source.paths])[source.path_index[rows]]
    return {"blob/path": np.where(marked, found, records["blob/path"])}


def _moved_paths(records: NDArray[np.void], old: Path, new: Path) -> NDArray[np.bytes_]:
    """Paths of a dataset in the folder `old`, right for one in `new`."""
    distinct, index = distinct_in_order(np.ascontiguousarray(records["blob/path"]))
    mark = FILE_MARK.encode()
    names = [
        _beside(old / name.removeprefix(mark).decode(), new) if name.startswith(mark) else name
        for name in distinct.tolist()
    ]
    return np.array(names)[index]


def _beside(file: Path, folder: Path) -> bytes:
    """How cryoSPARC finds a file from the folder of a group."""
    parent = file.parent.resolve()
    try:
        relative = Path(os.path.relpath(parent, folder.resolve()))
    except ValueError:  # on Windows there is no relative path to another drive
        return os.fsencode((parent / file.name).as_posix())
    return FILE_MARK.encode() + os.fsencode((relative / file.name).as_posix())


def _records_of_table(
    particles: Particles, rows: NDArray[np.int64], source: MrcStackSource, folder: Path, *, invert: bool
) -> NDArray[np.void]:
    """Rows of a STAR file or of a stack as a dataset."""
    stack, image = source.path_index[rows], source.slice_index[rows]
    paths = np.array([_beside(file, folder) for file in source.paths])
    names = np.array([file.name.encode() for file in source.paths])
    box, pixel_size = _sampling(particles, rows, source)
    count = len(rows)
    columns: dict[str, NDArray[Any]] = {
        # Of all particles, so that no two tables of a run give one number to different particles.
        UID: _uids(names, source.path_index, source.slice_index)[rows],
        "blob/path": paths[stack],
        "blob/idx": image.astype(np.uint32),
        "blob/shape": np.stack([box, box], axis=1).astype(np.uint32),
        "blob/psize_A": pixel_size.astype(np.float32),
        "blob/sign": np.full(count, -1.0 if invert else 1.0, np.float32),
        "blob/import_sig": np.zeros(count, np.uint64),
        **_ctf_fields(particles, rows),
    }
    return with_fields(np.empty(count, dtype=[]), columns)


def _sampling(
    particles: Particles, rows: NDArray[np.int64], source: MrcStackSource
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Box and pixel size of the images as they are in their stacks, (M,) each."""
    box = np.array([header.box_px for header in source.headers])[source.path_index[rows]]
    optics, table = particles.optics, particles.table
    if source.treatment is not None and OPTICS_GROUP in table and PIXEL_SIZE in optics and IMAGE_SIZE in optics:
        sizes = numbers(optics, PIXEL_SIZE, particles.name)
        group = _optics_index(particles)[rows]
        return box, sizes[group]
    return box, np.full(len(rows), particles.pixel_size_angstrom)


def _optics_index(particles: Particles) -> NDArray[np.int64]:
    """Row of the optics table that each particle belongs to; 0 where there is none."""
    if OPTICS_GROUP not in particles.table or OPTICS_GROUP not in particles.optics:
        return np.zeros(particles.count, dtype=np.int64)
    defined = numbers(particles.optics, OPTICS_GROUP, particles.name)
    order = np.argsort(defined)
    return order[np.searchsorted(defined[order], numbers(particles.table, OPTICS_GROUP, particles.name))]


def _ctf_fields(particles: Particles, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    if particles.ctf is None:
        return {}
    count = len(rows)
    fields: dict[str, NDArray[Any]] = {
        "ctf/type": np.full(count, b"imported"),
        "ctf/exp_group_id": _optics_index(particles)[rows].astype(np.uint32),
    }
    for name, field in CTF_FIELDS.items():
        values = getattr(particles.ctf, name)[rows]
        fields[field] = (np.deg2rad(values) if field.endswith("_rad") else values).astype(np.float32)
    fields["ctf/scale"] = np.ones(count, np.float32)
    fields["ctf/scale_const"] = np.zeros(count, np.float32)
    # Aberrations stay with the STAR file.
    for field, size in (("shift_A", 2), ("tilt_A", 2), ("trefoil_A", 2), ("tetra_A", 4), ("anisomag", 4)):
        fields[f"ctf/{field}"] = np.zeros((count, size), np.float32)
    return fields


def _half_sets(particles: Particles, rows: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Half set of each row, 0 or 1: the input's where it has them, every second particle's otherwise."""
    given = given_half_sets(particles)
    return np.asarray(rows % 2 if given is None else given[rows] == 2, dtype=np.uint32)


def _uids(names: NDArray[np.bytes_], stack: NDArray[np.int64], image: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Numbers that follow from the name of a stack and the number of an image; one that occurs again gets the next."""
    of_name = np.array(
        [int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "little") for name in names.tolist()],
        dtype=np.uint64,
    )
    uid = of_name[stack] + image.astype(np.uint64) * _ODD
    while len(np.unique(uid)) < len(uid):
        order = np.argsort(uid, kind="stable")
        again = np.zeros(len(uid), dtype=bool)
        again[order[1:]] = uid[order[1:]] == uid[order[:-1]]
        uid[again] += np.uint64(1)
    return uid


def _pose_fields(
    poses: PoseTable, pixel_size: NDArray[np.float32], split: NDArray[np.uint32]
) -> dict[str, NDArray[Any]]:
    """The slot of poses; with several classes also the slot with an entry for each."""
    count = len(poses.particle)
    columns: dict[str, NDArray[Any]] = {
        "split": split,
        "shift": poses.origin_angstrom / pixel_size[:, None].astype(np.float64),
        "pose": matrix_to_rotvec(euler_to_matrix(poses.euler_deg)).reshape(count, 3),
        "psize_A": pixel_size,
        **{name: np.zeros(count) for name in _NOT_COMPUTED},
        "alpha": np.ones(count),
        "alpha_min": np.ones(count),
        "pose_ess": poses.ess,
        "class_posterior": poses.class_posterior.max(axis=1, initial=0.0),
        "class": poses.class_index.astype(np.uint32),
        "class_ess": 1.0 / np.maximum((poses.class_posterior**2).sum(axis=1), 1e-30),
    }
    fields = {f"{_POSE_SLOT}/{name}": _stored(values) for name, values in columns.items()}
    if poses.classes > 1:
        repeated = {name: np.repeat(columns[name][:, None], poses.classes, axis=1) for name in ("pose", "shift")}
        several: dict[str, NDArray[Any]] = {
            "split": split,
            "class_posterior": poses.class_posterior,
            **repeated,
            "psize_A": pixel_size,
        }
        fields |= {f"{_MULTI_SLOT}/{name}": _stored(np.asarray(values)) for name, values in several.items()}
    return fields


def _stored(values: NDArray[Any]) -> NDArray[Any]:
    """Values in the width that cryoSPARC has them in."""
    return values.astype(np.uint32) if values.dtype.kind in "iu" else values.astype(np.float32)
