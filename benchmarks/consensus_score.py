"""What several starts came to, and how near they are to the truth: TRUTH.mrc FOLDER_OF_STARTS ...

    python benchmarks/consensus_score.py SETS/tiny-noisy/truth_class1.mrc OUT/tiny-noisy-0 OUT/tiny-noisy-8

A Markdown table is printed. The true map is placed on the mean map and on that of each start, and both are compared
inside the map's mask. A start has found the map where the correlation stays above one half as far as the finest detail
that it used. Processor time is that of the starts together, without what compares them.
"""

import sys
from pathlib import Path

import numpy as np
from directional_score import beside_truth

from coldstart.io.consensus_files import read_consensus
from coldstart.io.mrc import read_map
from coldstart.io.results import RunFolder
from coldstart.model.fsc import fourier_shell_correlation

HEADINGS = (
    "first seed",
    "iterations that each start waited",
    "verdict",
    "found the map",
    "CPU s",
    "mean map: least FSC",
)


def main() -> None:
    truth, _ = read_map(Path(sys.argv[1]))
    print(row(*HEADINGS), row(*["---"] * len(HEADINGS)), sep="\n")
    for folder in map(Path, sys.argv[2:]):
        record = read_consensus(folder)
        runs = [RunFolder(folder / start.folder) for start in record.starts]
        found = [
            least_correlation(truth, run.volume_path(1, 1), run) > 0.5
            for run, start in zip(runs, record.starts, strict=True)
            if start.status == "completed"
        ]
        waited = [str(sum(row.waiting for row in run.load_iterations())) for run in runs]
        seconds = sum(run.load_summary().cpu_seconds or 0.0 for run in runs)
        least = least_correlation(truth, folder / "volume.mrc", runs[record.best - 1])
        verdict = record.verdict.rstrip(".")
        shares = f"{sum(found)} of {len(runs)}"
        print(
            row(record.starts[0].seed, ", ".join(waited), verdict, shares, f"{seconds:.0f}", f"{least:.2f}"), flush=True
        )


def row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def least_correlation(truth: np.ndarray, path: Path, run: RunFolder) -> float:
    """Of a map with the truth, on any ring as far as the finest detail that its run used."""
    pair, radius, _ = beside_truth(truth, path, run)
    return float(fourier_shell_correlation(*pair)[1 : radius + 1].min())


if __name__ == "__main__":
    main()
