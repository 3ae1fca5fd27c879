"""The lock of an output folder: one run at a time writes into it.

It is the system's own, on the empty file `.lock`, so that it ends with the process however that ends.
"""

import sys
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from coldstart.errors import OutputError

LOCK_NAME = ".lock"


class FolderLock:
    """The lock of a folder that is there, from now until it is released or the process ends.

    Raises
    ------
    OutputError
        If another run has it, or there is no such folder or it may not be written.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise OutputError(f"there is no folder {folder}.")
        self._path = folder / LOCK_NAME
        self._lock = FileLock(self._path, timeout=0)
        try:
            self._lock.acquire()
        except Timeout as error:
            raise OutputError(
                f"another run is writing into {folder}: wait until it has ended, or choose another folder."
            ) from error
        except OSError as error:
            raise OutputError(
                f"the output folder {folder} cannot be written: {error.strerror or error}. "
                "Choose a folder that you may write."
            ) from error

    def release(self) -> None:
        """Give it back, if that was not done, and leave no file behind."""
        if not self._lock.is_locked:
            return
        with suppress(OSError):
            if sys.platform != "win32":  # Windows removes no file that is open
                self._path.unlink(missing_ok=True)
        self._lock.release()
        if sys.platform == "win32":
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
