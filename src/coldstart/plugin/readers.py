"""Files into layers: maps, stacks of images, particle tables, and run folders.

`get_reader` looks at names and at the first bytes alone; what is not ours gives None at once. Stacks stay on disk: a
layer reads the images that are looked at. They get an axis of one voxel behind the images' own, so that a stack is a
series of planes beside a map, and never a volume to be rendered whole.
"""

import gzip
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from coldstart.io.suffixes import GROUP_SUFFIX, MAP_SUFFIXES, PACKED_SUFFIX, STACK_SUFFIXES, TABLE_SUFFIXES, ends_in

if TYPE_CHECKING:
    from coldstart.io.mrc import MrcStackSource

LayerData = tuple[Any, dict[str, Any], str]
Reader = Callable[[str | Sequence[str]], list[LayerData] | list[tuple[None]]]

_HEADER_BYTES = 1024
# Labels stand before the rows, and an optics table has few rows.
_TABLE_START_BYTES = 2**18
_IMAGE_LABEL = b"_rlnImageName"
_DATASET_STARTS = (b"\x93NUMPY", b"\x95CSDAT")
_GROUP_WORD = b"results"
_CHUNK_BYTES = 2**22
_SAMPLED_IMAGES = 16


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """The function that reads a path, if it is one of ours; None otherwise, and for several paths at once."""
    if not isinstance(path, str):
        if len(path) != 1:
            return None
        path = path[0]
    file = Path(path)
    if file.is_dir():
        from coldstart.io.opened_run import is_run_folder
        from coldstart.io.run_parts import holds_runs

        return _reader(read_run) if is_run_folder(file) or holds_runs(file) else None
    if ends_in(file, TABLE_SUFFIXES):
        return _reader(read_table) if _may_list_particles(file) else None
    if ends_in(file, (*STACK_SUFFIXES, *MAP_SUFFIXES)) and _may_be_mrc(file):
        return _reader(read_mrc)
    return None


def read_mrc(path: Path) -> list[LayerData]:
    """A map, or a stack of images: what an .mrc file holds its header says.

    Raises
    ------
    ParticleFileError
        If the file cannot be read.
    """
    from coldstart.io.mrc import holds_images

    may_be_map, may_be_stack = ends_in(path, MAP_SUFFIXES), ends_in(path, STACK_SUFFIXES)
    if may_be_stack and (not may_be_map or holds_images(path)):
        return [stack_layer(path)]
    layer = volume_layer(path)
    _prepare_empty_viewer()
    return [layer]


def volume_layer(path: Path) -> LayerData:
    """A map to scale in Å, or in voxels where the header does not say; its values stay as they are."""
    from coldstart.io.mrc import read_map
    from coldstart.plugin.map_layer import CONTRAST_SIGMA, GREY_SCALE_KEY, grey_scale, map_layer

    volume, voxel_size = read_map(path)
    _, keywords, kind = map_layer(volume, voxel_size or 1.0, _stem(path), metadata={"path": str(path)})
    del keywords["metadata"][GREY_SCALE_KEY]
    mean, sigma = grey_scale(volume)
    keywords["contrast_limits"] = tuple(mean + sigma * limit for limit in CONTRAST_SIGMA)
    keywords["iso_threshold"] = mean + sigma * keywords["iso_threshold"]
    return volume, keywords, kind


def stack_layer(path: Path) -> LayerData:
    """Every image of a stack, read when it is looked at."""
    from coldstart.io.mrc import MrcStackSource, read_stack_header

    count = read_stack_header(path).count
    rows = np.arange(count, dtype=np.int64)
    source = MrcStackSource([path], np.zeros_like(rows), rows)
    return images_layer(source, count, source.pixel_size_angstrom or 1.0, path)


def read_table(path: Path) -> list[LayerData]:
    """The images of a particle table in its order, and their viewing directions where it has poses.

    Raises
    ------
    ParticleFileError
        If the table or a stack cannot be read.
    """
    from coldstart.io.particle_files import read_particles
    from coldstart.io.particle_table import table_of
    from coldstart.plugin.particle_layer import direction_layer, shown_rows

    particles, source = read_particles(path, use_ctf=False)
    layers = [images_layer(source, particles.count, particles.pixel_size_angstrom, path)]
    table = table_of(particles, path)
    if table.euler_deg is not None:
        layers.append(
            direction_layer(table, shown_rows(table.count), particles.box_angstrom, f"{_stem(path)} directions")
        )
    return layers


