"""Run coldstart on simulated development sets, and measure time, memory and distance from the truth.

    python benchmarks/run_sets.py OUT --sets betagal ribosome --seeds 0 1 2 [-- options of coldstart run]

Sets are simulated once into OUT/sets, runs go to OUT/runs/SET-SEED and figures to OUT/results.json; a Markdown table is
printed. With `-- --classes K` the classes are judged too; with `--maps-only` poses are not, which takes the judge long
where a particle is highly symmetric. What is in results.json is not run again. Each run is a
process of its own, measured as a whole: start, compilation of the kernels, reconstruction and report. Sets, simulator
and judge are in ../shared/benchmark.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

SHARED = Path(__file__).resolve().parents[2] / "shared"
NEEDED = ("numpy", "scipy", "finufft", "mrcfile", "starfile", "pandas")
COST = {  # heading -> how a run's figure is shown
    "set": "{set}",
    "seed": "{seed}",
    "CPU s": "{cpu_seconds:.0f}",
    "wall s": "{wall_seconds:.0f}",
    "peak MiB": "{peak_mib:.0f}",
    "iterations": "{iterations}",
    "image visits": "{image_visits}",
}
MAPS_ONLY = {
    **COST,
    "FSC=0.5 Å": "{fsc_05_angstrom:.2f}",
    "hand": "{hand:+d}",
}
ONE_CLASS = {
    **MAPS_ONLY,
    "median pose error °": "{median_angle_deg:.2f}",
    "within 10°": "{within_10_deg:.1%}",
    "shift error Å": "{median_shift_error_angstrom:.2f}",
}
SEVERAL_CLASSES = {
    **COST,
    "FSC=0.5 Å": "{fsc_05_angstrom}",
    "adjusted Rand index": "{adjusted_rand_index:.3f}",
    "in their class": "{in_their_class:.1%}",
    "junk in these classes": "{junk_share:.1%}",
}


def main() -> None:
    options = _options()
    benchmark: Path = options.shared / "benchmark"
    _check_tools(benchmark)
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    results = load_results(out / "results.json", options.extra)
    subprocess.run([sys.executable, benchmark / "sets.py", out / "sets", *options.sets], check=True)
    done = {(run["set"], run["seed"]) for run in results["runs"]}
    for name, seed in ((name, seed) for name in options.sets for seed in options.seeds):
        if (name, seed) not in done:
            results["runs"].append(measure(out, benchmark, name, seed, options.extra, maps_only=options.maps_only))
            (out / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(markdown_table(results["runs"]))


def load_results(path: Path, extra: list[str]) -> dict[str, Any]:
    """What earlier calls measured, if it was measured with the same options of coldstart run."""
    if not path.exists():
        return {"options": extra, "runs": []}
    results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if results["options"] != extra:
        sys.exit(f"{path} was measured with {results['options']}, not {extra}: choose another folder")
    return results


def simulate(folder: Path, model: str, options: list[str]) -> None:
    """A stack with coloured noise, if it is not there yet; {table} in its options stands for that of real CTFs."""
    if (folder / "truth.star").exists():
        return
    data = SHARED / "data"
    table = data / "ctf" / "empiar10028_ctf.npz"
    command: list[str | Path] = [sys.executable, SHARED / "benchmark" / "simulate.py", folder, "--coloured"]
    command += ["--map", data / "models" / f"{model}.npz"]
    subprocess.run(command + [word.format(table=table) for word in options], check=True)


def measure(out: Path, benchmark: Path, name: str, seed: int, extra: list[str], *, maps_only: bool) -> dict[str, Any]:
    """Run coldstart on a set, and judge what it gives."""
    truth, run = out / "sets" / name, out / "runs" / f"{name}-{seed}"
    shutil.rmtree(run, ignore_errors=True)  # left by a call that was broken off
    run.parent.mkdir(exist_ok=True)
    verb = [sys.executable, "-m", "coldstart", "run"]
    print(f"{name}, seed {seed}", file=sys.stderr)
    cost = run_measured([*verb, truth / "particles.star", "-o", run, f"--seed={seed}", *extra], run.with_suffix(".log"))
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    figures = {key: summary[key] for key in ("device", "iterations", "image_visits", "converged", "particles_used")}
    return {"set": name, "seed": seed, **cost, **figures, **judge(benchmark, truth, run, maps_only=maps_only)}


def run_measured(command: list[str | Path], log: Path) -> dict[str, float]:
    """Run a command to its end: processor seconds with all threads and children, seconds by the clock, peak memory."""
    began = time.monotonic()
    with log.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed, see {log}")
    return {
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "wall_seconds": time.monotonic() - began,
        "peak_mib": usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10),
    }


def judge(benchmark: Path, truth: Path, run: Path, *, maps_only: bool) -> dict[str, Any]:
    """Distance of the maps and of the poses from the truth."""
    if not (run / "volume.mrc").is_file():
        return judge_classes(benchmark, truth, run)
    found = evaluate(benchmark, truth, run, [run / "volume.mrc"], None if maps_only else run / "particles.star")
    volume = found["maps"][0]
    of_map = {"fsc_05_angstrom": volume["resolution_05"], "hand": int(volume["hand"])}
    if maps_only:
        return of_map
    poses = found["poses"][0]
    return {
        **of_map,
        "median_angle_deg": poses["median_angle_deg"],
        "within_10_deg": poses["within_10_deg"],
        "median_shift_error_angstrom": poses["median_shift_error_A"],
    }


def judge_classes(benchmark: Path, truth: Path, run: Path) -> dict[str, Any]:
    """How near each true structure's best class is to it, and how well the particles are sorted."""
    import starfile

    table = run / "particles_all_classes.star"
    maps = sorted(run.glob("volume_class_*[0-9].mrc"))
    found = evaluate(benchmark, truth, run, maps, table)
    matched = {int(entry["truth"]): int(Path(entry["result"]).stem.rsplit("_", 1)[1]) for entry in found["maps"]}
    own = starfile.read(table)["particles"]["rlnClassNumber"].to_numpy()
    true = starfile.read(truth / "truth.star")["particles"]["rlnClassNumber"].to_numpy()
    in_matched = np.isin(own, list(matched.values()))
    return {
        "fsc_05_angstrom": " / ".join(f"{entry['resolution_05']:.2f}" for entry in found["maps"]),
        "adjusted_rand_index": found["adjusted_rand_index"],
        "in_their_class": float(np.mean(np.vectorize(matched.get)(true[true > 0]) == own[true > 0])),
        "junk_share": float(np.mean(true[in_matched] == 0)),
    }


