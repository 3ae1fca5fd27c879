"""What the E-step and the M-step cost an image at rising radius, once the map has converged.

    python benchmarks/search_cost.py [--radii 10 15 ... 50] [--figure docs/figures/search_cost.svg] [--device NAME]

Images of the demo's molecule are searched on its true map with the stages of a run: processor seconds of all threads,
medians of five rounds over the radii, so that what else the machine does falls on all of them alike. Markdown tables of
costs and of fits of a + b R² log R and a + b R^p are printed, and a figure is written. docs/search.md explains them.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import matplotlib
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from numpy.typing import NDArray
from true_map import Converged, Simulated, converged, simulate

from coldstart.compute.session import open_session
from coldstart.engine.images import Minibatch
from coldstart.engine.parts import grid_side
from coldstart.engine.stage import LEARNING, POSING, shift_grid, stages
from coldstart.model.pose_grid import rotation_grid

IMAGES, BOX_PX, PIXEL_SIZE_ANGSTROM = 300, 128, 2.0
MOST_SHIFT_PX = 6.0
SNR = 0.05  # variance of the signal over that of the noise, over the whole box
SIGMAS = 4.0
ROUNDS = 5
RATE = 0.1
POWERS = np.linspace(0.2, 5.0, 481)
KINDS = {"learning": "an iteration", "posing": "the final pass"}
STEPS = {"E": "E-step", "M": "M-step", "EM": "both"}
COLOURS = {"E": "#2b6cb0", "M": "#c05621"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor seconds of a batch at a radius, and what was done.

    Attributes
    ----------
    slices, search, backproject, update : float
        Slices of the map, the search of the batch, its back-projection, and the step of the map.
    level : int
        The last of the search.
    products, kept : float
        Coefficient products and hypotheses an image.
    evaluated : float
        Share of the products of an exhaustive search of the last level.
    limited : float
        Share of images on which a limit acted.
    device_mib, process_mib : float
        Device memory at most, and that of the whole process.
    """

    radius: float
    kind: str
    slices: float
    search: float
    backproject: float
    update: float
    level: int
    products: float
    kept: float
    evaluated: float
    limited: float
    device_mib: float
    process_mib: float

    def milliseconds(self, steps: str) -> float:
        """CPU milliseconds an image of the E-step, the M-step or both.

        The final pass makes its slices and its map once for all particles: they are no part of an image's cost there.
        """
        own = {"E": self.search, "M": self.backproject}
        once = {"E": self.slices, "M": self.update}
        return 1e3 * sum(own[s] + (once[s] if self.kind == "learning" else 0.0) for s in steps) / IMAGES


def measure(simulated: Simulated, radius: float, device: str | None) -> list[Cost]:
    """Both kinds of search at a radius."""
    amplitude = float(np.sqrt(SNR) / simulated.signal.std())
    with open_session(device) as session:
        run = converged(simulated, amplitude, radius, session, final_minibatch=IMAGES)
        batch = run.job.loader.load(np.arange(IMAGES), run.noise_variance)
        return [_cost(run, batch, radius, kind) for kind in KINDS]


def _cost(run: Converged, batch: Minibatch, radius: float, kind: str) -> Cost:
    job, session, learning = run.job, run.job.session, kind == "learning"
    updater, side, shifts = job.updater(radius), grid_side(radius), shift_grid(job.params, radius)
    levels = stages(radius, LEARNING if learning else POSING, SIGMAS)
    rng = np.random.default_rng(0) if learning else None
    timed = partial(_timed, session.finish)
    slices, prepared = timed(lambda: job.search.prepare(run.volume, np.eye(3), levels))
    search, found = timed(lambda: job.search.run(batch, prepared, shifts, levels, rng))
    backproject, gradient = timed(
        lambda: job.backprojector.run(batch, found, prepared, radius, side, residual=learning)
    )
    if learning:
        state = updater.start(run.maps)
        update, _ = timed(lambda: updater.step(state, gradient, RATE, radius))
    else:
        update, _ = timed(lambda: updater.solution(gradient, radius))
    products = sum(stage.products for stage in found.stages)
    return Cost(
        radius=radius,
        kind=kind,
        slices=slices,
        search=search,
        backproject=backproject,
        update=update,
        level=levels[-1].level,
        products=products / IMAGES,
        kept=len(found.image) / IMAGES,
        evaluated=products / found.exhaustive_products,
        limited=float(found.limited.mean()),
        device_mib=session.peak_bytes / 2**20,
        process_mib=_peak_process_mib(),
    )


def _timed(finish: Callable[[], None], action: Callable[[], T]) -> tuple[float, T]:
    """Processor seconds of the second time, for buffers are made in the first one, and its result."""
    action()
    finish()
    began = time.process_time()
    result = action()
    finish()
    return time.process_time() - began, result


def _median(costs: list[Cost]) -> Cost:
    """Of the rounds: all else but the times and the memory is the same in each."""
    names = ("slices", "search", "backproject", "update", "device_mib", "process_mib")
    return replace(costs[0], **{name: float(np.median([getattr(c, name) for c in costs])) for name in names})


def _peak_process_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def fit_log(radius: NDArray[np.float64], cost: NDArray[np.float64]) -> tuple[float, float, float]:
    """a, b and the root mean square of what a + b R² ln R leaves."""
    return _line(radius**2 * np.log(radius), cost)