def read_run(path: Path) -> list[LayerData] | list[tuple[None]]:
    """Show a run with its panel in the current viewer, once it is loaded; its layers alone where there is no viewer.

    Raises
    ------
    ColdstartError
        If nothing of the run can be read.
    """
    from napari import current_viewer

    from coldstart.plugin.results import run_layers, show_run_soon

    viewer = current_viewer()
    if viewer is None:
        return run_layers(path)
    show_run_soon(viewer, path)
    return [(None,)]


def images_layer(source: "MrcStackSource", count: int, pixel_size_angstrom: float, path: Path) -> LayerData:
    """Images of a source as a lazy layer (count, 1, box, box), with the contrast of the first ones."""
    from coldstart.plugin.map_layer import METADATA_KEY

    first = source.peek(np.arange(min(count, _SAMPLED_IMAGES)))
    keywords = {
        "name": _stem(path),
        "scale": (1.0, *(pixel_size_angstrom,) * 3),
        "units": ("pixel", *("angstrom",) * 3),
        "axis_labels": ("image", "z", "y", "x"),
        "contrast_limits": _contrast(first),
        "colormap": "gray",
        "metadata": {METADATA_KEY: {"particles_path": str(path)}},
    }
    return lazy_images(source, count), keywords, "image"


def lazy_images(source: "MrcStackSource", count: int) -> Any:
    """The images of a source as a dask array, (count, 1, box, box) float32; it reads a few megabytes at a time."""
    import dask.array as da

    box = source.box_px
    a_chunk = max(1, _CHUNK_BYTES // (4 * box**2))
    chunks = tuple(min(a_chunk, count - start) for start in range(0, count, a_chunk))

    def read(block_info: Any) -> NDArray[np.float32]:
        first, end = block_info[None]["array-location"][0]
        return source.peek(np.arange(first, end, dtype=np.int64))[:, None]

    shape = (chunks, (1,), (box,), (box,))
    # A `meta` keeps dask from reading a chunk to learn its type.
    blank = np.empty((0, 0, 0, 0), np.float32)
    return da.map_blocks(read, chunks=shape, dtype=np.float32, meta=blank)  # type: ignore[no-untyped-call]


def _prepare_empty_viewer() -> None:
    """Show the first map of a viewer in three dimensions and with the right hand."""
    from napari import current_viewer

    from coldstart.plugin.viewer_setup import prepare_viewer

    viewer = current_viewer()
    if viewer is not None and not viewer.layers:
        prepare_viewer(viewer)


def _contrast(images: NDArray[np.float32]) -> tuple[float, float]:
    """Three standard deviations around the mean; from 0 to 1 where there is nothing to see."""
    values = images[np.isfinite(images)]
    mean, deviation = (float(values.mean()), float(values.std())) if values.size else (0.5, 0.0)
    return (mean - 3.0 * deviation, mean + 3.0 * deviation) if deviation > 0.0 else (mean - 0.5, mean + 0.5)


def _reader(read: Callable[[Path], Any]) -> Reader:
    """A reader whose errors a viewer shows as messages, without a traceback."""

    def read_path(path: str | Sequence[str]) -> Any:
        from napari import current_viewer

        from coldstart.errors import ColdstartError
        from coldstart.plugin.notify import tell_error

        try:
            return read(Path(path if isinstance(path, str) else path[0]))
        except ColdstartError as error:
            if current_viewer() is None:
                raise
            tell_error(str(error))
            return [(None,)]

    return read_path


def _may_be_mrc(path: Path) -> bool:
    """Whether the file is long enough, and its mode and dimensions are such as an MRC file may have."""
    start = _start(path, _HEADER_BYTES)
    if len(start) < _HEADER_BYTES:
        return False
    for order in ("<i4", ">i4"):
        nx, ny, nz, mode = np.frombuffer(start, order, 4).tolist()
        if min(nx, ny, nz) > 0 and max(nx, ny, nz) < 2**24 and 0 <= mode <= 12:
            return True
    return False


def _may_list_particles(path: Path) -> bool:
    if ends_in(path, (".cs",)):
        return _start(path, 6) in _DATASET_STARTS
    if ends_in(path, (GROUP_SUFFIX,)):
        return _GROUP_WORD in _start(path, _TABLE_START_BYTES)
    return _IMAGE_LABEL in _start(path, _TABLE_START_BYTES)


def _stem(path: Path) -> str:
    """A name without its endings."""
    return Path(path.stem).stem if ends_in(path, (PACKED_SUFFIX,)) else path.stem


def _start(path: Path, count: int) -> bytes:
    """The first bytes of a file, or of what it holds where it is compressed."""
    try:
        with gzip.open(path) if ends_in(path, (PACKED_SUFFIX,)) else path.open("rb") as stream:
            return stream.read(count)
    except (OSError, EOFError, zlib.error):
        return b""
