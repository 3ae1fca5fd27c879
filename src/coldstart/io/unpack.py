"""Stacks compressed with gzip, unpacked to a temporary folder: a stream cannot be read in any order.

The folder is the system's for temporary files, which the environment variable TMPDIR sets, and goes when the images are
no longer needed.
"""

import gzip
import shutil
import tempfile
import weakref
import zlib
from pathlib import Path
from threading import Lock

from coldstart.errors import ParticleFileError

GZIP_START = b"\x1f\x8b"
_PIECE_BYTES = 2**20


class UnpackedFiles:
    """Unpacked copies of files, made when they are first asked for and removed with this object."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._files: dict[Path, Path] = {}
        self._lock = Lock()

    def __reduce__(self) -> tuple[type["UnpackedFiles"], tuple[()]]:
        """Another process unpacks for itself."""
        return UnpackedFiles, ()

    def file(self, packed: Path) -> Path:
        """The unpacked copy of a file.

        Raises
        ------
        ParticleFileError
            If the file is damaged, or there is no room for the copy.
        """
        with self._lock:
            if packed not in self._files:
                self._files[packed] = self._unpack(packed)
            return self._files[packed]

    def _unpack(self, packed: Path) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="coldstart-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        target = self._folder / f"{len(self._files)}.mrcs"
        try:
            with gzip.open(packed) as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy, _PIECE_BYTES)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ParticleFileError(f"{packed} is damaged: {error}. Copy it again from where it came from.") from error
        except OSError as error:
            raise ParticleFileError(
                f"{packed} cannot be unpacked to {self._folder}: {error.strerror or error}. "
                "Unpack it yourself, or set TMPDIR to a folder with more room."
            ) from error
        return target


def is_packed(start: bytes) -> bool:
    """Whether a file that begins so is compressed with gzip."""
    return start.startswith(GZIP_START)
