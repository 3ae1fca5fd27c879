"""A device that is lost in the middle of a run, in the real widget; `test_lost_device.py` runs this."""

import os
from pathlib import Path
from typing import Any

from napari.utils.notifications import notification_manager

from coldstart.io.results import RunFolder
from coldstart.plugin.results import open_panels
from coldstart.plugin.widget import ColdstartWidget

LONG = {"initial_iterations": 400, "final_iterations": 4, "max_resolution_angstrom": 30.0, "seed": 3}
TIMEOUT_MS = 120_000


def test_a_lost_device_is_told_and_its_run_goes_on(
    widget: ColdstartWidget, viewer: Any, qtbot: Any, particles_path: Path, tmp_path: Path
) -> None:
    folder, bar = RunFolder(tmp_path / "out"), widget.bar
    widget.setup.input.particles.set_value(particles_path)
    widget.setup.input.output.set_value(folder.path)
    widget.setup.form.set_values(LONG)
    bar.buttons["run"].click()
    qtbot.waitUntil(lambda: len(widget._history) > 2, timeout=TIMEOUT_MS)
    os.environ["FAIL_TIMES"] = str(10**9)
    qtbot.waitUntil(lambda: widget.control.state == "idle", timeout=TIMEOUT_MS)
    told = str(notification_manager.records[-1].message)
    assert "DEVICE_NOT_AVAILABLE. The device or its driver is lost" in told
    assert "when you press Resume" in told
    assert "coldstart resume" not in told
    assert "when you press Resume" in bar.status.text()
    assert not bar.offers_to_accept
    assert folder.load_summary().status == "failed"
    assert not viewer.layers
    done = len(folder.load_iterations())

    os.environ["FAIL_TIMES"] = "0"  # the driver is back
    bar.buttons["resume"].click()
    qtbot.waitUntil(lambda: len(widget._history) > done, timeout=TIMEOUT_MS)
    bar.buttons["stop"].click()
    qtbot.waitUntil(lambda: widget.control.state == "idle", timeout=TIMEOUT_MS)
    assert folder.load_summary().status == "stopped"
    assert [row.iteration for row in folder.load_iterations()][:done] == list(range(1, done + 1))
    qtbot.waitUntil(lambda: bool(open_panels(viewer)), timeout=TIMEOUT_MS)