def fit_power(radius: NDArray[np.float64], cost: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """p, a, b and the root mean square of what a + b R^p leaves."""
    fits = [(p, *_line(radius**p, cost)) for p in POWERS]
    return min(fits, key=lambda fit: fit[-1])


def _line(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float, float]:
    a, b = np.polynomial.polynomial.polyfit(x, y, 1)
    return float(a), float(b), float(np.sqrt(np.mean((a + b * x - y) ** 2)))


COLUMNS: dict[str, Callable[[Cost], str]] = {
    "R": lambda c: f"{c.radius:g}",
    "step": lambda c: f"{rotation_grid(c.level).step_deg:.3g}°",
    "slices": lambda c: f"{1e3 * c.slices:.0f}",
    "search": lambda c: f"{1e3 * c.search:.0f}",
    "back-projection": lambda c: f"{1e3 * c.backproject:.0f}",
    "map": lambda c: f"{1e3 * c.update:.0f}",
    "E-step an image": lambda c: f"{c.milliseconds('E'):.2f}",
    "M-step an image": lambda c: f"{c.milliseconds('M'):.2f}",
    "poses kept": lambda c: f"{c.kept:.1f}",
    "limited": lambda c: f"{c.limited:.0%}",
    "evaluated": lambda c: f"{c.evaluated:.1e}",
    "10⁶ products an image": lambda c: f"{1e-6 * c.products:.2f}",
    "device MiB": lambda c: f"{c.device_mib:.0f}",
    "process MiB": lambda c: f"{c.process_mib:.0f}",
}


def markdown_tables(costs: list[Cost]) -> str:
    """The costs of both kinds, and the fits."""
    parts = [_cost_table([c for c in costs if c.kind == kind], title) for kind, title in KINDS.items()]
    return "\n\n".join([*parts, _fit_table(costs)])


def _cost_table(costs: list[Cost], title: str) -> str:
    rows = [list(COLUMNS), ["---:"] * len(COLUMNS), *([show(c) for show in COLUMNS.values()] for c in costs)]
    return f"{title}\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _fit_table(costs: list[Cost]) -> str:
    head = "| search | step | growth | a + b R² ln R: a | b | rms | a + b R^p: p | a | b | rms |"
    radius = np.array(sorted({c.radius for c in costs}))
    curves = {f"{title} | {name}": _curve(costs, k, step) for k, title in KINDS.items() for step, name in STEPS.items()}
    curves["R² ln R itself | "] = (radius, 1e-3 * radius**2 * np.log(radius))
    return "\n".join([head, "|---" * 2 + "|---:" * 8 + "|", *(_fit_row(name, *c) for name, c in curves.items())])


def _fit_row(name: str, radius: NDArray[np.float64], cost: NDArray[np.float64]) -> str:
    """Growth from the first radius to the last, and both fits."""
    a, b, rms = fit_log(radius, cost)
    p, c, d, left = fit_power(radius, cost)
    return (
        f"| {name} | {cost[-1] / cost[0]:.1f} | {a:.2g} | {b:.2g} | {rms:.2g} | {p:.2f} | {c:.2g} | {d:.2g} | "
        f"{left:.2g} |"
    )


def _curve(costs: list[Cost], kind: str, steps: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    chosen = [c for c in costs if c.kind == kind]
    return np.array([c.radius for c in chosen]), np.array([c.milliseconds(steps) for c in chosen])


def draw(costs: list[Cost], path: Path) -> None:
    """Costs over the radius with both fits, a panel each kind of search."""
    figure = Figure(figsize=(8.0, 3.2), layout="constrained")
    FigureCanvasSVG(figure)
    for axes, (kind, title) in zip(figure.subplots(1, 2), KINDS.items(), strict=True):
        for step, colour in COLOURS.items():
            radius, cost = _curve(costs, kind, step)
            smooth = np.linspace(radius.min(), radius.max(), 100)
            a, b, _ = fit_log(radius, cost)
            p, c, d, _ = fit_power(radius, cost)
            axes.plot(radius, cost, "o", color=colour, markersize=4, label=STEPS[step])
            axes.plot(smooth, a + b * smooth**2 * np.log(smooth), color=colour, linewidth=1.2, label="a + b R² ln R")
            axes.plot(smooth, c + d * smooth**p, "--", color=colour, linewidth=1.2, label=f"a + b R^{p:.1f}")
        axes.set(title=title, xlabel="radius R (cycles a box)", ylabel="CPU ms an image", ylim=(0, None))
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=7, ncols=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context({"svg.hashsalt": "coldstart", "svg.fonttype": "none"}):
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def main() -> None:
    options = _options()
    simulated = simulate(IMAGES, BOX_PX, PIXEL_SIZE_ANGSTROM, (-MOST_SHIFT_PX, MOST_SHIFT_PX))
    measured: dict[tuple[float, str], list[Cost]] = {}
    spawn = multiprocessing.get_context("spawn")
    for turn in range(ROUNDS):
        for radius in options.radii:
            with spawn.Pool(1) as pool:  # a process of its own: peak memory is that of one radius
                for cost in pool.apply(measure, (simulated, radius, options.device)):
                    measured.setdefault((radius, cost.kind), []).append(cost)
        print(f"round {turn + 1} of {ROUNDS} done", file=sys.stderr)
    costs = [_median(rounds) for rounds in measured.values()]
    print(markdown_tables(costs))
    draw(costs, options.figure)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--radii", type=float, nargs="+", default=[float(r) for r in range(10, 51, 5)])
    parser.add_argument("--figure", type=Path, default=Path("docs/figures/search_cost.svg"))
    parser.add_argument("--device", help="as coldstart run --device")
    return parser.parse_args()


if __name__ == "__main__":
    main()
