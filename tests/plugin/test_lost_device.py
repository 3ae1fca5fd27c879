"""A device that is lost in the middle of a run, in a process of its own, which the layer that fails is loaded into."""

import os
import subprocess
import sys
from pathlib import Path

DEVICE_NOT_AVAILABLE = "-2"
"""Of cl.h."""


def test_a_lost_device_in_the_window(failing_layer: Path) -> None:
    numbers = {"FAIL_AFTER": "0", "FAIL_TIMES": "0", "FAIL_CODE": DEVICE_NOT_AVAILABLE}
    tests = Path(__file__).with_name("with_failing_layer.py")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", str(tests)],
        env={**os.environ, "OPENCL_LAYERS": str(failing_layer), **numbers}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
