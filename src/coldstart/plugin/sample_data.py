"""The set of `coldstart demo` as sample data: simulated once, then kept in the cache folder of the user."""

import os
import shutil
from pathlib import Path

from coldstart import __version__
from coldstart.plugin.readers import LayerData, read_table, volume_layer

_FILES = ("particles.star", "particles.mrcs", "truth.star", "truth.mrc")


def demo_particles() -> list[LayerData]:
    """The images of the demo set, as its table is read."""
    return read_table(demo_folder() / "particles.star")


def demo_map() -> list[LayerData]:
    """The map that the demo set was simulated from."""
    return [volume_layer(demo_folder() / "truth.mrc")]


def demo_folder() -> Path:
    """The folder of the demo set, which is simulated at the first call; the same set each time.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    from coldstart.compute.tuning_cache import cache_folder

    folder = cache_folder() / f"demo-{__version__}"
    if not all((folder / name).is_file() for name in _FILES):
        _simulate(folder)
    return folder


def _simulate(folder: Path) -> None:
    """Write the set beside its place and move it there whole, so that one that was broken off is never used."""
    from napari.utils import progress
    from napari.utils.notifications import show_info

    from coldstart.demo.files import IMAGES, write_demo_set
    from coldstart.errors import OutputError

    show_info(f"Simulating {IMAGES:,} particles, this once: they are kept in {folder}")
    temporary = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True, exist_ok=True)
        with progress(total=0, desc="Simulating particles"):
            write_demo_set(temporary)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.replace(folder)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written: {error.strerror or error}. Set COLDSTART_CACHE to a folder that can."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
