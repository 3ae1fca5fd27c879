"""Runs that are killed with SIGKILL, and what becomes of them.

A run of a small simulated set is killed at random moments: anywhere in its iterations, while a checkpoint is being
written, and while the result is. Every time, all files that have their names must be whole, `coldstart resume` must go
on after the checkpoint's iteration, and the folder must end up as that of a run that was never killed, to the byte, but
for times and memory.

    python benchmarks/kill_test.py [--kills 50] [--seed 0] [--folder FOLDER]

Checkpoints are written after every iteration here, so that many kills meet one.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import numpy as np

from coldstart.api.checkpoint import read_point
from coldstart.demo.files import write_demo_set
from coldstart.io.mrc import read_map
from coldstart.io.particle_files import read_particles
from coldstart.io.results import RunFolder

FLAGS = (
    "--initial-iterations 40 --final-iterations 8 --fourier-radius-step 1 --initial-minibatch 20 --final-minibatch 20 "
    "--max-resolution 25"
)
EVERY_ITERATION = (
    "import sys; import coldstart.api.checkpoint as c; c.INTERVAL_SECONDS = 0.0; c.MOST_SHARE = float('inf'); "
    "from coldstart.cli.main import main; main(sys.argv[1:])"
)
POLL_SECONDS = 0.0005
TIMES_AND_MEMORY = ("wall_seconds", "cpu_seconds", "peak_host_bytes", "peak_device_bytes")
TIME_OR_MEMORY = re.compile(r"\b(\d+ h \d\d min|\d+ min \d\d s|\d+ s|[\d.]+ [MG]iB)")
MOMENTS = ("iterations", "checkpoint", "result")
"""When a kill comes: at any time, while a checkpoint is being written, and while the result is."""


def folder_content(path: Path) -> dict[str, str]:
    """Checksum of every file of a run folder, times and memory left out of those that tell them."""
    files = (file for file in sorted(path.rglob("*")) if file.is_file())
    return {str(file.relative_to(path)): hashlib.sha256(_timeless(file)).hexdigest() for file in files}


def _timeless(file: Path) -> bytes:
    content = file.read_bytes()
    if file.name == "log.jsonl":
        lines = [json.loads(line) for line in content.decode().splitlines()]
        return json.dumps([{**line, "seconds": None} for line in lines]).encode()
    if file.name == "summary.json":
        return json.dumps({**json.loads(content), **dict.fromkeys(TIMES_AND_MEMORY)}).encode()
    if file.name == "report.html":
        return TIME_OR_MEMORY.sub("", content.decode()).encode()
    return content


def check_whole(path: Path) -> None:
    """Read every file that has its name; what is half-written may only have a temporary one."""
    for file in path.rglob("*"):
        if file.suffix == ".mrc":
            read_map(file)
        elif file.suffix == ".json":
            json.loads(file.read_text(encoding="utf-8"))
        elif file.suffix == ".star":
            read_particles(file)
        elif file.suffix == ".zip":
            with ZipFile(file) as archive:
                assert archive.testzip() is None, file
        elif file.name == "report.html":
            assert file.read_text(encoding="utf-8").rstrip().endswith("</html>"), file
    RunFolder(path).load_iterations()


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-c", EVERY_ITERATION, *map(str, arguments)]


@dataclass
class KillTest:
    """The set, the run that is never killed, and those that are."""

    folder: Path
    seed: int

    def prepare(self) -> None:
        """Simulate the set, and run it without a kill."""
        (self.folder / "set").mkdir(parents=True)
        made = write_demo_set(self.folder / "set", 5, images=60, box_px=32, pixel_size_angstrom=7.0, snr=0.4)
        self.particles = made.particles_path
        self.rng = np.random.default_rng(self.seed)
        whole = self.folder / "whole" / "run"
        started = time.monotonic()
        process = subprocess.Popen(self.run_command(whole), stdout=subprocess.DEVNULL)
        while not whole.exists():
            time.sleep(POLL_SECONDS)
        self.seconds = -time.monotonic()
        assert process.wait() == 0
        self.seconds += time.monotonic()
        self.whole = folder_content(whole)
        self.iterations = len(RunFolder(whole).load_iterations()) - 1
        total = time.monotonic() - started
        print(f"Unbroken: {total:.1f} s, {self.seconds:.1f} s of it after the first iteration of {self.iterations}.")

    def run_command(self, output: Path) -> list[str]:
        return command("run", self.particles, "-o", output, *FLAGS.split())

    def kill_once(self, number: int, moment: str) -> str:
        """Kill a run, resume it, and compare; say what was met."""
        output = self.folder / f"kill_{number}" / "run"
        while not self._killed(output, moment):
            shutil.rmtree(output.parent, ignore_errors=True)
        half_written = sum(1 for _ in output.rglob(".*.tmp"))
        check_whole(output)
        checkpoint = RunFolder(output).checkpoint_path
        logged = [line.iteration for line in RunFolder(output).load_iterations()]
        if logged and not checkpoint.exists():  # its last act was to remove it
            self._compare(output)
            return f"killed when all was done ({moment}): same bytes"
        after = read_point(checkpoint).history[-1].iteration if checkpoint.exists() else 0
        assert after >= max(logged, default=0) - 1, f"{output}: iterations until {logged[-1]}, checkpoint after {after}"
        again = command("resume", output) if after else self.run_command(output)
        done = subprocess.run(again, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{output}: {done.stderr}"
        first = re.search(r"iteration +(\d+)/", done.stdout)
        if first is not None:  # a run that was killed after its last file has nothing left to do
            went_on = int(first[1])
            assert went_on == min(after + 1, self.iterations), f"{output}: went on with {went_on} after {after}"
        self._compare(output)
        return f"killed after iteration {after or 'none'} ({moment}), {half_written} files half-written: same bytes"

    def _compare(self, output: Path) -> None:
        """The folder is to be that of the unbroken run; it is removed."""
        content = folder_content(output)
        different = sorted(name for name in {*content, *self.whole} if content.get(name) != self.whole.get(name))
        assert not different, f"{output}: {', '.join(different)} differ from those of the unbroken run"
        shutil.rmtree(output.parent)

    def _killed(self, output: Path, moment: str) -> bool:
        """Start a run and kill its process group; False where it ended before that."""
        process = subprocess.Popen(self.run_command(output), stdout=subprocess.DEVNULL, start_new_session=True)
        try:
            self._wait_for(process, output, moment)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        return process.wait() == -signal.SIGKILL

    def _wait_for(self, process: "subprocess.Popen[bytes]", output: Path, moment: str) -> None:
        """Until the moment has come, or the run has ended."""
        while not output.exists() and process.poll() is None:
            time.sleep(POLL_SECONDS)
        if moment == "iterations":
            time.sleep(self.rng.uniform(0.0, self.seconds))
            return
        pattern = ".checkpoint.npz.*.tmp" if moment == "checkpoint" else ".[vpasr]*.tmp"
        wanted = int(self.rng.integers(1, self.iterations if moment == "checkpoint" else 9))
        seen: set[tuple[str, int]] = set()
        while len(seen) < wanted and process.poll() is None:
            if moment == "checkpoint" or ((output / "log.jsonl").exists() and self._is_posed(output)):
                seen.update(_half_written(output, pattern))
        time.sleep(self.rng.uniform(0.0, 0.002))

    def _is_posed(self, output: Path) -> bool:
        return '"posing"' in (output / "log.jsonl").read_text(encoding="utf-8")


def _half_written(output: Path, pattern: str) -> list[tuple[str, int]]:
    """Names and inodes of the temporary files that are there just now."""
    found = []
    for path in output.glob(pattern):
        try:
            found.append((path.name, path.stat().st_ino))
        except OSError:  # it has its name by now
            continue
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the runs are kept; a temporary folder when left out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        test = KillTest(arguments.folder or Path(temporary) / "kills", arguments.seed)
        test.prepare()
        shares, met = [0.6, 0.2, 0.2], Counter[str]()
        moments = test.rng.choice(MOMENTS, arguments.kills, p=shares)
        for number, moment in enumerate(moments, 1):
            print(f"{number:3d}  {test.kill_once(number, str(moment))}", flush=True)
            met[str(moment)] += 1
        told = ", ".join(f"{met[moment]} in {moment}" for moment in MOMENTS)
        print(f"{arguments.kills} of {arguments.kills} runs resumed to the same bytes ({told}).")


if __name__ == "__main__":
    main()
