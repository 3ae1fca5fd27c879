"""What the plugin brings along when it is imported: no OpenCL, and nothing that draws or computes."""

import subprocess
import sys

import pytest

HEAVY = {"finufft", "matplotlib", "pyopencl", "starfile"}
LOADED = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"


@pytest.mark.parametrize("module", ["coldstart.plugin", "coldstart.plugin.widget", "coldstart.plugin.map_layer"])
def test_importing_the_plugin_loads_no_driver(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import {module}; {LOADED}"], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "coldstart" in loaded
    assert not loaded & HEAVY


def test_napari_knows_the_widget_without_importing_it() -> None:
    code = f"""
from npe2 import PluginManager
manager = PluginManager.instance()
manager.discover()
titles = [widget.display_name for widget in manager.iter_widgets() if widget.plugin_name == "napari-coldstart"]
assert titles == ["Ab-initio reconstruction"], titles
import sys
assert "coldstart.plugin.widget" not in sys.modules
{LOADED}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not set(done.stdout.split()) & HEAVY
