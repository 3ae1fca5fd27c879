"""What `coldstart devices --tune` has measured, kept in a file of the user's cache folder.

An entry belongs to a platform, a device, a driver and the text of the kernels: a change of any of them ends its use.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs

from coldstart.compute.device import DeviceInfo
from coldstart.compute.program import kernel_source
from coldstart.errors import OutputError

MEASURED = ("vector_width", "score_rows", "chunk")
"""The fields of `Tuning` that are measured."""

TUNED_KERNELS = ("backproject.cl", "cells.cl", "score.cl")


def cache_folder() -> Path:
    """COLDSTART_CACHE, or `coldstart` in the user's cache folder (XDG_CACHE_HOME, %LOCALAPPDATA%, ~/Library/Caches)."""
    chosen = os.environ.get("COLDSTART_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("coldstart", appauthor=False))


def tuning_file() -> Path:
    """Where measured tunings are kept."""
    return cache_folder() / "tuning.json"


def read_measured(info: DeviceInfo) -> dict[str, int] | None:
    """The values measured on a device, by the names in MEASURED; None without an entry that is still valid.

    A damaged file is ignored, with a warning.
    """
    entries = _read_entries()
    if not entries:
        return None
    key = _key(info)
    for entry in entries:
        if all(entry[name] == value for name, value in key.items()):
            return {name: entry[name] for name in MEASURED}
    return None


def write_measured(info: DeviceInfo, values: Mapping[str, int]) -> Path:
    """Keep the values measured on a device in place of those of an earlier driver or other kernels; returns the file.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    path, key = tuning_file(), _key(info)
    others = [e for e in _read_entries() if (e["platform"], e["device"]) != (key["platform"], key["device"])]
    text = json.dumps({"tunings": [*others, {**key, **values}]}, indent=2) + "\n"
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror or error}. Set COLDSTART_CACHE to a folder that can."
        ) from error
    return path


def _key(info: DeviceInfo) -> dict[str, str]:
    sources = "".join(kernel_source(file) for file in TUNED_KERNELS)
    return {
        "platform": info.platform,
        "device": info.name,
        "driver": info.driver,
        "kernels": hashlib.sha256(sources.encode()).hexdigest(),
    }


def _read_entries() -> list[dict[str, Any]]:
    path = tuning_file()
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, UnicodeDecodeError) as error:
        return _ignored(path, str(error))
    try:
        entries = json.loads(text)["tunings"]
    except (ValueError, KeyError, TypeError) as error:
        return _ignored(path, f"{type(error).__name__}: {error}")
    if not isinstance(entries, list) or not all(map(_is_entry, entries)):
        return _ignored(path, "an entry lacks a field, or has one of another type")
    return entries


def _is_entry(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and all(isinstance(entry.get(name), str) for name in ("platform", "device", "driver", "kernels"))
        and all(type(entry.get(name)) is int for name in MEASURED)
    )


def _ignored(path: Path, why: str) -> list[dict[str, Any]]:
    warnings.warn(
        f"{path} is damaged ({why}) and ignored: devices run with their presets. "
        "Delete it, or tune again: coldstart devices --tune",
        stacklevel=2,
    )
    return []
