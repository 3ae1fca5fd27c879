"""Whether default parameters hold on stacks of other kinds than the development sets: one run of each.

    python benchmarks/conditions.py OUT [--only groel-noisy ...] [-- options of coldstart run]

Stacks are simulated into OUT/sets, and what is in OUT/results.json is not run again. Simulator and judge are in
../shared/benchmark, as for run_sets.py.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import run_sets

MEASURED_CTFS = "--ctf-table {table}"
CONDITIONS = {
    "hsp90-small": ("hsp90_st01", f"{MEASURED_CTFS} --n 5000 --box 64 --apix 3 --snr 0.06 --seed 901"),
    "groel-noisy": ("groel_1mnf", f"{MEASURED_CTFS} --n 4000 --box 64 --apix 4.5 --snr 0.02 --seed 902"),
    "virus-noisy": ("stnv_2buk", f"{MEASURED_CTFS} --n 3000 --box 72 --apix 4 --snr 0.03 --seed 903"),
    "gpcr-near-focus": ("gpcr_gs_3sn6", "--defocus 4000 12000 --n 8000 --box 64 --apix 3 --snr 0.04 --seed 904"),
    "betagal-fine-pixels": ("betagal_5a1a", "--defocus 6000 18000 --n 3000 --box 96 --apix 2.7 --snr 0.03 --seed 905"),
    "ribosome-far-focus": ("ribo70S_eftu", "--defocus 20000 40000 --n 3000 --box 72 --apix 5 --snr 0.1 --seed 906"),
    "apoferritin-few": ("apof_6z6u", f"{MEASURED_CTFS} --n 2000 --box 64 --apix 3.2 --snr 0.1 --seed 907"),
    "spike-uneven-views": (
        "spike_6vxx",
        f"{MEASURED_CTFS} --n 4000 --box 64 --apix 4.2 --snr 0.06 --view-bias 3 --seed 908",
    ),
    "ribosome-few": ("ribo70S_eftu", f"{MEASURED_CTFS} --n 500 --box 48 --apix 8 --snr 0.3 --seed 909"),
    "spike-off-centre": ("spike_6vxx", f"{MEASURED_CTFS} --n 4000 --box 80 --apix 3.6 --snr 0.05 --shift 5 --seed 910"),
    "betagal-uneven-contrast": (
        "betagal_5a1a",
        f"{MEASURED_CTFS} --n 5000 --box 64 --apix 4 --snr 0.05 --scale-sigma 0.3 --optics-groups 3 --seed 911",
    ),
}
"""Model and options of the simulator."""


def main() -> None:
    options = _options()
    out: Path = options.out
    (out / "sets").mkdir(parents=True, exist_ok=True)
    results = run_sets.load_results(out / "results.json", options.extra)
    done = {run["set"] for run in results["runs"]}
    for name in options.only:
        model, stack = CONDITIONS[name]
        run_sets.simulate(out / "sets" / name, model, stack.split())
        if name not in done:
            benchmark = run_sets.SHARED / "benchmark"
            results["runs"].append(run_sets.measure(out, benchmark, name, 0, options.extra, maps_only=True))
            (out / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(run_sets.markdown_table(results["runs"]))


def _options() -> argparse.Namespace:
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="+", choices=CONDITIONS, default=list(CONDITIONS), metavar="NAME")
    return parser.parse_args(sys.argv[1:split], argparse.Namespace(extra=sys.argv[split + 1 :]))


if __name__ == "__main__":
    main()
