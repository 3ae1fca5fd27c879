"""Speed-up of a run whose minibatches are dealt out to workers, and what travels between these and the driver.

    python benchmarks/scaling.py OUT --set ribosome-large --workers 1 2 --rounds 2 [-- field=value of a run ...]

Each round runs every number of workers in turn, each a process of one CPU thread on this machine. A Markdown table is
printed, phase by phase: seconds by the clock and of the processor along the critical path (of each step the busiest
worker's, and the driver's own), bytes of requests and answers as they are sent, and speed-ups of both times. The second
does not depend on what else the machine does. With --pin each worker has one core for all that it does, as one in a
machine of its own has. The result must have the same bytes for every number of workers.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pickle
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

SHARED = Path(__file__).resolve().parents[2] / "shared"


class MeasuredCrew:
    """A crew of a cluster with a clock, a counter of processor time, and scales."""

    def __init__(self, crew: Any, client: Any) -> None:
        self._crew, self._client = crew, client
        self.size, self.label, self.peak_bytes, self.notes = crew.size, crew.label, 0, ()
        self.totals: dict[str, float] = defaultdict(float)

    def expect(self, looks: Sequence[Any]) -> list[Any]:
        return self._measured("E-step", self._crew.expect, looks)

    def maximise(self, spreads: Sequence[Any]) -> list[Any]:
        return self._measured("M-step", self._crew.maximise, spreads)

    def _measured(self, name: str, step: Callable[[Sequence[Any]], list[Any]], requests: Sequence[Any]) -> list[Any]:
        entered = time.process_time()
        before, began, own = self._processor(), time.perf_counter(), time.process_time()
        answers = step(requests)
        own, seconds = time.process_time() - own, time.perf_counter() - began
        after = self._processor()
        busiest = max(after[worker] - before[worker] for worker in after)
        measured = {"seconds": seconds, "busiest": busiest, "driver": own, "sent": size(requests), "got": size(answers)}
        for key, value in measured.items():
            self.totals[f"{name} {key}"] += value
        self.totals["measuring"] += time.process_time() - entered - own
        return answers

    def _processor(self) -> dict[str, float]:
        found: dict[str, float] = self._client.run(time.process_time)
        return found


def size(messages: Sequence[Any]) -> int:
    """Bytes of the largest of them."""
    return max(len(pickle.dumps(message, protocol=5)) for message in messages)


def pin(core: int) -> None:
    """Keep this process, and the threads that it will have, on one core."""
    for thread in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def run_once(table: Path, workers: int, options: dict[str, Any], *, pinned: bool) -> dict[str, Any]:
    """A run of this process with so many workers, measured phase by phase; without start and end."""
    from coldstart.api.wanted import read_wanted
    from coldstart.cluster.crew import DaskCrew
    from coldstart.cluster.remote import RemoteJob
    from coldstart.cluster.request import ClusterRequest, open_cluster
    from coldstart.compute.session import open_session
    from coldstart.engine.abinitio import abinitio
    from coldstart.params import AbInitioParams

    params = AbInitioParams.model_validate({**options, "threads": 1})
    particles, images, _ = read_wanted(table, params, None)
    crews: list[MeasuredCrew] = []
    phases: dict[str, dict[str, float]] = {}
    request = ClusterRequest("local", workers, 1)
    with open_session(params.device, 1) as session, open_cluster(request) as client:
        if pinned:
            for core, worker in enumerate(client.scheduler_info()["workers"]):
                client.run(pin, core, workers=[worker])

        def gather(own: Any) -> Any:
            crews.append(MeasuredCrew(DaskCrew(client, RemoteJob(particles, images, params, 1), workers), client))
            return crews[0]

        digest, known = hashlib.sha256(), dict[str, float]()
        with closing(abinitio(particles, images, params, session, make_crew=gather)) as steps:
            began, own = time.perf_counter(), time.process_time()
            for snapshot in steps:
                ended, own_ended, totals = time.perf_counter(), time.process_time(), dict(crews[0].totals)
                phase = phases.setdefault(snapshot.stats.phase, defaultdict(float))
                if known or len(phases) > 1:  # the first iteration has the start in it
                    phase["iterations"] += 1
                    phase["seconds"] += ended - began
                    phase["driver"] += own_ended - own
                    for key, value in totals.items():
                        phase[key] += value - known.get(key, 0.0)
                digest.update(snapshot.volumes.tobytes())
                began, own, known = ended, own_ended, totals
    return {"workers": workers, "digest": digest.hexdigest(), "phases": phases}


def own_share(phase: dict[str, float]) -> float:
    """The driver's processor seconds of a phase, without what it took to measure."""
    return phase["driver"] - phase["measuring"]


