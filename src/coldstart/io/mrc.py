"""MRC stacks and maps, through mrcfile.

Files are opened permissively, since programs of the field write headers that bend the standard (no map identifier, a
zero machine stamp). A stack is described by its header alone; its pixels are read in batches through a memory map
that lives no longer than the batch, so that memory use does not grow with the stack. Stacks compressed with gzip are
unpacked first.
"""

import gzip
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import mrcfile
import numpy as np
from mrcfile.utils import data_dtype_from_header, spacegroup_is_volume_stack
from numpy.typing import NDArray

from coldstart.errors import ParticleFileError
from coldstart.io.files import atomic_path
from coldstart.io.treatment import Treatment
from coldstart.io.unpack import UnpackedFiles, is_packed

_HEADER_BYTES = 1024
_IMAGE_MODES = (0, 1, 2, 6, 12)
_BYTE_ORDERS: tuple[Literal["little", "big"], ...] = ("little", "big")
_BZIP2_START = b"BZ"
_LARGEST_EXTENDED_HEADER = 2**26
_LABEL = b"Written by coldstart"


@dataclass(frozen=True, slots=True)
class StackHeader:
    """Where the images of a stack lie in its file.

    Attributes
    ----------
    count, box_px : int
        Number of images, and side of the square images.
    pixel_size_angstrom : float
        As the header says; 0 where it does not.
    dtype : numpy.dtype
        Of the pixels in the file, with their byte order.
    offset : int
        Byte at which the first image begins, once unpacked.
    is_packed : bool
        Whether the file is compressed with gzip.
    """

    path: Path
    count: int
    box_px: int
    pixel_size_angstrom: float
    dtype: np.dtype[Any]
    offset: int
    is_packed: bool = False

    @property
    def end(self) -> int:
        """Least length of the unpacked file in bytes."""
        return self.offset + self.count * self.box_px**2 * self.dtype.itemsize

    def open(self, file: Path | None = None) -> NDArray[Any]:
        """Map the images into memory, (count, box, box), read only; `file` is the unpacked copy, if that is needed.

        Raises
        ------
        ParticleFileError
            If the file is no longer what its header was read from.
        """
        shape = (self.count, self.box_px, self.box_px)
        try:
            return np.memmap(file or self.path, dtype=self.dtype, mode="r", offset=self.offset, shape=shape)
        except (OSError, ValueError) as error:
            reason = (isinstance(error, OSError) and error.strerror) or error
            raise ParticleFileError(
                f"{self.path} cannot be read any more: {reason}. Has it been moved, or its disk been disconnected?"
            ) from error


def find_stack(path: Path) -> Path | None:
    """Return this stack's file, if need be under the other of the extensions .mrcs and .mrc, or packed; or None."""
    if not path.name:  # the name of a folder: "/", "."
        return None
    other = {".mrcs": ".mrc", ".mrc": ".mrcs"}.get(path.suffix.lower())
    candidates = [path] if other is None else [path, path.with_suffix(other)]
    candidates += [candidate.with_name(candidate.name + ".gz") for candidate in candidates]
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def read_stack_header(path: Path) -> StackHeader:
    """Describe a stack from its header and the length of its file, without reading pixels.

    Raises
    ------
    ParticleFileError
        If the file is missing, no MRC file, truncated, of a mode that holds no images, or its images are not square
        with an even side.
    """
    header, file_bytes, packed = _read_header(path)
    columns, rows, count = int(header.nx), int(header.ny), int(header.nz)
    if columns != rows or columns < 2 or columns % 2:
        raise ParticleFileError(
            f"{path}: the images are {columns} x {rows} px, but must be square with an even side. "
            "Extract the particles again with an even box, or crop them."
        )
    dtype = data_dtype_from_header(header)
    offset = _HEADER_BYTES + int(header.nsymbt)
    found = StackHeader(path, count, columns, _voxel_size(header), dtype, offset, packed)
    if not packed:
        _check_length(found, file_bytes)
    return found


def _check_length(header: StackHeader, file_bytes: int) -> None:
    if file_bytes < header.end:
        whole = max(0, file_bytes - header.offset) // (header.box_px**2 * header.dtype.itemsize)
        raise ParticleFileError(
            f"{header.path} is truncated: its header promises {header.count} images, "
            f"the file holds {whole} whole ones. Copy the file again from where it came from."
        )


