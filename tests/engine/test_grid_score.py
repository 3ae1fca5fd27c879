import numpy as np
import pytest

from coldstart.demo.simulate import random_ctf
from coldstart.engine import reference
from coldstart.engine.grid_score import GridScorer
from coldstart.engine.slices import unpaired
from coldstart.engine.stage import Stage
from coldstart.model.pose_grid import ShiftGrid, rotation_grid
from coldstart.model.so3 import random_rotations

RINGS = 8
DIRECTIONS = 32
SHIFTS = ShiftGrid(0.05, 1 / 24)

# Log weights of up to some hundred nats, from sums in float32.
WEIGHT = 5e-3


@pytest.fixture
def scored(rng, session, simulated, search_parts):
    """(level, radius, track best) -> scores, and the twin's on the first directions and on the last."""
    truth = simulated(random_rotations(rng, 3), rng.uniform(-1, 1, (3, 2)), random_ctf(rng, 3), snr=2.0)
    parts = search_parts(truth, 1, RINGS)

    def score(level, radius, *, track_best):
        batch = parts.loader.load(np.arange(3), np.full(RINGS, 4.0))
        stages = tuple(Stage(each, float(RINGS), 1e-3, 100) for each in range(level + 1))
        table = parts.search.prepare(parts.map, np.eye(3), stages).tables[level]
        view = parts.loader.view(batch, level, SHIFTS, of_cells=False)
        scores = GridScorer(session, level, track_best=track_best).score(3, view, table, radius)
        slices, *images = (session.download(a) for a in (table.slice, view.image, view.weight, view.phase))
        rings = view.table.plane.ring_table[: int(radius)]
        few = np.concatenate([slices[:DIRECTIONS], slices[-DIRECTIONS:]])
        in_plane = view.table.plane.in_plane
        return scores, reference.score_grid(few, unpaired(len(few)), rings, *images, in_plane)

    return score


def ends(scores, level):
    """Of the first directions, and of the last, which are opposite to some of the first half."""
    rotations = DIRECTIONS * rotation_grid(level).in_plane
    return np.concatenate([scores[:, :rotations], scores[:, -rotations:]], axis=1)


@pytest.mark.parametrize(("level", "radius"), [(0, 8.0), (0, 5.5), (1, 8.0)])
def test_every_rotation_is_scored_over_all_shifts(session, scored, level, radius):
    scores, (log_sum, best_weight, best_shift) = scored(level, radius, track_best=True)
    found = session.download(scores.log_sum)
    assert found.shape == (3, len(rotation_grid(level)))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(ends(found, level), log_sum, atol=WEIGHT)
    np.testing.assert_allclose(ends(session.download(scores.best_weight), level), best_weight, atol=WEIGHT)
    assert np.mean(ends(session.download(scores.best_shift), level) == best_shift) > 0.99  # but for ties


def test_the_best_is_found_where_it_is_asked_for(session, scored):
    alone, _ = scored(0, 8.0, track_best=False)
    assert alone.best_weight is None
    assert alone.best_shift is None
    log_sum = session.download(alone.log_sum)
    tracked, _ = scored(0, 8.0, track_best=True)
    np.testing.assert_array_equal(log_sum, session.download(tracked.log_sum))


def test_every_class_is_scored_as_if_it_were_alone(rng, session, simulated, search_parts):
    """Class after class, to the last bit."""
    truth = simulated(random_rotations(rng, 3), np.zeros((3, 2)), random_ctf(rng, 3), snr=2.0, classes=3)

    def score(volumes):
        parts = search_parts(truth, 0, RINGS, volumes)
        batch = parts.loader.load(np.arange(3), np.full(RINGS, 4.0))
        table = parts.search.prepare(parts.map, np.eye(3), (Stage(0, float(RINGS), 1e-3, 100),)).tables[0]
        view = parts.loader.view(batch, 0, SHIFTS, of_cells=False)
        scores = GridScorer(session, 0, track_best=True).score(3, view, table, float(RINGS))
        return [session.download(a) for a in (scores.log_sum, scores.best_weight, scores.best_shift)]

    together = score(truth.volumes)
    alone = [score(volume[None]) for volume in truth.volumes]
    for found, *of_classes in zip(together, *alone, strict=True):
        assert found.shape == (3, 3 * len(rotation_grid(0)))
        np.testing.assert_array_equal(found, np.concatenate(of_classes, axis=1))


def test_levels_do_not_share_results(session, scored):
    """Scores of one level are still there after those of another."""
    coarse, (log_sum, _, _) = scored(0, 8.0, track_best=True)
    scored(1, 8.0, track_best=True)
    np.testing.assert_allclose(ends(session.download(coarse.log_sum), 0), log_sum, atol=WEIGHT)
