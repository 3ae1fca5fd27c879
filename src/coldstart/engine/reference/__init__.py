"""The kernels in NumPy and float64: what each of them computes, stated to be read, and the oracle of its tests.

Names and arguments are those of the kernels in kernels/*.cl, in their order. Results are returned instead of written,
and the sizes that an array's shape tells are left out. Arrays have the kernels' layouts: transforms are two planes,
real and imaginary, in rows of rings that end with pads (model/polar.py). A run calls none of this; the self-test does.
"""

from coldstart.engine.reference.backproject import (
    gather_slices,
    insert_slices,
    slice_residual,
)
from coldstart.engine.reference.bound import (
    cell_windows,
    hidden_power,
    ring_powers,
    strongest_slices,
    tail_bounds,
)
from coldstart.engine.reference.candidates import (
    NEGLIGIBLE,
    Lists,
    keep_hypotheses,
    keep_rotations,
    row_starts,
    split_hypotheses,
    survivors_of_row,
)
from coldstart.engine.reference.cells import (
    score_cells,
    score_poses,
)
from coldstart.engine.reference.fourier import (
    plane_points,
    sample,
    slices,
    trilinear,
)
from coldstart.engine.reference.grid import (
    rotation_rows,
)
from coldstart.engine.reference.images import (
    phase_table,
    select_points,
    weigh_images,
)
from coldstart.engine.reference.memory import (
    add_to_cells,
    copy_vectors,
    read_cells,
)
from coldstart.engine.reference.peak import (
    multiply_add_chains,
)
from coldstart.engine.reference.posterior import (
    BINS,
    RANGE,
    REACH,
    survey_rows,
)
from coldstart.engine.reference.score import (
    image_harmonics,
    score_grid,
    slice_harmonics,
)
from coldstart.engine.reference.slices import (
    blur_volume,
    make_slices,
    mean_slices,
    turned_slices,
)
from coldstart.engine.reference.symmetrize import (
    symmetrize,
)

__all__ = [
    "BINS",
    "NEGLIGIBLE",
    "RANGE",
    "REACH",
    "Lists",
    "add_to_cells",
    "blur_volume",
    "cell_windows",
    "copy_vectors",
    "gather_slices",
    "hidden_power",
    "image_harmonics",
    "insert_slices",
    "keep_hypotheses",
    "keep_rotations",
    "make_slices",
    "mean_slices",
    "multiply_add_chains",
    "phase_table",
    "plane_points",
    "read_cells",
    "ring_powers",
    "rotation_rows",
    "row_starts",
    "sample",
    "score_cells",
    "score_grid",
    "score_poses",
    "select_points",
    "slice_harmonics",
    "slice_residual",
    "slices",
    "split_hypotheses",
    "strongest_slices",
    "survey_rows",
    "survivors_of_row",
    "symmetrize",
    "tail_bounds",
    "trilinear",
    "turned_slices",
    "weigh_images",
]