class MrcStackSource:
    """Images out of one or many stacks, by particle row; an `ImageSource`.

    Parameters
    ----------
    paths : sequence of Path
        The stacks.
    path_index : (N,) int
        Which of `paths` each particle row is in.
    slice_index : (N,) int
        0-based number of the image in its stack.
    headers : sequence of StackHeader, optional
        Of the stacks, where they are known already.
    treatment : Treatment, optional
        What is done to the images of each row as they are read.

    Raises
    ------
    ParticleFileError
        If a stack is missing, truncated or not readable, a row asks for an image beyond its stack, or the boxes
        differ without a treatment that makes them one. Only headers are read to find out.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        path_index: NDArray[np.int64],
        slice_index: NDArray[np.int64],
        *,
        headers: Sequence[StackHeader] | None = None,
        treatment: Treatment | None = None,
    ) -> None:
        self.paths = tuple(paths)
        self.path_index = np.asarray(path_index, dtype=np.int64)
        self.slice_index = np.asarray(slice_index, dtype=np.int64)
        self.headers = tuple(headers or (read_stack_header(path) for path in self.paths))
        self.treatment = treatment
        self._unpacked = UnpackedFiles()
        self._row_numbers: NDArray[np.int64] | None = None
        if treatment is None:
            self._check_boxes()
        self._check_indices()

    @property
    def box_px(self) -> int:
        """Side of the images as they are read."""
        return self.headers[0].box_px if self.treatment is None else self.treatment.grid.box_px

    @property
    def pixel_size_angstrom(self) -> float:
        """Pixel size in the header of the first stack; 0 where it does not say."""
        return self.headers[0].pixel_size_angstrom

    def take(self, rows: NDArray[np.int64]) -> "MrcStackSource":
        """The same stacks for some of the particles; messages go on to name the rows of all."""
        treatment = None if self.treatment is None else self.treatment.take(rows)
        taken = MrcStackSource(
            self.paths, self.path_index[rows], self.slice_index[rows], headers=self.headers, treatment=treatment
        )
        taken._row_numbers = rows if self._row_numbers is None else self._row_numbers[rows]
        return taken

    def origins_in_stacks(self, origin_angstrom: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Origins (M, 2) in Å of the images of these rows, as they are in the stacks before any treatment."""
        if self.treatment is None:
            return origin_angstrom
        return self.treatment.origins_in_stacks(origin_angstrom, rows)

    def origins_as_read(self, origin_angstrom: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """The way back: origins (M, 2) in Å in the stacks as those of the images as they are read."""
        if self.treatment is None:
            return origin_angstrom
        return self.treatment.origins_as_read(origin_angstrom, rows)

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Images of these particle rows.

        Parameters
        ----------
        rows : (M,) int64
            In any order, repeats allowed.

        Returns
        -------
        (M, box, box) float32, [y, x]

        Raises
        ------
        ParticleFileError
            If an image holds values that are not finite, or a single value throughout.
        """
        return self._read(rows, checked=True)

    def peek(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The same images, whatever values they hold: for looking at."""
        return self._read(rows, checked=False)

    def _read(self, rows: NDArray[np.int64], *, checked: bool) -> NDArray[np.float32]:
        rows = np.asarray(rows, dtype=np.int64)
        images = np.empty((len(rows), self.box_px, self.box_px), dtype=np.float32)
        for stack in np.unique(self.path_index[rows]):
            places = np.flatnonzero(self.path_index[rows] == stack)
            # Ascending file order, so that a disk is read in one direction.
            places = places[np.argsort(self.slice_index[rows[places]], kind="stable")]
            found = self._read_stack(self.headers[stack], rows[places], checked=checked)
            images[places] = found if self.treatment is None else self.treatment.treat(found, rows[places])
        return images

    def _read_stack(self, header: StackHeader, rows: NDArray[np.int64], *, checked: bool) -> NDArray[np.float32]:
        """Images of these rows, which are all of one stack, as they are in the file."""
        file = None
        if header.is_packed:
            file = self._unpacked.file(header.path)
            _check_length(header, file.stat().st_size)
        mapped = header.open(file)
        images = np.asarray(mapped[self.slice_index[rows]], dtype=np.float32)
        # Pages of a map count as memory of this process for as long as the map lives.
        del mapped
        if checked:
            self._check_pixels(rows, images)
        return images

    def _check_boxes(self) -> None:
        for header in self.headers:
            if header.box_px != self.box_px:
                raise ParticleFileError(
                    f"{header.path} has a box of {header.box_px} px, {self.paths[0]} one of {self.box_px} px. "
                    "All particles must have one box: extract them again, or run each box by itself."
                )

    def _check_indices(self) -> None:
        counts = np.array([header.count for header in self.headers])[self.path_index]
        beyond = np.flatnonzero((self.slice_index < 0) | (self.slice_index >= counts))
        if len(beyond):
            row = int(beyond[0])
            raise ParticleFileError(
                f"particle row {row + 1} asks for image {self.slice_index[row] + 1} of "
                f"{self.paths[self.path_index[row]]}, which has {counts[row]} images. "
                "The table and the stack do not belong together: find the stack that the table was written for."
            )

    def _check_pixels(self, rows: NDArray[np.int64], images: NDArray[np.float32]) -> None:
        lowest, highest = images.min(axis=(1, 2)), images.max(axis=(1, 2))
        # A NaN or an infinity anywhere in an image shows in its extremes.
        broken = ~np.isfinite(lowest) | ~np.isfinite(highest)
        blank = lowest == highest
        for bad, what in (
            (broken, "holds values that are not finite (NaN or infinity)"),
            (blank, "is blank: every pixel has the same value"),
        ):
            if bad.any():
                row = int(rows[np.flatnonzero(bad)[0]])
                number = 1 + (row if self._row_numbers is None else int(self._row_numbers[row]))
                raise ParticleFileError(
                    f"{self.paths[self.path_index[row]]}, image {self.slice_index[row] + 1} (particle row {number}) "
                    f"{what}. Remove that particle from the table, or extract it again."
                )


def holds_images(path: Path) -> bool:
    """Whether a file's header is that of images rather than of a map: flat, or no cube and marked as a stack.

    Raises
    ------
    ParticleFileError
        If the file is missing or no MRC file.
    """
    header, _, _ = _read_header(path)
    sides = {int(header.nx), int(header.ny), int(header.nz)}
    return int(header.nz) == 1 or (len(sides) > 1 and int(header.ispg) == 0)


def read_map(path: Path) -> tuple[NDArray[np.float32], float]:
    """Read a map, which may be compressed with gzip, as those of the EMDB are.

    Returns
    -------
    volume : (nz, ny, nx) float32, [z, y, x]
    voxel_size_angstrom : float
        As the header says; 0 where it does not.

    Raises
    ------
    ParticleFileError
        If the file is missing, no MRC file, truncated, or holds no single map.
    """
    header, _, packed = _read_header(path)
    shape = (int(header.nz), int(header.ny), int(header.nx))
    dtype = data_dtype_from_header(header)
    offset = _HEADER_BYTES + int(header.nsymbt)
    content = _unpacked(path) if packed else np.memmap(path, mode="r")
    values = content[offset : offset + int(np.prod(shape)) * dtype.itemsize]
    if values.size < int(np.prod(shape)) * dtype.itemsize:
        raise ParticleFileError(
            f"{path} is truncated: its header promises {shape[2]} x {shape[1]} x {shape[0]} voxels."
        )
    return np.array(values.view(dtype).reshape(shape), dtype=np.float32), _voxel_size(header)


def _unpacked(path: Path) -> NDArray[np.uint8]:
    """The bytes of a file that is compressed with gzip."""
    try:
        with gzip.open(path) as stream:
            return np.frombuffer(stream.read(), dtype=np.uint8)
    except (OSError, EOFError, zlib.error) as error:
        raise ParticleFileError(f"{path} is damaged: {error}. Copy it again from where it came from.") from error


def write_map(path: Path, volume: NDArray[np.float32], pixel_size_angstrom: float) -> None:
    """Write a map, mode 2, with its voxel size, origin 0 and statistics; the same map gives the same bytes.

    Parameters
    ----------
    path : Path
        Appears whole, or not at all.
    volume : (nz, ny, nx) float32, [z, y, x]
    pixel_size_angstrom : float

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with _new_file(path) as mrc:
        mrc.set_data(np.ascontiguousarray(volume, dtype=np.float32))
        mrc.set_volume()
        mrc.voxel_size = pixel_size_angstrom
        _label(mrc)


def write_stack(path: Path, images: NDArray[np.float32], pixel_size_angstrom: float) -> None:
    """Write images (N, n, n) float32, [y, x], as a stack; arguments, bytes and errors otherwise as `write_map`."""
    with _new_file(path) as mrc:
        mrc.set_data(np.ascontiguousarray(images, dtype=np.float32))
        mrc.set_image_stack()
        mrc.voxel_size = pixel_size_angstrom
        _label(mrc)


@contextmanager
def _new_file(path: Path) -> Iterator[Any]:
    """An MRC file to be filled. On a full disk mrcfile would leave it open, and its space taken."""
    with atomic_path(path) as temporary:
        mrc = mrcfile.new(temporary, overwrite=True)
        stream = mrc._iostream
        try:
            with mrc:
                yield mrc
        finally:
            with suppress(OSError):
                stream.close()


def _label(mrc: Any) -> None:
    """Take the place of mrcfile's own label, which holds the time of day: a re-run must give the same bytes."""
    mrc.header.label[:] = b""
    mrc.header.label[0] = _LABEL
    mrc.header.nlabl = 1


def _read_header(path: Path) -> tuple[Any, int, bool]:
    """Header of an MRC file as mrcfile's record, the length of the file in bytes, and whether it is packed."""
    if not path.is_file():
        what = "a folder" if path.is_dir() else "missing"
        raise ParticleFileError(f"{path} is {what}: give the path of an MRC file.")
    try:
        file_bytes = path.stat().st_size
        with path.open("rb") as stream:
            start = stream.read(_HEADER_BYTES)
        packed = is_packed(start)
        if packed:
            with gzip.open(path) as unpacked:
                start = unpacked.read(_HEADER_BYTES)
        _check_start(path, start, file_bytes, packed=packed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            with mrcfile.open(path, mode="r", permissive=True, header_only=True) as mrc:
                header = mrc.header.copy().view(np.recarray)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise ParticleFileError(f"{path} cannot be read as an MRC file: {error}.") from error
    _check_header(path, header)
    return header, file_bytes, packed


def _check_start(path: Path, start: bytes, file_bytes: int, *, packed: bool) -> None:
    """Refuse files that are compressed otherwise, and what mrcfile would read for long before it fails."""
    if start.startswith(_BZIP2_START):
        raise ParticleFileError(f"{path} is compressed with bzip2: decompress it first.")
    if len(start) < _HEADER_BYTES:
        raise ParticleFileError(f"{path} has {file_bytes} bytes, too few for an MRC file: copy it again.")
    # The length of the extended header, in either byte order; mrcfile would set aside as much memory.
    limit = _LARGEST_EXTENDED_HEADER if packed else file_bytes
    if all(int.from_bytes(start[92:96], order) > limit for order in _BYTE_ORDERS):
        raise ParticleFileError(f"{path} is not an MRC file: give a stack of images (.mrcs) or a map (.mrc).")


def _check_header(path: Path, header: Any) -> None:
    """Refuse what is not an MRC file at all, or none of real-valued images."""
    mode = int(header.mode)
    dimensions = [int(header.nx), int(header.ny), int(header.nz)]
    if min(dimensions) < 1 or max(dimensions) >= 2**24 or int(header.nsymbt) < 0:
        raise ParticleFileError(
            f"{path} is not an MRC file: its header gives {dimensions} as its dimensions. "
            "Give a stack of images (.mrcs) or a map (.mrc)."
        )
    if mode not in _IMAGE_MODES:
        raise ParticleFileError(
            f"{path} is of MRC mode {mode}, but images are read from modes {', '.join(map(str, _IMAGE_MODES))}. "
            "Convert the file, for example to mode 2 (float32)."
        )
    if spacegroup_is_volume_stack(header.ispg):
        raise ParticleFileError(f"{path} holds several maps in one file: write each map, or the images, to a file.")


def _voxel_size(header: Any) -> float:
    """Size of a voxel along x in Å; 0 where the header does not say."""
    return float(header.cella.x) / int(header.mx) if int(header.mx) > 0 else 0.0
