"""Particles out of a cryoSPARC dataset (.cs), which may need a passthrough file beside it, or out of a group (.csg).

cryoSPARC's CTF is RELION's in sign and in its angles, but for radians; its stacks hold dark particles where blob/sign
is -1. The rows are kept whole, so that a dataset of the result has every field that the run did not change.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldstart.errors import ParticleFileError
from coldstart.io.aberrations import aberration_note, tilt_phase
from coldstart.io.cryosparc_files import (
    fields_of,
    joined,
    read_dataset,
    read_group,
    slots,
    without_slots,
)
from coldstart.io.grouping import group_rows
from coldstart.io.image_names import ImagePlaces, distinct_in_order
from coldstart.io.locate import find_stacks, packed_note
from coldstart.io.mrc import MrcStackSource, StackHeader, read_stack_header
from coldstart.io.star_columns import CTF_COLUMNS
from coldstart.io.suffixes import GROUP_SUFFIX, ends_in
from coldstart.io.treatment import ImageKind, one_kind
from coldstart.model.particles import Ctf, Particles
from coldstart.model.resample import ImageGrid

CTF_FIELDS = {
    "defocus_u_angstrom": "ctf/df1_A",
    "defocus_v_angstrom": "ctf/df2_A",
    "defocus_angle_deg": "ctf/df_angle_rad",
    "phase_shift_deg": "ctf/phase_shift_rad",
    "b_factor_angstrom2": "ctf/bfactor",
    "voltage_kv": "ctf/accel_kv",
    "cs_mm": "ctf/cs_mm",
    "amplitude_contrast": "ctf/amp_contrast",
}
"""Field of `Ctf` -> field of a dataset; angles are in radians there."""

_BLOB = ("blob/path", "blob/idx", "blob/shape", "blob/psize_A")
_TYPES: dict[str, tuple[str, tuple[int, ...]]] = {
    "uid": ("iu", ()),
    "blob/path": ("S", ()),
    "blob/idx": ("iu", ()),
    "blob/shape": ("iu", (2,)),
    "blob/psize_A": ("f", ()),
    "blob/sign": ("f", ()),
    "ctf/tilt_A": ("f", (2,)),
}
"""Kinds of number and shapes of the fields that are interpreted, besides those of the CTF."""

_MAY_BE_ABSENT = ("phase_shift_deg", "b_factor_angstrom2")
_ABERRATIONS = {
    "ctf/tilt_A": "beam tilt",
    "ctf/trefoil_A": "trefoil",
    "ctf/tetra_A": "tetrafoil",
    "ctf/anisomag": "anisotropic magnification",
}


@dataclass(frozen=True, slots=True)
class CryosparcTable:
    """Particles of a dataset, whether or not their stacks are there.

    Attributes
    ----------
    path : Path
    records : (rows,) structured array
        Every field of the dataset and of what was joined to it.
    places : ImagePlaces
    kinds : tuple of ImageKind
    kind : (rows,) int64
        Which of `kinds` each row is of.
    ctf : Ctf or None
    notes : tuple of str
    """

    path: Path
    records: NDArray[np.void]
    places: ImagePlaces
    kinds: tuple[ImageKind, ...]
    kind: NDArray[np.int64]
    ctf: Ctf | None
    notes: tuple[str, ...]


def read_cryosparc(
    path: Path,
    *,
    data_root: Path | None = None,
    pixel_size_angstrom: float | None = None,
    use_ctf: bool = True,
    phase_flipped: bool = False,
    resolution_angstrom: float,
) -> tuple[Particles, MrcStackSource]:
    """Read a dataset and open its stacks; arguments, results and errors as in `particle_files.read_particles`."""
    table = read_cryosparc_table(path, pixel_size_angstrom=pixel_size_angstrom, use_ctf=use_ctf)
    files = find_stacks(path, table.places, data_root)
    headers = [read_stack_header(file) for file in files]
    _check_boxes(table, headers)
    kinds = tuple(replace(kind, phase_flipped=phase_flipped) for kind in table.kinds)
    treatment, notes = one_kind(kinds, table.kind, table.ctf)
    source = MrcStackSource(files, table.places.stack, table.places.slice, headers=headers, treatment=treatment)
    grid = table.kinds[0].grid if treatment is None else treatment.grid
    particles = Particles(
        len(table.records),
        source.box_px,
        grid.pixel_size_angstrom,
        table.ctf,
        name=str(path),
        records=table.records,
        notes=(*table.notes, *notes, *_aberration_notes(table.records, resolution_angstrom), *packed_note(headers)),
    )
    return particles, source


def read_cryosparc_table(
    path: Path, *, pixel_size_angstrom: float | None = None, use_ctf: bool = True
) -> CryosparcTable:
    """Read the dataset and what belongs to it; arguments and errors as in `read_cryosparc`."""
    needed = [*_BLOB, *(field for name, field in CTF_FIELDS.items() if use_ctf and name not in _MAY_BE_ABSENT)]
    notes: tuple[str, ...] = ()
    if ends_in(path, (GROUP_SUFFIX,)):
        records = _read_of_group(path)
    else:
        records, notes = _with_passthrough(path, read_dataset(path), needed)
    lacking = [name for name in needed if name not in (records.dtype.names or ())]
    if lacking:
        raise ParticleFileError(
            f"{path} has no field {lacking[0]}, and no passthrough file beside it has it for every particle. Give the "
            "group (.csg) of the particles, or put the passthrough file into its folder."
        )
    _check_types(path, records)
    if not len(records):
        raise ParticleFileError(f"{path} lists no particles. Choose or export the particles again.")
    kinds, kind = _image_kinds(path, records, pixel_size_angstrom)
    ctf = _read_ctf(path, records) if use_ctf else None
    return CryosparcTable(path, records, _places(records), kinds, kind, ctf, notes)


def _read_of_group(path: Path) -> NDArray[np.void]:
    """All slots of a group, joined on uid."""
    files = read_group(path)
    if "blob" not in files:
        raise ParticleFileError(f"{path} has no result blob, which names the images: give a group of particles.")
    needed = {slot: file for slot, file in files.items() if slot in ("blob", "ctf") or file.is_file()}
    datasets = {file: read_dataset(file) for file in dict.fromkeys(needed.values())}
    records = datasets[files["blob"]]
    here = {slot for slot, file in files.items() if file == files["blob"]}
    records = without_slots(records, set(slots(records)) - here)
    for slot, file in needed.items():
        if file == files["blob"]:
            continue
        found = joined(records, datasets[file], fields_of(datasets[file], slot))
        if found is None:
            raise ParticleFileError(
                f"{file} lacks particles of {files['blob']}: the group {path} does not fit together."
            )
        records = found
    return records


def _with_passthrough(
    path: Path, records: NDArray[np.void], needed: list[str]
) -> tuple[NDArray[np.void], tuple[str, ...]]:
    """The records with the fields of a passthrough file in the same folder, where some are needed."""
    have = set(records.dtype.names or ())
    if have.issuperset(needed):
        return records, ()
    for file in sorted(path.parent.glob("*passthrough*.cs")):
        if file == path:
            continue
        other = read_dataset(file)
        names = [name for name in other.dtype.names or () if name not in have]
        found = joined(records, other, names)
        if found is not None and set(found.dtype.names or ()).issuperset(needed):
            return found, (f"Fields that {path.name} lacks were taken from {file.name}, by uid.",)
    return records, ()


def _check_types(path: Path, records: NDArray[np.void]) -> None:
    """Refuse fields that are not of the type that cryoSPARC gives them."""
    expected = _TYPES | dict.fromkeys(CTF_FIELDS.values(), ("f", ()))
    for name in set(expected).intersection(records.dtype.names or ()):
        kinds, shape = expected[name]
        found = records.dtype[name]
        if found.base.kind not in kinds or found.shape != shape:
            raise ParticleFileError(
                f"{path}: the field {name} is of type {found}, not as cryoSPARC has it. Export again."
            )


def _places(records: NDArray[np.void]) -> ImagePlaces:
    distinct, stack = distinct_in_order(np.ascontiguousarray(records["blob/path"]))
    stacks = tuple(name.decode("utf-8", "surrogateescape") for name in distinct.tolist())
    return ImagePlaces(stacks, stack, records["blob/idx"].astype(np.int64))


def _image_kinds(
    path: Path, records: NDArray[np.void], pixel_size: float | None
) -> tuple[tuple[ImageKind, ...], NDArray[np.int64]]:
    """Sampling and sign of the images, and which each row has."""
    names = records.dtype.names or ()
    shape, psize = records["blob/shape"], records["blob/psize_A"]
    bad = np.flatnonzero((shape[:, 0] != shape[:, 1]) | ~(psize > 0) | ~np.isfinite(psize))
    if len(bad):
        row = int(bad[0])
        raise ParticleFileError(
            f"{path}, row {row + 1}: images of {shape[row].tolist()} px with pixels of {psize[row]:g} Å. "
            "They must be square, with a pixel size; export the particles again."
        )
    columns = [shape[:, 0], psize]
    columns += [records["blob/sign"]] if "blob/sign" in names else []
    kind, first = group_rows(columns, len(records))
    kinds = []
    for row in first.tolist():
        size = float(psize[row]) if pixel_size is None else pixel_size
        sign = -1.0 if "blob/sign" in names and records["blob/sign"][row] < 0 else 1.0
        kinds.append(ImageKind(ImageGrid(int(shape[row, 0]), size), sign))
    return tuple(kinds), kind


def _read_ctf(path: Path, records: NDArray[np.void]) -> Ctf:
    values: dict[str, NDArray[np.float64]] = {}
    for column in CTF_COLUMNS:
        name = CTF_FIELDS.get(column.field)
        if name is None or name not in (records.dtype.names or ()):
            values[column.field] = np.full(len(records), column.default or 0.0)
            continue
        found = records[name].astype(np.float64)
        low, high = column.limits
        bad = np.flatnonzero(~np.isfinite(found) | (found < low) | (found > high))
        if len(bad):
            raise ParticleFileError(
                f"{path}, row {bad[0] + 1}: {name} is {found[bad[0]]:g}, but must be a number from {low:g} to {high:g} "
                f"{column.unit}. Estimate the CTF again, or remove that particle."
            )
        values[column.field] = np.rad2deg(found) if name.endswith("_rad") else found
    return Ctf(**values)


def _check_boxes(table: CryosparcTable, headers: list[StackHeader]) -> None:
    stated = np.array([kind.grid.box_px for kind in table.kinds])[table.kind]
    found = np.array([header.box_px for header in headers])[table.places.stack]
    bad = np.flatnonzero(stated != found)
    if len(bad):
        row = int(bad[0])
        raise ParticleFileError(
            f"{table.path}, row {row + 1}: blob/shape is {stated[row]} px, but the images of "
            f"{headers[table.places.stack[row]].path} are {found[row]} px. "
            "The table and the stack do not belong together: find the stack that the table was written for."
        )


def _aberration_notes(records: NDArray[np.void], resolution_angstrom: float) -> tuple[str, ...]:
    found = [name for name in _ABERRATIONS if name in (records.dtype.names or ()) and records[name].any()]
    phase = 0.0
    if "ctf/tilt_A" in found:
        shift = float(np.hypot(*records["ctf/tilt_A"].T.astype(np.float64)).max())
        voltage = float(records["ctf/accel_kv"].min())
        phase = float(tilt_phase(shift, voltage, 1.0 / resolution_angstrom))
    return aberration_note([_ABERRATIONS[name] for name in found], phase, resolution_angstrom)
