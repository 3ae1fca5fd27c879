"""What each bound of the pose search prunes, and what it would lose, on the true map of the demo's molecule.

    python benchmarks/bound_table.py [--images 100] [--device NAME]

For every signal-to-noise ratio and every radius L, all poses are evaluated on the rings up to L, and each form of the
bound says which of them cannot be the best pose at the full radius. The grid is also evaluated at the full radius, so
that what a form would have lost is known. Markdown tables are printed; docs/search.md explains them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass

import healpix
import numpy as np
from numpy.typing import NDArray
from true_map import Converged, Simulated, converged, simulate

from coldstart.compute.session import Session, open_session
from coldstart.engine import reference
from coldstart.engine.candidates import Candidates
from coldstart.engine.grid_score import GridScorer
from coldstart.engine.images import Minibatch, View
from coldstart.engine.search import MapSlices
from coldstart.engine.slices import SliceTable
from coldstart.engine.stage import COARSE_RADIUS, SHIFT_PERIODS, Stage
from coldstart.model.noise import background_variance
from coldstart.model.polar import PolarPlane, polar_transform
from coldstart.model.pose_grid import ShiftGrid, rotation_grid
from coldstart.model.so3 import matrix_to_euler

BOX_PX, PIXEL_SIZE_ANGSTROM = 64, 4.0
RADIUS, FINEST = 31, 2
RADII = (6, 8, 10, 12, 16, 24)
SNRS = (0.01, 0.02, 0.05, 0.2)
SIGMAS = 4.0
CELL_RINGS = (12, 24, RADIUS)  # rings that the tables of cells of each level hold, as in engine/rings.py

FORMS = {
    "window 0": "window, cells of level 0 (15°)",
    "window 1": "window, cells of level 1 (7.5°)",
    "window 2": "window, cells of level 2 (3.75°)",
    "points": "window, grid points: z²/2",
    "probabilistic": "(a) probabilistic, z = 4",
    "published": "published: -P - 4 √P",
    "deterministic": "(b) deterministic",
}


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a form does at a radius: (B,) each, the share of rotations pruned and whether two poses are among them."""

    share: NDArray[np.float64]
    best_lost: NDArray[np.bool_]
    true_lost: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Poses:
    """One pose of each image, (B,) int32: cells of level 2, inside which those of coarser levels follow."""

    rotation: NDArray[np.int32]
    shift: NDArray[np.int32]

    def at(self, level: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Rotation and shift cells of a level."""
        up = FINEST - level
        direction, angle = np.divmod(self.rotation, rotation_grid(FINEST).in_plane)
        parent = (direction >> (2 * up)) * rotation_grid(level).in_plane + (angle >> up)
        return parent.astype(np.int32), (self.shift >> (2 * up)).astype(np.int32)


class OneShiftCell(ShiftGrid):
    """The first cell of each level that has coarser cells alone, and the four of the finest level inside it."""

    def points(self, level: int) -> NDArray[np.float64]:
        return super().points(level)[: 4 if level == FINEST else 1]


SHIFTS = OneShiftCell(0.0, SHIFT_PERIODS / COARSE_RADIUS)


class Trial:
    """A set at one signal-to-noise ratio: scores of all cells of a level, and the forms of the bound on them."""

    def __init__(self, simulated: Simulated, amplitude: float, session: Session, scorers: list[GridScorer]) -> None:
        self._session, self._scorers = session, scorers
        self._on: Converged = converged(simulated, amplitude, RADIUS, session)
        self._bound = self._on.job.search.bound
        self._batch: Minibatch = self._on.job.loader.load(np.arange(simulated.count), self._on.noise_variance)
        self._bound.weigh(self._batch)
        whole = self.weights(FINEST, self._slices(RADIUS), RADIUS)
        self._best_weight = whole.best.max(axis=1)
        self._best = Poses(whole.best.argmax(axis=1).astype(np.int32), whole.shift_of_best)
        self._true = self._true_poses(simulated)

    def forms(self, radius: int) -> Iterator[tuple[str, Pruned]]:
        """Every form that can be had at a radius."""
        slices = self._slices(radius)
        yield from self._points(slices, radius)
        for level in range(FINEST):
            if radius <= CELL_RINGS[level]:
                yield f"window {level}", self._cells(level, slices, radius)
        blurred = self._on.job.search.projector.cell_slices(self._on.volume, np.eye(3), FINEST, radius)
        slices = MapSlices(slices.volume, slices.turn, (*slices.tables[:FINEST], blurred))
        yield f"window {FINEST}", self._cells(FINEST, slices, radius)

    def weights(self, level: int, slices: MapSlices, radius: int, *, of_cells: bool = False) -> Weights:
        """-E of all rotations of a level at their best shifts, on the rings up to a radius."""
        view = self._view(level, of_cells)
        scores = self._scorers[level].score(len(self._batch), view, slices.tables[level], radius)
        best, shift = self._session.download(scores.best_weight), self._session.download(scores.best_shift)
        return Weights(best, shift[np.arange(len(best)), best.argmax(axis=1)])

    def _points(self, slices: MapSlices, radius: int) -> Iterator[tuple[str, Pruned]]:
        """Forms that judge poses of the finest level by themselves."""
        table = slices.tables[FINEST]
        weight = self.weights(FINEST, slices, radius).best
        view = self._view(FINEST, of_cells=False)
        own = [self._weight_of(p, FINEST, view, slices, radius) for p in (self._best, self._true)]
        least = weight.max(axis=1) - 0.5 * SIGMAS**2
        yield "points", Pruned(_share(weight, least), *(w < least for w in own))
        for name, tail in self._tails(table, radius).items():
            # A lower bound of E at the full radius above the best E: -E so far below the best -E plus the tail.
            least = self._best_weight[:, None] + tail
            share = _share(weight.reshape(*tail.shape, -1), least[:, :, None])
            direction = [p.rotation // rotation_grid(FINEST).in_plane for p in (self._best, self._true)]
            lost = [w < least[np.arange(len(w)), d] for w, d in zip(own, direction, strict=True)]
            yield name, Pruned(share, *lost)

    def _tails(self, table: SliceTable, radius: int) -> dict[str, NDArray[np.float64]]:
        """Lower bounds of E on the rings from L to the full radius, (B, directions) each."""
        share = self._on.job.preparer.window_power
        certain = self._bound.tails(table, radius, RADIUS, SIGMAS, share, model_free=False)
        strongest = self._strongest(table, radius)
        published = np.broadcast_to(-strongest[:, None] - 4.0 * np.sqrt(strongest)[:, None], certain[0].shape)
        return {"probabilistic": certain[0], "published": published, "deterministic": certain[1]}

    def _strongest(self, table: SliceTable, radius: int) -> NDArray[np.float64]:
        """P, the largest power of a slice under the image's CTF on the rings from L on, (B,) float64."""
        plane = self._on.job.rings.plane
        image, weight, power = (self._session.download(a) for a in (self._batch.image, self._batch.weight, table.power))
        powers = reference.ring_powers(image, weight, plane.ring_table)
        return np.asarray(reference.strongest_slices(powers, power, radius, RADIUS, SIGMAS, 0.0, 0))

    def _cells(self, level: int, slices: MapSlices, radius: int) -> Pruned:
        """The window on cells that are judged by their mean slices."""
        view = self._view(level, of_cells=True)
        weight = self.weights(level, slices, radius, of_cells=True).best
        window = self._session.download(self._bound.window(view, slices.tables[level], SIGMAS))
        least = weight.max(axis=1) - window
        own = [self._weight_of(p, level, view, slices, radius) for p in (self._best, self._true)]
        return Pruned(_share(weight, least), *(w < least for w in own))

    def _weight_of(self, poses: Poses, level: int, view: View, slices: MapSlices, radius: int) -> NDArray[np.float32]:
        """-E of the cells of a level that hold these poses, (B,) float32."""
        rotation, shift = poses.at(level)
        one_each = np.arange(len(rotation) + 1, dtype=np.int32)
        columns = {
            "pair_first": one_each,
            "pair_image": one_each[:-1],
            "pair_rotation": rotation,
            "pair_start": one_each,
            "hyp_shift": shift,
            "value": np.zeros(len(rotation), np.float32),
            "boost": np.zeros(len(rotation), np.float32),
        }
        found = Candidates(
            level, groups=1, **{name: self._session.upload(f"trial {name}", c) for name, c in columns.items()}
        )
        self._on.job.search.score(found, view, slices, 0.0, radius)
        return self._session.download(found.value)

    def _slices(self, radius: int) -> MapSlices:
        """Mean slices of the cells of levels 0 and 1 up to a radius, exact ones of level 2 on all rings."""
        stages = [Stage(level, min(radius, CELL_RINGS[level]), 0.0, 1) for level in range(FINEST)]
        return self._on.job.search.prepare(self._on.volume, np.eye(3), (*stages, Stage(FINEST, RADIUS, 0.0, 1)))

    def _view(self, level: int, of_cells: bool) -> View:
        return self._on.job.loader.view(self._batch, level, SHIFTS, of_cells=of_cells)

    def _true_poses(self, simulated: Simulated) -> Poses:
        """The cells of the finest level that hold the poses which the images were made with."""
        grid = rotation_grid(FINEST)
        rot, tilt, psi = np.deg2rad(matrix_to_euler(simulated.matrices)).T
        direction = healpix.ang2pix(grid.nside, tilt, rot % (2 * np.pi), nest=True)
        angle = np.floor(psi % (2 * np.pi) / (2 * np.pi) * grid.in_plane).astype(np.int64) % grid.in_plane
        offset = simulated.shift_px[:, None] / simulated.box_px - SHIFTS.points(FINEST)
        shift = np.linalg.norm(offset, axis=2).argmin(axis=1)
        return Poses((direction * grid.in_plane + angle).astype(np.int32), shift.astype(np.int32))


@dataclass(frozen=True, slots=True)
class Weights:
    """`best` (B, rotations): -E at the best shift; `shift_of_best` (B,) int32: the shift of the best rotation."""

    best: NDArray[np.float32]
    shift_of_best: NDArray[np.int32]


def _share(weight: NDArray[np.float32], least: NDArray[np.floating]) -> NDArray[np.float64]:
    """Share of the rotations of each image whose weight is below the least that is kept."""
    least = least if least.ndim == weight.ndim else least[:, None]
    return np.asarray((weight < least.astype(np.float32)).reshape(len(weight), -1).mean(axis=1))


def amplitude_of(simulated: Simulated, snr: float) -> float:
    """The factor on the signal at which the mean of |CY|²/σ² over the coefficients up to the full radius is `snr`."""
    plane = PolarPlane(rotation_grid(FINEST).in_plane, RADIUS)
    power = np.mean(np.abs(polar_transform(simulated.signal, plane)) ** 2, axis=0)
    on_ring = np.bincount(plane.ring, power)[1:] / plane.half_points
    noise = background_variance(simulated.noise, RADIUS, 0.85, white=False)
    return float(np.sqrt(snr / np.average(on_ring / noise, weights=plane.ring_areas)))


def measure(images: int, device: str | None) -> dict[tuple[float, str, int], Pruned]:
    """All figures: (SNR, form, L) -> what the form does."""
    simulated = simulate(images, BOX_PX, PIXEL_SIZE_ANGSTROM, (-0.5 * SHIFTS.step * BOX_PX, 0.0))
    results: dict[tuple[float, str, int], Pruned] = {}
    with open_session(device) as session:
        scorers = [GridScorer(session, level, track_best=True) for level in range(FINEST + 1)]
        for snr in SNRS:
            trial = Trial(simulated, amplitude_of(simulated, snr), session, scorers)
            for radius in RADII:
                results |= {(snr, form, radius): pruned for form, pruned in trial.forms(radius)}
    return results


def markdown_tables(results: dict[tuple[float, str, int], Pruned]) -> str:
    """Shares of rotations pruned; and images that lost the best pose of all / the true pose, of forms that lost any."""
    shares, losses = [], []
    for snr in SNRS:
        for form, title in FORMS.items():
            row = [results.get((snr, form, radius)) for radius in RADII]
            head = f"| {snr:g} | {title} | "
            shares.append(head + " | ".join("" if p is None else _percent(p.share.mean()) for p in row) + " |")
            if any(p is not None and (p.best_lost | p.true_lost).any() for p in row):
                lost = ["" if p is None else f"{p.best_lost.sum()} / {p.true_lost.sum()}" for p in row]
                losses.append(head + " | ".join(lost) + " |")
    columns = "| SNR | form | " + " | ".join(f"L = {radius}" for radius in RADII) + " |\n" + "|---" * 2
    columns += "|---:" * len(RADII) + "|"
    return "\n".join([columns, *shares, "", columns, *losses])


def _percent(share: float) -> str:
    """A share with as many digits as tell it from none and from all."""
    digits = 1 if 0.001 <= share <= 0.99 else 2 if share < 0.9995 else 3
    return f"{100 * share:.{digits}f} %" if share > 0 else "0 %"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100, help="images at each signal-to-noise ratio")
    parser.add_argument("--device", help="as coldstart run --device")
    options = parser.parse_args()
    began = time.process_time()
    print(markdown_tables(measure(options.images, options.device)))
    print(f"\n{options.images} images at each SNR, {time.process_time() - began:.0f} CPU seconds")


if __name__ == "__main__":
    main()
