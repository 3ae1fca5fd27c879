"""The manifest: valid, its commands there, and nothing heavy imported for them."""

import importlib
import subprocess
import sys
from pathlib import Path

import npe2
import pytest

from coldstart.io.suffixes import MAP_SUFFIXES, PARTICLE_SUFFIXES

WIDGET = "coldstart.plugin.widget"
LIGHT = """
import sys, importlib
for name in {modules!r}:
    importlib.import_module(name)
print(*sorted({{"pyopencl", "scipy", "matplotlib", "pandas", "mrcfile", "dask"}} & set(sys.modules)))
"""


@pytest.fixture(scope="module")
def manifest(repository: Path) -> npe2.PluginManifest:
    return npe2.PluginManifest.from_file(repository / "napari.yaml")


def test_the_manifest_is_valid(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "npe2", "validate", str(repository / "napari.yaml")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_command_is_there(manifest: npe2.PluginManifest) -> None:
    for command in manifest.contributions.commands or ():
        module, _, name = command.python_name.partition(":")
        assert callable(getattr(importlib.import_module(module), name)), command.id


def test_importing_the_commands_is_light(manifest: npe2.PluginManifest) -> None:
    modules = {command.python_name.partition(":")[0] for command in manifest.contributions.commands or ()}
    assert heavy_after(modules - {WIDGET}) == set()


def test_importing_the_widget_brings_what_napari_brings_and_readers_of_files() -> None:
    assert not heavy_after({WIDGET, "coldstart.plugin.results"}) & {"pyopencl", "matplotlib"}


def heavy_after(modules: set[str]) -> set[str]:
    """Heavy packages that a fresh interpreter has loaded after these modules."""
    code = LIGHT.format(modules=sorted(modules))
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_every_file_that_is_read_is_offered_to_the_reader(manifest: npe2.PluginManifest) -> None:
    (reader,) = manifest.contributions.readers or ()
    assert set(reader.filename_patterns) == {f"*{suffix}" for suffix in (*PARTICLE_SUFFIXES, *MAP_SUFFIXES)}
    assert reader.accepts_directories
