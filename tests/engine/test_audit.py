from dataclasses import replace

import numpy as np
import pytest

from coldstart.demo.simulate import random_ctf
from coldstart.engine import reference
from coldstart.engine.audit import Auditor
from coldstart.engine.rings import FINEST_LEVEL
from coldstart.engine.stage import Stage
from coldstart.model.pose_grid import ShiftGrid, rotation_grid
from coldstart.model.so3 import random_rotations

RINGS = 8
SHIFTS = ShiftGrid(0.03, 1 / 24)
EVERYTHING = 10**7
VARIANCE = 100.0


@pytest.fixture
def audited(rng, session, simulated, search_parts):
    """(finest level, classes) -> the parts of a search of four images, and an auditor of it."""

    def make(finest, classes=1, rings=RINGS):
        shift_px = rng.uniform(-0.5, 0.5, (4, 2))
        truth = simulated(random_rotations(rng, 4), shift_px, random_ctf(rng, 4), snr=20.0, classes=classes)
        parts = search_parts(truth, finest, rings)
        return parts, Auditor(session, parts.loader, parts.search)

    return make


def plan(finest, omitted, limit):
    return tuple(Stage(level, float(RINGS), omitted, limit) for level in range(finest + 1))


def audit(parts, auditor, stages, rows=range(4)):
    slices = parts.search.prepare(parts.map, np.eye(3), stages)
    return auditor.audit(np.array(rows), np.full(RINGS, VARIANCE), slices, SHIFTS, stages)


def test_exhaustive_is_every_pose_of_the_grid(session, audited):
    parts, auditor = audited(0)
    (last,) = plan(0, 1e-3, 100)
    slices = parts.search.prepare(parts.map, np.eye(3), (last,))
    batch = parts.loader.load(np.arange(4), np.full(RINGS, VARIANCE))
    whole = auditor.exhaustive(batch, slices, SHIFTS, last)
    view = parts.loader.view(batch, 0, SHIFTS, of_cells=False)
    held = (session.download(a) for a in (slices.tables[0].slice, view.image, view.weight, view.phase))
    rotations, shifts = len(rotation_grid(0)), len(SHIFTS.points(0))
    pair = np.arange(4 * rotations)
    weight = reference.score_cells(
        *held, view.table.plane.ring_table, pair // rotations, pair % rotations, np.arange(len(pair) + 1) * shifts,
        np.tile(np.arange(shifts), len(pair)), np.zeros(len(pair) * shifts), 0, RINGS, rotation_grid(0).in_plane,
    ).reshape(4, rotations, shifts)  # fmt: skip
    mean = np.logaddexp.reduce(weight.reshape(4, -1), axis=1) - np.log(rotations * shifts)
    np.testing.assert_allclose(whole.log_evidence, mean, atol=1e-3)
    np.testing.assert_allclose(whole.best_weight, weight.max(axis=(1, 2)), atol=1e-3)
    found = weight[np.arange(4), whole.best_rotation, whole.best_shift]
    np.testing.assert_allclose(found, weight.max(axis=(1, 2)), atol=1e-3)


@pytest.mark.parametrize("finest", [0, 1])
@pytest.mark.parametrize("classes", [1, 3])
def test_a_search_that_keeps_everything_loses_nothing(audited, finest, classes):
    stages = plan(finest, 0.0, EVERYTHING)
    if finest:  # a window as wide as it gets keeps every cell
        stages = (replace(stages[0], sigmas=1000.0), stages[1])
    found = audit(*audited(finest, classes), stages, rows=[0, 2])
    assert found.images == 2
    assert found.best_pose_kept == 1.0
    assert 0 <= found.mass_lost_mean <= found.mass_lost_max < 1e-3


def test_a_search_that_keeps_one_pose_says_what_it_lost(audited):
    """The coarse cells are compared on few rings, and a single one is kept."""
    stages = (replace(plan(0, 1e-3, 1)[0], radius=3.0), replace(plan(1, 1e-3, 100)[1], limit=EVERYTHING))
    found = audit(*audited(1), stages)
    assert found.images == 4
    assert found.best_pose_kept < 1.0
    assert found.mass_lost_max > 0.5
    assert 0 < found.mass_lost_mean < found.mass_lost_max <= 1.0


def test_what_is_lost_is_lost_among_the_poses_of_all_classes(session, audited):
    """A search that keeps few poses of an image, compared with every pose of every class."""
    parts, auditor = audited(0, 2)
    stages = (Stage(0, float(RINGS), 1.0, 1),)  # whole bins: more poses than one may be kept
    found = audit(parts, auditor, stages)
    slices = parts.search.prepare(parts.map, np.eye(3), stages)
    batch = parts.loader.load(np.arange(4), np.full(RINGS, VARIANCE))
    whole = auditor.exhaustive(batch, slices, SHIFTS, stages[-1])
    kept = parts.search.run(batch, slices, SHIFTS, stages, rng=None)
    assert whole.best_rotation.max() < 2 * len(rotation_grid(0))
    np.testing.assert_allclose(kept.best_weight, whole.best_weight, atol=1e-2)
    assert found.best_pose_kept == 1.0
    lost = 1 - np.exp(kept.log_evidence - whole.log_evidence)
    assert found.mass_lost_max == pytest.approx(lost.max(), abs=1e-3)
    assert found.mass_lost_mean == pytest.approx(lost.mean(), abs=1e-3)


def test_an_audit_does_not_depend_on_the_other_images(audited):
    parts, auditor = audited(1)
    stages = (replace(plan(0, 1e-3, 1)[0], radius=3.0), plan(1, 1e-3, EVERYTHING)[1])
    whole = audit(parts, auditor, stages)
    single = [audit(parts, auditor, stages, rows=[row]) for row in range(4)]
    assert whole.mass_lost_max == max(one.mass_lost_max for one in single)
    assert whole.mass_lost_mean == pytest.approx(np.mean([one.mass_lost_mean for one in single]))
    assert whole.best_pose_kept == np.mean([one.best_pose_kept for one in single])


def test_the_audit_ends_at_the_finest_level_on_the_rings(audited):
    _, auditor = audited(FINEST_LEVEL + 1)
    stages = plan(FINEST_LEVEL + 1, 1e-3, 100)
    last = replace(stages[-1], radius=7.0, omitted=0.2)
    ended = auditor.auditable((*stages[:-1], last))
    on_rings = replace(stages[FINEST_LEVEL], radius=7.0)  # with all rings of the search
    assert ended == (*stages[:FINEST_LEVEL], on_rings, replace(last, level=FINEST_LEVEL))
    assert auditor.auditable(stages[: FINEST_LEVEL + 1]) == stages[: FINEST_LEVEL + 1]
