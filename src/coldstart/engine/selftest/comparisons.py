"""Each kernel beside its NumPy twin: what both are given, and how far apart their results may be.

Tolerances follow from float32: a sum of n products of order 1 is off by some n / 1e7.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from coldstart.compute.tuning import Tuning
from coldstart.engine import reference
from coldstart.engine.reference.arrays import Real
from coldstart.engine.selftest.inputs import (
    cells_added,
    cells_read,
    chosen_cells,
    chosen_poses,
    coarse_rotations,
    fine_grid,
    fine_slices,
    gatherable,
    gathered_slices,
    hidden,
    hypotheses,
    insertable,
    lost_power,
    residual_of,
    ring_powers_of,
    rotations_of,
    rows_of_log_weights,
    scored_grid,
    selectable,
    shifted,
    slice_powers_of,
    sliceable,
    small_turns,
    tails,
    weighable,
)
from coldstart.engine.selftest.kernels import Arrays, DeviceKernels
from coldstart.engine.selftest.lists import candidate_lists
from coldstart.engine.selftest.sample import IN_PLANE, Sample
from coldstart.engine.slices import unpaired

Arguments = Callable[[Sample, np.random.Generator, Tuning], tuple[Any, ...]]


def all_of(results: Arrays) -> Arrays:
    """Every result is compared."""
    return results


@dataclass(frozen=True)
class Outcome:
    """What a kernel gave, and how far that is from the twin.

    Attributes
    ----------
    found : tuple of ndarray
    largest_error : float
        Largest difference; NaN where a number was not written, infinite where arrays have other shapes.
    of_tolerance : float
        Largest difference over what is allowed there: they agree up to 1.
    """

    found: Arrays
    largest_error: float
    of_tolerance: float

    @property
    def agrees(self) -> bool:
        """Whether every number is within the tolerance."""
        return self.of_tolerance <= 1.0


def judge(found: Arrays, expected: Arrays, atol: float, rtol: float) -> Outcome:
    """The largest difference, and the largest over atol + rtol |expected|."""
    if any(np.shape(f) != np.shape(e) for f, e in zip(found, expected, strict=True)):
        return Outcome(found, np.inf, np.inf)
    wanted = np.concatenate([np.asarray(e, complex).ravel() for e in expected])
    error = np.abs(np.concatenate([np.asarray(f, complex).ravel() for f in found]) - wanted)
    allowed = atol + rtol * np.abs(wanted)
    share = np.divide(error, allowed, out=np.where(error == 0, 0.0, np.inf), where=allowed > 0)
    return Outcome(found, float(error.max()), float(share.max()))


@dataclass(frozen=True)
class Comparison:
    """One twin, and the kernels that do the same.

    Attributes
    ----------
    name : str
        Of the twin in `coldstart.engine.reference`.
    file : str
        In kernels/.
    kernels : tuple of str
    arguments : callable
        What both are given, from a sample, random numbers, and the tuning for which a kernel lays out its results.
    atol, rtol : float
        Largest difference, besides this share of the twin's number.
    compared : callable
        What of the results is compared.
    """

    name: str
    file: str
    kernels: tuple[str, ...]
    arguments: Arguments
    atol: float = 0.0
    rtol: float = 0.0
    compared: Callable[[Arrays], Arrays] = all_of

    def run(self, kernels: DeviceKernels, sample: Sample, rng: np.random.Generator) -> Outcome:
        """Give both the same, and take the difference."""
        given = self.arguments(sample, rng, kernels.tuning)
        found, expected = (self._results(source, given) for source in (kernels, reference))
        return judge(found, expected, self.atol, self.rtol)

    def _results(self, source: Any, given: tuple[Any, ...]) -> Arrays:
        results = getattr(source, self.name)(*given)
        return self.compared(results if isinstance(results, tuple) else (results,))


def _statistics(results: Arrays) -> Arrays:
    """Effective sample sizes are compared by their logarithms, as the sums are."""
    statistics: Real = np.array(results[0], np.float64)
    statistics[:, 1] = np.log(statistics[:, 1])
    return (statistics,)


COMPARISONS: Sequence[Comparison] = (
    Comparison("weigh_images", "images.cl", ("weigh_images",), weighable, atol=1e-5, rtol=1e-5),
    Comparison("select_points", "images.cl", ("select_points",), selectable, rtol=1e-6),
    Comparison("phase_table", "images.cl", ("phase_table",), shifted, atol=3e-6),
    Comparison(
        "rotation_rows", "grid.cl", ("rotation_rows",), lambda s, rng, _: rotations_of(s.turn, rng), atol=1e-6
    ),
    Comparison("make_slices", "slices.cl", ("make_slices",), lambda s, _, __: sliceable(s), atol=4e-5),
    Comparison("mean_slices", "slices.cl", ("mean_slices",), lambda _, rng, __: fine_slices(rng), atol=2e-6),
    Comparison(
        "blur_volume", "slices.cl", ("blur_volume",),
        lambda s, _, __: (s.volumes, small_turns(0.15).reshape(-1, 9), 16.5), atol=4e-5,
    ),
    Comparison(
        "image_harmonics", "score.cl", ("image_harmonics",),
        lambda s, _, tuning: (s.rings, s.image, s.weight, s.phase, tuning.score_rows, IN_PLANE), atol=1e-6,
        compared=lambda found: (found[0], found[1][:, ::2]),  # of weights, odd ones are not used
    ),
    Comparison(
        "slice_harmonics", "score.cl", ("slice_harmonics",),
        lambda s, _, tuning: (s.table, unpaired(len(s.table)), s.rings, tuning.vector_width, IN_PLANE), atol=1e-5,
    ),
    Comparison(
        "score_grid", "score.cl", ("score_grid",), lambda s, _, __: scored_grid(s), atol=3e-5,
        compared=lambda found: found[:2],  # one shift may be as good as another
    ),
    Comparison("score_cells", "cells.cl", ("score_cells",), chosen_cells, atol=3e-5),
    Comparison("score_poses", "cells.cl", ("score_poses",), chosen_poses, atol=1e-4),
    Comparison("survey_rows", "posterior.cl", ("survey_rows",), rows_of_log_weights, atol=1e-4, compared=_statistics),
    Comparison(
        "keep_rotations", "candidates.cl", ("count_rotations", "prefix_sums", "write_rotations"), coarse_rotations,
        atol=1e-6,
    ),
    Comparison("keep_hypotheses", "candidates.cl", ("count_cells", "write_survivors"), hypotheses, atol=1e-6),
    Comparison(
        "split_hypotheses", "candidates.cl", ("write_children",),
        lambda s, rng, tuning: (*hypotheses(s, rng, tuning), IN_PLANE), atol=1e-6,
    ),
    Comparison("row_starts", "candidates.cl", ("row_starts",), lambda _, rng, __: candidate_lists(rng)[0:3:2]),
    Comparison("gather_slices", "backproject.cl", ("gather_slices",), gatherable, atol=5e-6),
    Comparison(
        "insert_slices", "backproject.cl", ("insert_slices",),
        lambda s, rng, _: insertable(s, *gathered_slices(s, rng)), atol=1e-5,
    ),
    Comparison("slice_residual", "backproject.cl", ("slice_residual",), residual_of, atol=1e-4),
    Comparison(
        "symmetrize", "symmetrize.cl", ("symmetrize",), fine_grid, atol=3e-5,
        compared=lambda found: (found[0][..., :3],),
    ),
    Comparison(
        "ring_powers", "bound.cl", ("ring_powers",), lambda s, _, __: (s.image, s.weight, s.rings), rtol=1e-5
    ),
    Comparison("hidden_power", "bound.cl", ("hidden_power",), lost_power, rtol=1e-5),
    Comparison("cell_windows", "bound.cl", ("cell_windows",), hidden, rtol=1e-5),
    Comparison(
        "strongest_slices", "bound.cl", ("strongest_slices",),
        lambda s, _, __: (ring_powers_of(s), slice_powers_of(s), 2, 5, 3.0, 20.0, 1), rtol=1e-5,
    ),
    Comparison("tail_bounds", "bound.cl", ("tail_bounds",), tails, atol=1e-3, rtol=1e-5),
    Comparison(
        "copy_vectors", "memory.cl", ("copy_vectors",),
        lambda _, rng, __: (rng.standard_normal((37, 4)).astype(np.float32),),
    ),
    Comparison("read_cells", "memory.cl", ("read_cells",), cells_read, atol=1e-5),
    Comparison("add_to_cells", "memory.cl", ("add_to_cells",), cells_added),
    Comparison(
        "multiply_add_chains", "peak.cl", ("multiply_add_chains",), lambda _, __, ___: (5, 7, 0.75, 0.5, 4, 12),
        rtol=1e-6,
    ),
)  # fmt: skip
"""Every kernel of kernels/ in one of them."""
