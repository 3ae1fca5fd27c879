"""Build hook: an editable install reads the package from src/, so link the two top-level assets into it.

Wheels take `napari.yaml` and `kernels/` by force-include (pyproject.toml) and need no link.
"""

import os
import shutil
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LINKS = {"napari.yaml": "src/coldstart/napari.yaml", "kernels": "src/coldstart/kernels"}


class CustomBuildHook(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel" or version != "editable":
            return
        root = Path(self.root)
        for source, target in LINKS.items():
            _link(root / source, root / target)


def _link(source: Path, target: Path) -> None:
    """Make `target` a relative link to `source`, or a copy where links are not permitted."""
    _remove(target)
    try:
        target.symlink_to(os.path.relpath(source, target.parent), target_is_directory=source.is_dir())
    except OSError:  # Windows without the symlink privilege: install again after editing an asset
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        copy(source, target)


def _remove(target: Path) -> None:
    if target.is_symlink() or target.is_file():
        target.unlink()
    elif target.is_dir():
        shutil.rmtree(target)