def evaluate(benchmark: Path, truth: Path, run: Path, maps: list[Path], table: Path | None) -> dict[str, Any]:
    """What the judge says of maps and a table."""
    report = run.with_suffix(".json")
    files: list[str | Path] = [part for path in maps for part in ("--map", path)]
    files += [] if table is None else ["--star", table]
    command = [sys.executable, benchmark / "evaluate.py", truth, *files, "--json", report]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return found


def markdown_table(runs: list[dict[str, Any]]) -> str:
    one_class = ONE_CLASS if "median_angle_deg" in runs[0] else MAPS_ONLY
    columns = SEVERAL_CLASSES if "adjusted_rand_index" in runs[0] else one_class
    rows = [[cell.format(**run) for cell in columns.values()] for run in runs]
    lines = [list(columns), ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _check_tools(benchmark: Path) -> None:
    if not (benchmark / "sets.py").is_file():
        sys.exit(f"no sets.py in {benchmark}: say where the benchmark's folder is with --shared")
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        install = f"{sys.executable} -m pip install -r {benchmark / 'requirements.txt'}"
        sys.exit(f"the simulator and the judge need {', '.join(missing)}; run: {install}")


def _options() -> argparse.Namespace:
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sets", nargs="+", required=True, metavar="SET", help="names in ../shared/benchmark/sets.py")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="SEED")
    parser.add_argument("--maps-only", action="store_true", help="judge the maps alone, not the poses")
    parser.add_argument("--shared", type=Path, default=SHARED, help=f"folder of benchmark/ and data/ ({SHARED})")
    return parser.parse_args(sys.argv[1:split], argparse.Namespace(extra=sys.argv[split + 1 :]))


if __name__ == "__main__":
    main()
