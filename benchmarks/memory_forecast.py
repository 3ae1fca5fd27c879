"""What `coldstart check` foresees of a run's memory and time, against what the run took.

    python benchmarks/memory_forecast.py SETS OUT [NAME[:RESOLUTION] ...] [-- flags of coldstart run]

SETS holds development sets, made by ../shared/benchmark/sets.py; each run is a process of its own and writes into
OUT/NAME. A run that is there already is not made again.
"""

import json
import subprocess
import sys
from pathlib import Path

FLAGS = ["--initial-iterations", "20", "--fourier-radius-step", "0.5", "--final-iterations", "10"]
"""Short runs: memory does not depend on how many iterations there are, only that they reach the maximum resolution."""


def call(*arguments: object) -> str:
    done = subprocess.run([sys.executable, "-m", "coldstart", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def main() -> None:
    words, flags = sys.argv[1:], FLAGS
    if "--" in words:
        words, flags = words[: words.index("--")], words[words.index("--") + 1 :]
    sets, out, *names = words
    print("| set | radius | device foreseen | device | off by | host foreseen | host | off by | foreseen s | s |")
    print("|" + "---|" * 10)
    for name in names or ["tiny", "betagal", "ribosome"]:
        name, _, resolution = name.partition(":")
        particles, folder = Path(sets, name, "particles.star"), Path(out, name)
        detail = ["--max-resolution", resolution] if resolution else []
        if not (folder / "summary.json").exists():
            call("run", particles, "-o", folder, *flags, *detail)
        foreseen = json.loads(call("check", particles, "--quick", "--json", *detail))
        took = json.loads((folder / "summary.json").read_text())
        last = json.loads((folder / "log.jsonl").read_text().splitlines()[-1])
        cells = [name, f"{last['fourier_radius']:.0f}"]
        for key in ("device_bytes", "host_bytes"):
            wanted, held = foreseen["forecast"][key], took[f"peak_{key}"]
            cells += [f"{wanted / 2**20:.0f} MiB", f"{held / 2**20:.0f} MiB", f"{wanted / held - 1:+.0%}"]
        low, high = foreseen["forecast"]["seconds"]
        cells += [f"{low:.0f} to {high:.0f}", f"{took['wall_seconds']:.0f}"]
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
