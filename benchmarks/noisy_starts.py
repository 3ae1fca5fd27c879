"""How many starts find the map, over the signal-to-noise ratio of a stack.

    python benchmarks/noisy_starts.py OUT --snr 0.06 0.08 --seeds 0 1 2 3 4 [-- options of coldstart run]
    python benchmarks/noisy_starts.py OUT --snr 0.02 --molecule spike

For each ratio, 5000 images are simulated, those of the ribosome as of the set `ribosome-noisy`, and run from each seed
with default parameters. A start has found the map where the Fourier shell correlation with the truth stays
above one half down to FOUND_ANGSTROM. Simulator and judge are in ../shared/benchmark, as for run_sets.py.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import run_sets

FOUND_ANGSTROM = 16.0
STACKS = {
    "ribosome": ("ribo70S_eftu", "--apix 6 --seed 113"),
    "betagal": ("betagal_5a1a", "--apix 4 --seed 211"),
    "spike": ("spike_6vxx", "--apix 4 --seed 212"),
}
"""Model and options of the simulator for each molecule."""

STACK = "--ctf-table {table} --n 5000 --box 64"


def main() -> None:
    options = _options()
    out: Path = options.out
    (out / "sets").mkdir(parents=True, exist_ok=True)
    results = run_sets.load_results(out / "results.json", options.extra)
    benchmark = run_sets.SHARED / "benchmark"
    done = {(run["set"], run["seed"]) for run in results["runs"]}
    for snr in options.snr:
        name = f"{options.molecule}-snr-{1000 * snr:03.0f}"
        model, its_options = STACKS[options.molecule]
        run_sets.simulate(out / "sets" / name, model, f"{STACK} {its_options} --snr {snr:g}".split())
        for seed in options.seeds:
            if (name, seed) not in done:
                results["runs"].append(run_sets.measure(out, benchmark, name, seed, options.extra, maps_only=True))
                (out / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
        mine = [run for run in results["runs"] if run["set"] == name]
        found = sum(run["fsc_05_angstrom"] <= FOUND_ANGSTROM for run in mine)
        print(
            run_sets.markdown_table(mine),
            f"\nsignal-to-noise ratio {snr:g}: {found} of {len(mine)} starts found the map\n",
        )


def _options() -> argparse.Namespace:
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--snr", nargs="+", type=float, required=True)
    parser.add_argument("--molecule", choices=STACKS, default="ribosome")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    return parser.parse_args(sys.argv[1:split], argparse.Namespace(extra=sys.argv[split + 1 :]))


if __name__ == "__main__":
    main()
