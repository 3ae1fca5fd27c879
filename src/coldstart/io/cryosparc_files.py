"""cryoSPARC's files as they are: datasets (.cs), a row a particle, and groups (.csg), which say what belongs together.

A dataset is a structured array of NumPy, with fields `slot/name` such as blob/path, and one field without a slot: uid,
which tells particles apart. cryoSPARC saves it as NumPy does, or as a compressed stream, which cryosparc-tools reads.
"""

import tokenize
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from coldstart.errors import ParticleFileError
from coldstart.io.files import atomic_path, write_text_atomically

UID = "uid"
FILE_MARK = ">"
"""Before the name of a file that is found from the folder of the file that names it."""

_NUMPY_START = b"\x93NUMPY"
_STREAM_START = b"\x95CSDAT"
_LARGEST_HEADER = 2**24
_BAD_HEADER = (ValueError, EOFError, SyntaxError, tokenize.TokenError, TypeError, KeyError, OverflowError)
"""What NumPy raises on a header, which it reads as a Python expression."""
# A re-run must give the same bytes, so that a group cannot hold the time of day.
_CREATED = "1980-01-01 00:00:00.000000"
_VERSION = "v4.5.0"


def read_dataset(path: Path) -> NDArray[np.void]:
    """Read a dataset, in either format.

    Returns
    -------
    (rows,) structured array
        With the field uid.

    Raises
    ------
    ParticleFileError
        If the file is missing, no dataset, or of the compressed format while cryosparc-tools is not installed.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise ParticleFileError(f"{path} {what}: give the path of a cryoSPARC dataset (.cs) or group (.csg).")
    try:
        with path.open("rb") as stream:
            start = stream.read(len(_NUMPY_START))
        if start == _STREAM_START:
            records = _read_stream(path)
        elif start == _NUMPY_START:
            records = np.load(path, allow_pickle=False, max_header_size=_LARGEST_HEADER)
        else:
            raise ParticleFileError(f"{path} is no cryoSPARC dataset: it begins with {start!r}. Export it again.")
    except (OSError, MemoryError, *_BAD_HEADER) as error:
        raise ParticleFileError(f"{path} cannot be read as a cryoSPARC dataset: {error}. Copy it again.") from error
    if records.ndim != 1 or records.dtype.names is None or UID not in records.dtype.names:
        raise ParticleFileError(f"{path} is no cryoSPARC dataset: it has no field {UID}. Give a .cs file of particles.")
    return np.asarray(records)


def write_dataset(path: Path, records: NDArray[np.void]) -> None:
    """Write a dataset in NumPy's format, which every version of cryoSPARC reads.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, records, allow_pickle=False)


def read_group(path: Path) -> dict[str, Path]:
    """The dataset that each slot of a group is in.

    Raises
    ------
    ParticleFileError
        If the file is no group of particles.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ParticleFileError(f"{path} cannot be read as a cryoSPARC group: {error}.") from error
    results = content.get("results") if isinstance(content, Mapping) else None
    if not isinstance(results, Mapping) or not results:
        raise ParticleFileError(f"{path} is no cryoSPARC group: it lists no results. Export the particles again.")
    files = {}
    for slot, entry in results.items():
        name = entry.get("metafile") if isinstance(entry, Mapping) else None
        if not isinstance(name, str):
            raise ParticleFileError(f"{path}: the result {slot} names no metafile. Export the particles again.")
        files[str(slot)] = path.parent / name.removeprefix(FILE_MARK)
    return files


def write_group(path: Path, dataset: Path, records: NDArray[np.void], title: str, description: str) -> None:
    """Write the group of one dataset beside it, for cryoSPARC's job Import Result Group.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    entry: dict[str, Any] = {"metafile": f"{FILE_MARK}{dataset.name}", "num_items": len(records)}
    content = {
        "created": _CREATED,
        "group": {"description": description, "name": "particles", "title": title, "type": "particle"},
        "results": {slot: {**entry, "type": f"particle.{slot}"} for slot in slots(records)},
        "version": _VERSION,
    }
    write_text_atomically(path, yaml.safe_dump(content, sort_keys=False))


def slots(records: NDArray[np.void]) -> tuple[str, ...]:
    """Slots of a dataset, in alphabetical order."""
    return tuple(sorted({name.partition("/")[0] for name in records.dtype.names or () if "/" in name}))


def fields_of(records: NDArray[np.void], slot: str) -> list[str]:
    """Fields of a slot."""
    return [name for name in records.dtype.names or () if name.startswith(f"{slot}/")]


def joined(records: NDArray[np.void], other: NDArray[np.void], names: list[str]) -> NDArray[np.void] | None:
    """The records with fields of another dataset, which has the particles in any order; None where it lacks one."""
    order = np.argsort(other[UID], kind="stable")
    found = np.searchsorted(other[UID], records[UID], sorter=order)
    rows = order[np.minimum(found, len(order) - 1)] if len(order) else np.zeros(0, dtype=np.int64)
    if len(rows) != len(records) or not np.array_equal(other[UID][rows], records[UID]):
        return None
    return with_fields(records, {name: other[name][rows] for name in names})


def with_fields(records: NDArray[np.void], columns: Mapping[str, NDArray[Any]]) -> NDArray[np.void]:
    """The records with these fields in the places of those of the same name, or at the end."""
    merged = {name: records[name] for name in records.dtype.names or ()} | dict(columns)
    out = np.empty(len(records), dtype=[(name, values.dtype, values.shape[1:]) for name, values in merged.items()])
    for name, values in merged.items():
        out[name] = values
    return out


def without_slots(records: NDArray[np.void], left_out: Collection[str]) -> NDArray[np.void]:
    """The records without the fields of some slots."""
    names = [name for name in records.dtype.names or () if name.partition("/")[0] not in left_out]
    return with_fields(records[names], {})


def _read_stream(path: Path) -> NDArray[np.void]:
    try:
        from cryosparc.dataset import Dataset
        from cryosparc.errors import DatasetLoadError
    except ImportError as error:
        raise ParticleFileError(
            f"{path} is in cryoSPARC's compressed format, which the package cryosparc-tools reads: install it with "
            'pip install "napari-coldstart[cryosparc]", or save the dataset in the default format.'
        ) from error
    try:
        return np.asarray(Dataset.load(path).to_records(fixed=True)).view(np.ndarray)
    except DatasetLoadError as error:
        raise ParticleFileError(f"{path} cannot be read as a cryoSPARC dataset: {error}. Copy it again.") from error
