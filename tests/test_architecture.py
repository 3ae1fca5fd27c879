"""What an import brings along: the engine and the command line never load the GUI, and the package loads little."""

import subprocess
import sys

import pytest

GUI = {"magicgui", "napari", "qtpy"}
HEAVY = {"matplotlib", "pandas", "pyopencl", "scipy"}

IMPORT_ALL_BUT_THE_PLUGIN = """
import importlib
from pathlib import Path
import coldstart
root = Path(coldstart.__file__).parent
for path in sorted(root.rglob("*.py")):
    parts = path.relative_to(root.parent).with_suffix("").parts
    if parts[1] != "plugin" and parts[-1] not in {"__init__", "__main__"}:
        importlib.import_module(".".join(parts))
"""
REPORT_PACKAGES = "\nimport sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"


def _packages_after(code: str) -> set[str]:
    """Names of the top-level packages that a fresh interpreter has loaded after `code`, which prints nothing."""
    done = subprocess.run([sys.executable, "-c", code + REPORT_PACKAGES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1, "an import printed something"
    return set(done.stdout.split())


def test_nothing_but_the_plugin_loads_the_gui() -> None:
    loaded = _packages_after(IMPORT_ALL_BUT_THE_PLUGIN)
    assert "numpy" in loaded
    assert not loaded & GUI


@pytest.mark.parametrize("module", ["coldstart", "coldstart.params", "coldstart.errors"])
def test_the_package_itself_is_light(module: str) -> None:
    assert not _packages_after(f"import {module}") & HEAVY