def critical(phase: dict[str, float]) -> float:
    """Processor seconds along the critical path of a phase."""
    return own_share(phase) + phase["E-step busiest"] + phase["M-step busiest"]


def table_of(runs: list[dict[str, Any]], counts: list[int]) -> str:
    head = (
        "phase",
        "workers",
        "iterations",
        "s",
        "critical CPU s",
        "of it driver",
        "sent KiB",
        "got KiB",
        "speed-up",
        "by the clock",
    )
    lines = [head, ("---",) * len(head)]
    whole: dict[int, list[float]] = defaultdict(list)
    clock: dict[int, list[float]] = defaultdict(list)
    for name in runs[0]["phases"]:
        one: dict[int, float] = {}
        for workers in counts:
            found = [run["phases"][name] for run in runs if run["workers"] == workers]
            middle = {key: statistics.median(phase[key] for phase in found) for key in found[0]}
            iterations = max(middle["iterations"], 1)
            one[workers] = statistics.median(critical(phase) for phase in found)
            whole[workers].append(one[workers])
            clock[workers].append(middle["seconds"])
            sent, got = (
                sum(middle[f"{step} {way}"] for step in ("E-step", "M-step")) / iterations / 1024
                for way in ("sent", "got")
            )
            cells = name, workers, f"{iterations:.0f}", f"{middle['seconds']:.1f}", f"{one[workers]:.1f}"
            own = f"{own_share(middle):.1f}"
            gains = f"{one[counts[0]] / one[workers]:.2f}", f"{clock[counts[0]][-1] / clock[workers][-1]:.2f}"
            lines.append((*cells, own, f"{sent:.0f}", f"{got:.0f}", *gains))
    for workers in counts:
        total, seconds = sum(whole[workers]), sum(clock[workers])
        gains = f"{sum(whole[counts[0]]) / total:.2f}", f"{sum(clock[counts[0]]) / seconds:.2f}"
        lines.append(("all", workers, "", f"{seconds:.1f}", f"{total:.1f}", "", "", "", *gains))
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def main() -> None:
    options = _options()
    if options.child:
        print(json.dumps(run_once(options.out, options.child, json.loads(options.extra[0]), pinned=options.pin)))
        return
    benchmark = options.shared / "benchmark"
    subprocess.run([sys.executable, benchmark / "sets.py", options.out, options.set], check=True)
    pinning = ["--pin"] if options.pin else []
    command = [sys.executable, __file__, options.out / options.set / "particles.star"]
    runs = []
    for workers in options.rounds * options.workers:
        child = [
            *command,
            "--child",
            str(workers),
            *pinning,
            "--",
            json.dumps(dict(pair.split("=") for pair in options.extra)),
        ]
        done = subprocess.run(child, check=True, stdout=subprocess.PIPE, text=True)
        runs.append(json.loads(done.stdout.splitlines()[-1]))
        print(f"{workers} workers: {runs[-1]['digest'][:16]}", file=sys.stderr)
    if len({run["digest"] for run in runs}) > 1:
        sys.exit("the maps are not the same")
    print(table_of(runs, options.workers))


def _options() -> argparse.Namespace:
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--set", default="ribosome-large", help="name in ../shared/benchmark/sets.py")
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--pin", action="store_true", help="a core to each worker (Linux)")
    parser.add_argument("--shared", type=Path, default=SHARED, help=f"folder of benchmark/ and data/ ({SHARED})")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    return parser.parse_args(sys.argv[1:split], argparse.Namespace(extra=sys.argv[split + 1 :]))


if __name__ == "__main__":
    main()
