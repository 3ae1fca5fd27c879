import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from coldstart.errors import OutputError
from coldstart.io.lock import LOCK_NAME, FolderLock

HOLD = """
import sys, time
from pathlib import Path
from coldstart.io.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""


def test_a_folder_has_one_writer(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    with pytest.raises(OutputError, match=f"another run is writing into {tmp_path}: wait"):
        FolderLock(tmp_path)
    lock.release()
    lock.release()
    assert not list(tmp_path.iterdir())
    FolderLock(tmp_path).release()


def test_a_lock_ends_with_its_process_however_that_ends(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process, process.stdout:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(OutputError, match="another run"):
            FolderLock(tmp_path)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert (tmp_path / LOCK_NAME).exists()
    FolderLock(tmp_path).release()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"there is no folder .*missing"):
        FolderLock(tmp_path / "missing")
